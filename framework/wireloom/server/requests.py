"""How requests end: always with an answer, as long as somebody waits for it."""

import logging
import secrets
from collections.abc import AsyncIterator, Awaitable
from typing import Any, Final

from wireloom.errors import InvalidPayloadError, RpcError, TransportError
from wireloom.replies import error_message, told
from wireloom.server.endpoint import Endpoint
from wireloom.server.runner import StoppedError
from wireloom.server.settling import settle
from wireloom.server.streaming import REPLY_HEADERS, EncodingError, ReplyStream, too_large
from wireloom.server.watchdog import Run
from wireloom.spi import Delivery, Kind, Message, current_context

__all__ = ["RequestSettlement"]

log = logging.getLogger("wireloom.server")
_REPLY: Final = Kind.REPLY
_NO_ACK: Final = Delivery.ack


class RequestSettlement:
    """Requests run at most once: settled when they start, or after the reply if idempotent."""

    def __init__(self, endpoint: Endpoint, *, idempotent: bool) -> None:
        self._endpoint = endpoint
        self._link = endpoint.link
        self._encode = endpoint.handler.encode
        self._name = endpoint.route.name
        self._idempotent = idempotent
        self._limit = endpoint.link.options.max_payload
        self._streams: dict[type, bool] = {}

    def begin(self, delivery: Delivery) -> Awaitable[bool] | None:
        """Settle it now, unless it may be run again after a crash."""
        if self._idempotent or type(delivery).ack is _NO_ACK:
            return None
        return self._begin(delivery)

    def succeed(self, delivery: Delivery, result: Any, run: Run) -> Awaitable[None] | None:
        """Send the answer; a stream item by item."""
        kind = type(result)
        streams = self._streams.get(kind)
        if streams is None:
            streams = self._streams[kind] = issubclass(kind, AsyncIterator)
        if streams:
            return self._stream(delivery, result, run)
        request = delivery.message
        if request.reply_to is None:
            return self._done(delivery)
        try:
            body = self._encode(result)
        except InvalidPayloadError as error:
            raise EncodingError(str(error)) from error
        if len(body) > self._limit:
            raise too_large(len(body), self._limit)
        reply = Message(_REPLY, request.reply_to, body, REPLY_HEADERS, request.id)
        if not delivery.try_reply(reply):
            return self._answer(delivery, reply)
        return self._done(delivery) if self._idempotent else None

    async def fail(self, delivery: Delivery, error: BaseException) -> float | None:
        """Send the error; what is not meant for callers is logged under an id that they get."""
        if not isinstance(error, StoppedError):
            await self._send_error(delivery, self._told(delivery, error))
        await self._done(delivery)
        return None

    async def expire(self, delivery: Delivery) -> None:
        """Drop it: its caller has given up."""
        self._link.counters.expired += 1
        await settle(self._link, self._name, delivery.ack())

    async def abandon(self, delivery: Delivery) -> None:
        """Tell the caller that this instance is going away."""
        await self._send_error(delivery, RpcError("the service is stopping", "UNAVAILABLE"))

    async def give_back(self, delivery: Delivery) -> None:
        """Answer a request that was not started before the application stops. One that the
        transport has taken away is somebody else's to answer.
        """
        if delivery.lost:
            await settle(self._link, self._name, delivery.give_back())
            return
        await self._send_error(delivery, RpcError("the service is stopping", "UNAVAILABLE"))
        await settle(self._link, self._name, delivery.ack())

    async def _begin(self, delivery: Delivery) -> bool:
        await settle(self._link, self._name, delivery.ack())
        return True

    async def _stream(self, delivery: Delivery, result: Any, run: Run) -> None:
        context = current_context.get()
        if context is not None:
            # A stream's deadline was for its beginning; from here on the reader's credit, its
            # silence and the timeout for each item bound it.
            context.deadline = None
        await ReplyStream(self._endpoint, delivery, run).send(result)
        await self._done(delivery)

    async def _answer(self, delivery: Delivery, reply: Message) -> None:
        await self._reply(delivery, reply)
        await self._done(delivery)

    async def _done(self, delivery: Delivery) -> None:
        if self._idempotent:
            await settle(self._link, self._name, delivery.ack())

    def _told(self, delivery: Delivery, error: BaseException) -> RpcError:
        error_id = secrets.token_hex(8)
        answer = told(error, error_id)
        if answer.error_id == error_id:
            log.error(
                "%s failed on %r (error %s)",
                self._endpoint.route.where,
                delivery.message,
                error_id,
                exc_info=error,
            )
        return answer

    async def _send_error(self, delivery: Delivery, error: RpcError) -> None:
        if delivery.message.reply_to is None:
            return
        message = error_message(delivery.message, error)
        if len(message.body) > self._limit:
            message = error_message(
                delivery.message, RpcError("the error's details are too large", error.code)
            )
        await self._reply(delivery, message)

    async def _reply(self, delivery: Delivery, message: Message) -> None:
        try:
            await delivery.reply(message)
        except TransportError as error:
            self._link.counters.lost_replies += 1
            log.debug("%s: the reply to %r was lost: %s", self._name, delivery.message, error)
