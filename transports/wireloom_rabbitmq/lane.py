"""One AMQP channel as Wireloom uses it: messages out, confirms and messages in."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from struct import Struct
from typing import Any, Final
from uuid import uuid4

from aiormq.abc import AbstractChannel, DeliveredMessage

from wireloom.errors import ConnectionLostError, PublishError, TransportError
from wireloom_rabbitmq import frames
from wireloom_rabbitmq.errors import bounded
from wireloom_rabbitmq.properties import Properties, decode_properties, encode_properties
from wireloom_rabbitmq.tap import Wire

__all__ = ["Delivered", "Lane", "Take"]

_log = logging.getLogger(__name__)

_METHOD: Final = Struct(">I")
_SIZE: Final = Struct(">Q")
_PAYLOAD: Final = 7
"""Where a frame's payload begins."""


class Delivered:
    """One message from the broker: delivered, or returned because no queue wanted it."""

    __slots__ = ("body", "exchange", "key", "properties", "redelivered", "tag")

    def __init__(self, tag: int, redelivered: bool, exchange: str, key: str) -> None:
        self.tag = tag
        self.redelivered = redelivered
        self.exchange = exchange
        self.key = key
        self.properties = Properties()
        self.body = b""


Take = Callable[[Delivered], None]
"""Called on the loop's thread. It never waits."""


class Lane:
    """A channel whose messages, confirms and returns are handled here, and the rest by the driver.

    `on_return` gets what was published by `send` as mandatory and reached no queue.
    """

    def __init__(
        self, channel: AbstractChannel, wire: Wire, *, on_return: Take | None = None
    ) -> None:
        self.channel = channel
        self.number = int(channel.number)
        self._wire = wire
        self._frame_max = channel.connection.connection_tune.frame_max or 131_072
        self._on_return = on_return
        self._consumers: dict[str, Take] = {}
        self._pending: dict[int, tuple[asyncio.Future[bool], float]] = {}
        self._returned: set[int] = set()
        self._published = 0
        self._nonce = uuid4().hex[:12]
        self._incoming: tuple[Take | None, Delivered] | None = None
        self._missing = 0
        self._pieces: list[bytes] = []
        self._loop = asyncio.get_running_loop()
        self.lost: TransportError | None = None
        """Why nothing works here any more; None while it does."""
        wire.taps[self.number] = self

    async def consume(
        self,
        queue: str,
        tag: str,
        take: Take,
        *,
        no_ack: bool = False,
        arguments: Mapping[str, Any] | None = None,
        timeout: float,
    ) -> None:
        """Consume a queue under a consumer tag.

        :raises TransportError: if the broker refused, or did not answer within `timeout` seconds.
        """
        self._consumers[tag] = take  # first: deliveries may arrive together with the answer
        async with bounded(f"consume {queue!r}", timeout):
            await self.channel.basic_consume(
                queue,
                _unused,
                no_ack=no_ack,
                arguments=dict(arguments or {}),
                consumer_tag=tag,
                timeout=timeout,
            )

    def send(
        self, exchange: str, key: str, properties: Properties, body: bytes, *, mandatory: bool
    ) -> None:
        """Publish without asking for a confirm.

        :raises TransportError: if the channel is gone.
        """
        self._write(exchange, key, properties, body, mandatory=mandatory)

    def confirmed(
        self, exchange: str, key: str, properties: Properties, body: bytes
    ) -> asyncio.Future[bool]:
        """Publish; the future tells whether a queue took it, or raises PublishError.

        The message id is the channel's own, new for each call, so that a return finds its future.

        :raises TransportError: if the channel is gone.
        """
        tag = self._published + 1
        properties.message_id = f"{self._nonce}-{tag}"
        self._write(exchange, key, properties, body, mandatory=True)
        self._published = tag
        future: asyncio.Future[bool] = self._loop.create_future()
        self._pending[tag] = (future, self._loop.time())
        return future

    def ack(self, tag: int) -> None:
        """Settle a delivery: done.

        :raises TransportError: if the channel is gone; the broker then delivers it again.
        """
        self._check()
        self._wire.send(frames.ack_frame(self.number, tag))

    def nack(self, tag: int, *, requeue: bool) -> None:
        """Settle a delivery: put it back into the queue, or drop it.

        :raises TransportError: if the channel is gone.
        """
        self._check()
        self._wire.send(frames.nack_frame(self.number, tag, requeue=requeue))

    def expire(self, before: float) -> None:
        """Fail what was published before this moment of the loop's clock and is not confirmed."""
        while self._pending:
            tag, (future, since) = next(iter(self._pending.items()))
            if since > before:
                return
            del self._pending[tag]
            if not future.done():
                future.set_exception(PublishError("RabbitMQ did not confirm the message in time"))

    def fail(self, error: TransportError) -> None:
        """Give up: the channel or connection is gone. Calling it twice is no error."""
        if self.lost is not None:
            return
        self.lost = error
        if self._wire.taps.get(self.number) is self:
            del self._wire.taps[self.number]
        pending, self._pending = self._pending, {}
        for future, _ in pending.values():
            if not future.done():
                future.set_exception(PublishError(f"not known to be stored: {error}"))

    async def flush(self) -> None:
        """Wait until everything published is confirmed or failed."""
        futures = [future for future, _ in self._pending.values()]
        if futures:
            await asyncio.wait(futures)

    def take(self, kind: int, frame: bytes) -> bool:
        """Take a frame that is ours; the driver gets the others."""
        if kind == frames.METHOD:
            return self._method(frame)
        if self._incoming is None:
            return False
        if kind == frames.HEADER:
            (self._missing,) = _SIZE.unpack_from(frame, _PAYLOAD + 4)
            self._incoming[1].properties = decode_properties(frame, _PAYLOAD + 12)
        else:
            self._pieces.append(frame[_PAYLOAD:-1])
            self._missing -= len(frame) - frames.OVERHEAD
        if self._missing <= 0:
            self._complete()
        return True

    def _method(self, frame: bytes) -> bool:
        (method,) = _METHOD.unpack_from(frame, _PAYLOAD)
        at = _PAYLOAD + 4
        if method == frames.DELIVER:
            consumer, tag, redelivered, exchange, key = frames.read_deliver(frame, at)
            message = Delivered(tag, redelivered, exchange, key)
            self._incoming = (self._consumers.get(consumer), message)
        elif method == frames.ACK:
            self._confirm(*frames.read_confirm(frame, at), stored=True)
        elif method == frames.RETURN:
            _, _, exchange, key = frames.read_return(frame, at)
            self._incoming = (self._return, Delivered(0, False, exchange, key))
        elif method == frames.NACK:
            self._confirm(*frames.read_confirm(frame, at), stored=False)
        else:
            return False
        return True

    def _complete(self) -> None:
        if self._incoming is None:
            return
        take, message = self._incoming
        pieces, self._pieces, self._incoming = self._pieces, [], None
        message.body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if take is None:
            return
        try:
            take(message)
        except Exception:  # noqa: BLE001 - it would end the connection, and then the next one
            _log.exception("a message from RabbitMQ could not be taken (%s)", message.key)

    def _return(self, message: Delivered) -> None:
        nonce, _, tag = (message.properties.message_id or "").rpartition("-")
        if nonce == self._nonce:
            self._returned.add(int(tag))
        elif self._on_return is not None:
            self._on_return(message)

    def _confirm(self, tag: int, multiple: bool, *, stored: bool) -> None:
        if not multiple:
            self._resolve(tag, stored)
            return
        for earlier in list(self._pending):
            if earlier > tag:
                break
            self._resolve(earlier, stored)

    def _resolve(self, tag: int, stored: bool) -> None:
        returned = tag in self._returned
        self._returned.discard(tag)
        future, _ = self._pending.pop(tag, (None, 0.0))
        if future is None or future.done():
            return
        if stored:
            future.set_result(not returned)
        else:
            future.set_exception(
                PublishError("RabbitMQ refused the message: a queue is full or down")
            )

    def _write(
        self, exchange: str, key: str, properties: Properties, body: bytes, *, mandatory: bool
    ) -> None:
        self._check()
        try:
            frame = frames.publish_frame(self.number, exchange, key, mandatory=mandatory)
            encoded = encode_properties(properties)
        except ValueError as error:
            raise PublishError(str(error)) from error
        self._wire.send(frame + frames.content_frames(self.number, encoded, body, self._frame_max))

    def _check(self) -> None:
        if self.lost is not None:
            raise ConnectionLostError(str(self.lost))


async def _unused(_: DeliveredMessage) -> None:
    """Stand where the driver wants a callback: it never sees a delivery."""
