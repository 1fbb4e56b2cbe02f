"""Somebody waiting for one answer."""

import asyncio
from collections.abc import Awaitable
from typing import Any, Final

from wireloom.errors import RequestTimeoutError, WireloomError
from wireloom.link import Link
from wireloom.replies import error_of
from wireloom.spi import Kind, Message
from wireloom.tasks import running_task

__all__ = ["WINDOW", "Call"]

WINDOW: Final = 32
"""Items of a stream that may be under way without a further word from the reader."""


_EXPIRED: Final = object()
"""In place of the publishing task once its time was up, so that it is known who cancelled it."""


class Call(asyncio.Future["Message | None"]):
    """One request of `send`: the future of its answer; of a stream, of its last value."""

    # A future of its own kind, made without an __init__ of its own and with little state: together
    # they cost half of a request's bookkeeping. What few requests need is made when they do.
    __slots__ = ("owner",)

    owner: tuple[Link, float]
    """The link it was sent by, and the seconds that it may take."""
    _last: "_Items | None" = None
    _publishing: "asyncio.Task[Any] | object | None" = None

    async def while_publishing(self, publishing: Awaitable[object]) -> None:
        """Wait until the request is sent, no longer than its answer may take.

        :raises RequestTimeoutError: then.
        """
        task = running_task()
        self._publishing = task
        try:
            await publishing
        except asyncio.CancelledError:
            if self._publishing is _EXPIRED and task.uncancel() <= 0:
                raise RequestTimeoutError(f"not sent in {self.owner[1]:g} s") from None
            raise
        finally:
            self._publishing = None

    @property
    def serving(self) -> str:
        """Return the inbox of the instance that streams the answer; empty until it is known."""
        return "" if self._last is None else self._last.serving

    def receive(self, message: Message) -> None:
        """Take one message of the answer."""
        if self.done():
            return
        kind = message.kind
        if kind is Kind.REPLY:
            self.set_result(message)
        elif kind is Kind.ERROR:
            self.set_exception(error_of(message))
        elif kind is Kind.END:
            self.set_result(None if self._last is None else self._last.message)
        else:
            self._keep(message)

    def fail(self, error: WireloomError) -> None:
        """End without an answer."""
        if not self.done():
            self.set_exception(error)
            # Whoever awaits it may be cancelled at this very moment.
            self.exception()

    def expire(self) -> None:
        """End because the time is up."""
        if isinstance(self._publishing, asyncio.Task):
            self._publishing.cancel()
            self._publishing = _EXPIRED
        self.fail(RequestTimeoutError(f"no answer in {self.owner[1]:g} s"))

    def _keep(self, message: Message) -> None:
        items = self._last = self._last or _Items(message)
        items.message = message
        items.serving = message.reply_to or items.serving
        items.count += 1
        if items.count % (WINDOW // 2) == 0 and items.serving:
            link = self.owner[0]
            credit = Message(Kind.CREDIT, items.serving, b"%d" % (WINDOW // 2), {}, message.id)
            link.tasks.start(_publish(link, credit), "wireloom credit")


class _Items:
    """The items of a stream so far, of which only the last one counts."""

    __slots__ = ("count", "message", "serving")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.serving = ""
        self.count = 0


async def _publish(link: Link, message: Message) -> None:
    await link.transport.publish(message)
