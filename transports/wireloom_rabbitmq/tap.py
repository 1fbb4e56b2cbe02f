"""The socket under the driver, with the frames that come by the thousand taken out on the way.

The driver negotiates, sends heartbeats, opens channels and declares. Reading one delivery takes it
three frames through two queues and several hundred calls, though; so deliveries, confirms and
returns of channels that asked for it are read here, from the bytes as they arrive, and never reach
it. Frames to send are gathered for a turn of the loop and written at once.
"""

import asyncio
import logging
import struct
from collections.abc import Mapping
from typing import Any, Final, Protocol

from aiormq.connection import SSLContextProvider, TransportFactory
from yarl import URL

from wireloom.errors import TransportError
from wireloom_rabbitmq.frames import HEARTBEAT_FRAME, OVERHEAD, read_close

__all__ = ["SocketWire", "Tap", "Wire"]

_log = logging.getLogger(__name__)

_FRAME: Final = struct.Struct(">BHI")
_FRAME_LIMIT: Final = 16 * 1024 * 1024
"""Bytes; far above what any broker negotiates. A peer that claims more speaks something else."""
_TELL_EVERY: Final = 1.0
"""Seconds; how often the driver is told that the peer lives, when it sees none of its frames."""


class Tap(Protocol):
    """Takes the frames of one channel, until it is failed."""

    def take(self, kind: int, frame: bytes) -> bool:
        """Take a whole frame; False leaves it to the driver."""

    def fail(self, error: TransportError) -> None:
        """Give up: the channel or connection is gone. Calling it twice is no error."""


class Wire(Protocol):
    """One connection's bytes, both ways."""

    taps: dict[int, Tap]
    """By channel number."""
    heard: float
    """When anything arrived last, by the loop's clock."""
    room: asyncio.Event
    """Set while the peer reads as fast as we write."""

    def send(self, frames: bytes) -> None:
        """Write whole frames, in the order of the calls, at the end of this turn of the loop."""

    async def end(self) -> None:
        """End the connection without a word, whatever state it is in; return when it is gone."""


class SocketWire(TransportFactory):
    """The wire of a connection of our own. The driver calls `create` once, while connecting."""

    def __init__(self) -> None:
        self.taps: dict[int, Tap] = {}
        self.heard = 0.0
        self.room = asyncio.Event()
        self.room.set()
        self.gone = asyncio.Event()
        self.refusal: tuple[int, str] | None = None
        """Code and text with which the broker ended the connection."""
        self._out: list[bytes] = []
        self._socket: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()

    async def create(
        self, url: URL, **kwargs: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect; the driver's own errors come out as they are."""
        ssl = await _ssl_context(url, kwargs.pop("ssl_context_provider", None))
        reader = asyncio.StreamReader(loop=self._loop)
        protocol = _TappedProtocol(self, reader)
        self._socket, _ = await self._loop.create_connection(
            lambda: protocol, url.host or "", url.port or 0, ssl=ssl, **kwargs
        )
        self.heard = self._loop.time()
        return reader, asyncio.StreamWriter(self._socket, protocol, reader, self._loop)

    def send(self, frames: bytes) -> None:
        """Write whole frames at the end of this turn of the loop."""
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(frames)

    def abort(self) -> None:
        """End the connection without a word."""
        if self._socket is not None:
            self._socket.abort()

    async def end(self) -> None:
        """End the connection without a word; return when its socket is closed."""
        self.abort()
        if self._socket is not None:
            await self.gone.wait()

    def _flush(self) -> None:
        out, self._out = self._out, []
        if self._socket is not None and not self._socket.is_closing():
            self._socket.write(b"".join(out))


class _TappedProtocol(asyncio.StreamReaderProtocol):
    """Cuts what arrives into frames, and offers each to its channel's tap before the driver."""

    def __init__(self, wire: SocketWire, reader: asyncio.StreamReader) -> None:
        self._wire = wire
        self._taps: Mapping[int, Tap] = wire.taps
        self._reader = reader
        self._rest = b""
        self._framed = False
        self._told = 0.0
        self._now = asyncio.get_running_loop().time
        super().__init__(reader)

    def data_received(self, data: bytes) -> None:
        if not self._framed and not self._begins_with_frame(data):
            self._reader.feed_data(data)  # a greeting in another protocol: the driver's to refuse
            return
        self._wire.heard = now = self._now()
        if self._rest:
            data = self._rest + data
        try:
            taken = self._cut(data)
        except Exception:  # noqa: BLE001 - whatever a broken frame leads to, it ends the connection
            _log.warning("RabbitMQ sent what is no AMQP; the connection is cut", exc_info=True)
            self._wire.abort()
            return
        if taken and now - self._told > _TELL_EVERY:
            self._told = now
            self._reader.feed_data(HEARTBEAT_FRAME)

    def pause_writing(self) -> None:
        self._wire.room.clear()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._wire.room.set()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wire.room.set()
        self._wire.gone.set()
        super().connection_lost(exc)

    def _begins_with_frame(self, data: bytes) -> bool:
        self._framed = data[:1] == b"\x01"
        return self._framed

    def _cut(self, data: bytes) -> int:
        """Hand out the whole frames in the data, and keep the rest; return how many taps took."""
        at = taken = 0
        size = len(data)
        taps = self._taps
        while size - at >= OVERHEAD:
            kind, channel, length = _FRAME.unpack_from(data, at)
            if length > _FRAME_LIMIT:
                self._wire.abort()
                return taken
            end = at + OVERHEAD + length
            if end > size:
                break
            frame = data[at:end]
            tap = taps.get(channel)
            if tap is not None and tap.take(kind, frame):
                taken += 1
            else:
                if channel == 0:
                    self._wire.refusal = read_close(frame) or self._wire.refusal
                self._reader.feed_data(frame)
            at = end
        self._rest = data[at:]
        return taken


async def _ssl_context(url: URL, provider: SSLContextProvider | None) -> Any:
    if url.scheme != "amqps" or provider is None:
        return None
    return await provider.get_context()
