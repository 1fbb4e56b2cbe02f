"""A streamed answer, read at the reader's pace."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

from wireloom.client.calls import WINDOW
from wireloom.client.plans import SendPlan
from wireloom.errors import RequestTimeoutError, TransportError, WireloomError
from wireloom.link import Link
from wireloom.replies import error_of
from wireloom.spi import Kind, Message

__all__ = ["Stream"]

T = TypeVar("T", covariant=True)
KEEP_ALIVE: Final = 3.0
"""Seconds between signs of life from a slow reader; the producer gives up after 10."""


class Stream(Generic[T]):
    """The items of one request's answer. Nothing is sent until it is entered or iterated.

    Leaving the `async with`, or the `async for` early, cancels the handler. An error of the
    handler's is raised after the items before it.
    """

    def __init__(self, link: Link, plan: SendPlan, request: Message, timeout: float) -> None:
        self._link = link
        self._plan = plan
        self._request = request
        self._timeout = timeout
        self._arrived: deque[Message] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._failed: WireloomError | None = None
        self._serving = ""
        self._unread = 0
        self._open = False
        self._ended = False
        self._keep_alive: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Send the request."""
        await self._start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Cancel the handler if it is not done."""
        await self.aclose()

    def __aiter__(self) -> AsyncIterator[T]:
        """Go through the items."""
        return self._iterate()

    async def aclose(self) -> None:
        """Cancel the handler if it is not done. Calling it twice is no error."""
        if not self._open:
            return
        self._open = False
        if self._keep_alive is not None:
            self._keep_alive.cancel()
        self._link.pending.pop(self._request.id, None)
        can_find = self._link.transport.capabilities.cancels_unanswered
        if not self._ended and (self._serving or can_find):
            await self._link.cancel(self._request.id, self._serving)

    def receive(self, message: Message) -> None:
        """Take one message of the answer."""
        if message.kind is Kind.ITEM:
            self._serving = message.reply_to or self._serving
        self._arrived.append(message)
        self._wake()

    def fail(self, error: WireloomError) -> None:
        """End: there will be no more."""
        self._failed = self._failed or error
        self._wake()

    def expire(self) -> None:
        """End because no item came in time."""
        self.fail(RequestTimeoutError(f"no item in {self._timeout:g} s"))

    async def _start(self) -> None:
        if self._open:
            return
        self._open = True
        self._link.pending[self._request.id] = self
        try:
            async with asyncio.timeout(self._timeout):
                await self._link.transport.publish(self._request)
        except TimeoutError:
            await self.aclose()
            raise RequestTimeoutError(f"not sent in {self._timeout:g} s") from None
        except BaseException:
            await self.aclose()
            raise
        self._keep_alive = self._link.tasks.start(self._keep_alive_loop(), "wireloom keep-alive")

    async def _iterate(self) -> AsyncIterator[T]:
        try:
            await self._start()
            while (message := await self._next()) is not None:
                yield self._plan.decode(message.body)
                if message.kind is Kind.REPLY:
                    return
                await self._grant()
        finally:
            await self.aclose()

    async def _next(self) -> Message | None:
        bucket = self._link.deadlines.add(self, self._link.clock.monotonic() + self._timeout)
        try:
            while not self._arrived and self._failed is None:
                self._waiter = asyncio.get_running_loop().create_future()
                await self._waiter
        finally:
            bucket.pop(self, None)
            self._waiter = None
        if not self._arrived:
            raise self._failed or TransportError("the stream ended")
        message = self._arrived.popleft()
        self._ended = message.kind is not Kind.ITEM
        if message.kind is Kind.ERROR:
            raise error_of(message)
        return None if message.kind is Kind.END else message

    async def _grant(self) -> None:
        self._unread += 1
        if self._unread < WINDOW // 2 or not self._serving:
            return
        credit, self._unread = self._unread, 0
        await self._say(credit)

    async def _say(self, credit: int) -> None:
        message = Message(Kind.CREDIT, self._serving, b"%d" % credit, {}, self._request.id)
        await self._link.transport.publish(message)

    async def _keep_alive_loop(self) -> None:
        while True:
            await self._link.clock.sleep(KEEP_ALIVE)
            if self._serving:
                try:
                    await self._say(0)
                except TransportError as error:
                    self.fail(error)
                    return

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
