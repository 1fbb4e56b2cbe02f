"""Faults that tests plant in a broker."""

import asyncio
from collections import deque

from wireloom.errors import PublishError, TransportError
from wireloom_memory.schedule import Schedule

__all__ = ["Faults"]


class Faults:
    """What is wrong with a broker at present. `active` is all that its fast path looks at."""

    PATIENCE = 5.0
    """Seconds for which an operation waits for a frozen broker."""

    def __init__(self, schedule: Schedule) -> None:
        self.active = False
        self.frozen = False
        self._schedule = schedule
        self._publishing: deque[TransportError] = deque()
        self._burying: TransportError | None = None
        self._waiting: set[asyncio.Future[None]] = set()

    def fail_next_publish(self, error: TransportError) -> None:
        """Let one publish fail; several calls queue up."""
        self._publishing.append(error)
        self.active = True

    def fail_dead_letters(self, error: TransportError | None) -> None:
        """Let every write of a dead letter fail, until called with None."""
        self._burying = error

    def set_frozen(self, frozen: bool) -> None:
        """Stop answering, or let all who wait go on."""
        self.frozen = frozen
        self.active = frozen or bool(self._publishing)
        if not frozen:
            for waiter in self._waiting:
                waiter.set_result(None)
            self._waiting.clear()

    async def on_publish(self) -> None:
        """Pass what was planted for a publish."""
        await self.answer()
        if self._publishing:
            error = self._publishing.popleft()
            self.active = self.frozen or bool(self._publishing)
            raise error

    def on_bury(self) -> None:
        """Pass what was planted for a dead letter."""
        if self._burying is not None:
            raise self._burying

    async def answer(self) -> None:
        """Wait while the broker is frozen.

        :raises PublishError: if it still is after PATIENCE.
        """
        if not self.frozen:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        self._schedule.after(self.PATIENCE, lambda: self._give_up(waiter))
        try:
            await waiter
        finally:
            self._waiting.discard(waiter)

    def _give_up(self, waiter: asyncio.Future[None]) -> None:
        self._waiting.discard(waiter)
        if not waiter.done():
            waiter.set_exception(PublishError("the broker does not answer"))
