"""A streamed answer: at the reader's pace, and no longer than somebody reads."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any, Final

from wireloom.codec import JSON
from wireloom.errors import InvalidPayloadError, RpcError
from wireloom.server.endpoint import Endpoint
from wireloom.server.watchdog import NEVER, Run
from wireloom.spi import Delivery, Kind, Message
from wireloom.spi.headers import CONTENT_TYPE

__all__ = ["REPLY_HEADERS", "EncodingError", "ReplyStream", "too_large"]

WINDOW: Final = 32
"""Items that may be sent before the reader has said a word."""
SILENCE: Final = 10.0
"""Seconds without credit or keep-alive after which the reader is taken for dead."""
REPLY_HEADERS: Final[Mapping[str, str]] = {CONTENT_TYPE: JSON}


class EncodingError(Exception):
    """The handler's result cannot be written: its own mistake, not the caller's."""


def too_large(size: int, limit: int) -> RpcError:
    """Return the error for an answer that no message carries."""
    return RpcError(f"the answer has {size} bytes, over the limit of {limit}", "RESOURCE_EXHAUSTED")


class ReplyStream:
    """One streamed answer under way. Cancelling, silence or the handler's timeout for one item
    ends the handler at once.
    """

    def __init__(self, endpoint: Endpoint, delivery: Delivery, run: Run) -> None:
        self._endpoint = endpoint
        self._link = endpoint.link
        self._delivery = delivery
        self._run = run
        self._credit = WINDOW
        self._granted: asyncio.Future[None] | None = None
        self._heard = endpoint.link.clock.monotonic()
        self._first = True

    def grant(self, items: int) -> None:
        """Allow so many more items; 0 keeps it alive."""
        self._credit += items
        self._heard = self._link.clock.monotonic()
        if self._credit and self._granted is not None and not self._granted.done():
            self._granted.set_result(None)

    def cancel(self) -> None:
        """Stop: nobody reads on."""
        self._run.stop("cancelled")

    def expire(self) -> None:
        """Stop if nothing was heard for too long; else look again later."""
        if self._link.clock.monotonic() - self._heard >= SILENCE:
            self._run.stop("silence")
        else:
            self._watch()

    async def send(self, items: AsyncIterator[Any]) -> None:
        """Send all items, then the end. What the handler raises passes through."""
        request_id = self._delivery.message.id
        self._link.streams[request_id] = self
        self._watch()
        try:
            while True:
                item = await self._next(items)
                if self._run.stopped is not None:
                    # The handler swallowed the cancellation; it does not get to go on.
                    raise asyncio.CancelledError
                if item is _DONE:
                    break
                await self._send_item(item)
            await self._delivery.reply(self._message(Kind.END, b""))
        finally:
            self._link.streams.pop(request_id, None)
            self._bucket.pop(self, None)
            await _close(items)

    def _watch(self) -> None:
        self._bucket = self._link.deadlines.add(self, self._heard + SILENCE)

    async def _next(self, items: AsyncIterator[Any]) -> Any:
        timeout = self._endpoint.timeout
        if timeout is not None:
            self._run.until = self._link.clock.monotonic() + timeout
            if not self._endpoint.watchdog.awake:
                self._endpoint.watchdog.wake()
        try:
            return await anext(items, _DONE)
        finally:
            self._run.until = NEVER

    async def _send_item(self, item: Any) -> None:
        try:
            body = self._endpoint.handler.encode(item)
        except InvalidPayloadError as error:
            raise EncodingError(str(error)) from error
        limit = self._link.options.max_payload
        if len(body) > limit:
            raise too_large(len(body), limit)
        while not self._credit:
            self._granted = asyncio.get_running_loop().create_future()
            await self._granted
        self._credit -= 1
        await self._delivery.reply(self._message(Kind.ITEM, body))

    def _message(self, kind: Kind, body: bytes) -> Message:
        request = self._delivery.message
        serving = self._link.inbox if self._first else None
        self._first = False
        return Message(
            kind, request.reply_to or "", body, REPLY_HEADERS, request.id, reply_to=serving
        )


_DONE: Final = object()


async def _close(items: AsyncIterator[Any]) -> None:
    close = getattr(items, "aclose", None)
    if close is not None:
        # A generator that fails while it is closed has failed its caller already, or has none.
        with suppress(Exception):
            await close()
