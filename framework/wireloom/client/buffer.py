"""Events that were handed over without waiting: `emit(sync=False)`."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Final

from wireloom.errors import ClosedError, OverloadedError, PublishError, TransportError
from wireloom.link import Link
from wireloom.spi import Message
from wireloom.tasks import Tasks

__all__ = ["EmitBuffer"]

log = logging.getLogger("wireloom.client")
OVERHEAD: Final = 256
"""Bytes that a waiting message takes beside its body."""
BATCH: Final = 256
"""Messages given to the transport at once."""
TIMEOUT: Final = 10.0
"""Seconds that a batch may take."""


class EmitBuffer:
    """Publishes in the background, in order, at most `pending_bytes` at a time. Failures are
    counted, logged and given to `on_failure`; closing waits for what is under way.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._waiting: deque[Message] = deque()
        self._bytes = 0
        self._pumping = False
        self._tasks = Tasks(lambda error: log.error("emitting failed", exc_info=error))
        self.on_failure: Callable[[Message, TransportError], None] | None = None

    def add(self, message: Message) -> None:
        """Publish it soon.

        :raises OverloadedError: if too much is under way already.
        """
        limit = self._link.options.pending_bytes
        if self._bytes + _size(message) > limit:
            raise OverloadedError(f"{self._bytes} bytes wait to be sent; pending_bytes={limit}")
        self._bytes += _size(message)
        self._waiting.append(message)
        if not self._pumping:
            self._pumping = True
            self._tasks.start(self._pump(), "wireloom emit")

    async def drain(self, timeout: float) -> None:
        """Wait until nothing is under way, so many seconds at most; then give up the rest."""
        await self._tasks.wait(timeout)
        await self._tasks.close()

    async def _pump(self) -> None:
        try:
            while self._waiting:
                size = min(BATCH, len(self._waiting))
                await self._publish([self._waiting.popleft() for _ in range(size)])
        finally:
            self._pumping = False
            self._give_up(self._waiting)
            self._waiting.clear()

    async def _publish(self, batch: list[Message]) -> None:
        error: TransportError
        try:
            async with asyncio.timeout(TIMEOUT):
                outcomes = await self._link.transport.publish_many(batch)
        except TimeoutError:
            error = PublishError(f"no answer in {TIMEOUT:g} s; it may have been taken")
            outcomes = [error] * len(batch)
        except TransportError as failed:
            outcomes = [failed] * len(batch)
        except BaseException:
            self._give_up(batch)
            raise
        for message, outcome in zip(batch, outcomes, strict=True):
            self._bytes -= _size(message)
            if isinstance(outcome, TransportError):
                self._failed(message, outcome)

    def _give_up(self, messages: "deque[Message] | list[Message]") -> None:
        for message in messages:
            self._bytes -= _size(message)
            self._failed(message, ClosedError("the application stopped before it was taken"))

    def _failed(self, message: Message, error: TransportError) -> None:
        self._link.counters.failed_emits += 1
        log.warning("%s: %r was not taken: %s", self._link.token, message, error)
        if self.on_failure is not None:
            self.on_failure(message, error)


def _size(message: Message) -> int:
    return len(message.body) + OVERHEAD
