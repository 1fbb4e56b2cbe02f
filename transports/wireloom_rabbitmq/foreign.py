"""A connection that the user opened: its frames come and go through the driver's own queues."""

import asyncio
import math
from typing import Any, cast

from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractChannel, ChannelFrame
from aiormq.abc import AbstractConnection as DriverConnection
from pamqp import frame as pamqp_frame
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from wireloom.errors import ConnectionFailedError
from wireloom_rabbitmq import frames
from wireloom_rabbitmq.errors import bounded
from wireloom_rabbitmq.lane import Lane, Take
from wireloom_rabbitmq.link import Link, close_channel
from wireloom_rabbitmq.options import RabbitMqOptions
from wireloom_rabbitmq.tap import Tap

__all__ = ["adopt", "native_client"]


class ForeignLink(Link):
    """Uses a connection without owning it: `close` closes our channels alone."""

    wire: "DriverWire"

    async def lane(self, *, confirms: bool = False, on_return: Take | None = None) -> Lane:
        lane = await super().lane(confirms=confirms, on_return=on_return)
        self.wire.intercept(lane.number, lane)
        return lane

    async def close(self) -> None:
        if not self.lost.done():
            self.lost.cancel()
        await self.wire.end()
        for tap in list(self.wire.taps.values()):
            if isinstance(tap, Lane):
                await close_channel(tap.channel)
        if self.control is not None:
            await close_channel(self.control)


class DriverWire:
    """The wire of a connection that the driver reads and writes."""

    def __init__(self, driver: DriverConnection) -> None:
        self.taps: dict[int, Tap] = {}
        self.heard = math.inf  # the driver's heartbeats, and its settings, are the user's
        self.room = asyncio.Event()
        self.room.set()
        self._driver = driver
        self._out: list[bytes] = []
        self._some = asyncio.Event()
        self._pump = asyncio.get_running_loop().create_task(self._write())

    def intercept(self, number: int, tap: Tap) -> None:
        """Let a tap have the frames of a channel before the channel."""
        channel = self._driver.channels[number]
        if channel is not None:
            self._driver.channels[number] = cast("AbstractChannel", _Door(channel, tap))

    def send(self, frames: bytes) -> None:
        self._out.append(frames)
        self._some.set()

    async def end(self) -> None:
        """Stop writing; the connection stays."""
        self._pump.cancel()
        await asyncio.gather(self._pump, return_exceptions=True)

    async def _write(self) -> None:
        while True:
            await self._some.wait()
            self._some.clear()
            out, self._out = self._out, []
            self.room.clear()
            payload = ChannelFrame(payload=b"".join(out), should_close=False)
            await self._driver.write_queue.put(payload)
            self.room.set()


class _Door:
    """Stands for a channel in the driver's table, and lets a tap choose frames first."""

    def __init__(self, channel: AbstractChannel, tap: Tap) -> None:
        self._channel = channel
        self._tap = tap
        self.frames = self

    async def put(self, item: tuple[int, Any]) -> None:
        """Take one frame as the driver read it."""
        frame = item[1]
        raw = pamqp_frame.marshal(frame, int(self._channel.number))
        if not self._tap.take(_kind(frame), raw):
            await self._channel.frames.put(item)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)


async def adopt(options: RabbitMqOptions) -> Link:
    """Use the connection given by the user; wait for one that reconnects by itself.

    :raises ConnectionFailedError: if it is closed.
    """
    client = options.client
    if isinstance(client, AbstractConnection):
        if client.is_closed:
            raise ConnectionFailedError("the given client is closed", fatal=True)
        async with bounded("wait for the given client", options.connect_timeout):
            await client.connected.wait()
    driver = native_client(client)
    if driver is None or driver.is_closed:
        raise ConnectionFailedError("the given client is not connected")
    return ForeignLink(client, driver, DriverWire(driver), options.call_timeout)


def native_client(client: object) -> DriverConnection | None:
    """Return the connection under what a user gave; None if there is none."""
    if isinstance(client, DriverConnection):
        return client
    if isinstance(client, AbstractConnection) and client.transport is not None:
        return client.transport.connection
    return None


def _kind(frame: object) -> int:
    if isinstance(frame, ContentHeader):
        return frames.HEADER
    return frames.BODY if isinstance(frame, ContentBody) else frames.METHOD
