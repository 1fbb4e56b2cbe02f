"""One reading of a stream into the queues of a subscription."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final
from uuid import uuid4

from wireloom.errors import TransportError
from wireloom.spi import Kind, Subscription
from wireloom_rabbitmq.errors import bounded
from wireloom_rabbitmq.lane import Delivered, Lane
from wireloom_rabbitmq.link import close_channel
from wireloom_rabbitmq.names import Names
from wireloom_rabbitmq.properties import Properties
from wireloom_rabbitmq.reading import event_message, is_before, offset_of
from wireloom_rabbitmq.session import Session
from wireloom_rabbitmq.writing import replayed_properties

__all__ = ["Copy"]

_WINDOW: Final = 256
"""Messages read ahead, and copied before their confirms are waited for."""


class Copy:
    """One reading of a stream into a queue."""

    def __init__(
        self,
        session: Session,
        subscription: Subscription,
        names: Names,
        entry: tuple[str, str],
        timeout: float,
    ) -> None:
        self._session = session
        self._subscription = subscription
        self._names = names
        self._entry = entry
        self._timeout = timeout
        self._stream = ""
        self._lane: Lane | None = None
        self._read: asyncio.Queue[Delivered] = asyncio.Queue()
        self._confirms: list[asyncio.Future[bool]] = []
        self._last: Delivered | None = None
        self._copied = 0
        self._mark_offset = 0
        self._skips = _skips(subscription)

    async def past(self, stream: str) -> None:
        """Copy what was stored before this moment."""
        self._stream = stream
        start: object = self._subscription.start_from
        await self._open(start)
        await self.until_now()
        # The last event may be followed by any number of marks, so it is looked for further back.
        back = _WINDOW
        while start == "last" and not self._copied:
            offset = max(0, self._mark_offset - back)
            await self.close()
            await self._open(offset)
            await self.until_now()
            if offset == 0:
                break
            back *= 16

    async def _open(self, start: object) -> None:
        self._lane = lane = await self._session.consuming.lane()
        async with bounded("read the history", self._timeout):
            await lane.channel.basic_qos(prefetch_count=_WINDOW, timeout=self._timeout)
        arguments = {"x-stream-offset": start}
        self._read = asyncio.Queue()
        take = self._read.put_nowait
        await lane.consume(
            self._stream, "history", take, arguments=arguments, timeout=self._timeout
        )

    async def until_now(self) -> None:
        """Copy what is in the stream at this moment: up to a mark that is put there now."""
        mark = uuid4().hex
        await self._publish("", self._stream, Properties(correlation_id=mark), b"")
        await self._flush()
        while True:
            async with bounded("read the history", self._timeout):
                delivered = await self._read.get()
            if delivered.properties.correlation_id == mark and not delivered.exchange:
                break
            await self._consider(delivered)
            self._settle(delivered)
        self._mark_offset = offset_of(delivered)
        self._settle(delivered)
        last, self._last = self._last, None
        if last is not None:
            await self._copy(last)
        await self._flush()

    async def close(self) -> None:
        """Stop reading."""
        if self._lane is not None:
            await close_channel(self._lane.channel)

    async def _consider(self, delivered: Delivered) -> None:
        # What has no exchange is somebody's mark.
        if not delivered.exchange or self._skips(delivered) or not self._matches(delivered):
            return
        if self._subscription.start_from == "last":
            self._last = delivered
        else:
            await self._copy(delivered)

    def _matches(self, delivered: Delivered) -> bool:
        return self._subscription.pattern.matches(self._address(delivered))

    def _address(self, delivered: Delivered) -> str:
        return self._names.address(Kind.EVENT, delivered.key)

    async def _copy(self, delivered: Delivered) -> None:
        message = event_message(self._address(delivered), delivered)
        await self._publish(*self._entry, replayed_properties(message), message.body)
        self._copied += 1
        if len(self._confirms) >= _WINDOW:
            await self._flush()

    async def _publish(self, exchange: str, key: str, properties: Properties, body: bytes) -> None:
        lane = await self._session.events()
        self._confirms.append(lane.confirmed(exchange, key, properties, body))

    async def _flush(self) -> None:
        confirms, self._confirms = self._confirms, []
        if not all(await asyncio.gather(*confirms)):
            raise TransportError("a queue was deleted while history was copied into it")

    def _settle(self, delivered: Delivered) -> None:
        if self._lane is not None:
            self._lane.ack(delivered.tag)


def _skips(subscription: Subscription) -> Callable[[Delivered], bool]:
    start_from = subscription.start_from
    if isinstance(start_from, datetime):
        # A stream finds a time to the chunk, which is many messages long.
        return partial(is_before, start_from.timestamp())
    return lambda _: False
