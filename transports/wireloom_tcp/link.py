"""One connection's bytes: reading into frames, writing once per turn of the loop."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, cast

from wireloom.errors import ConnectionLostError
from wireloom_tcp.decoder import FrameDecoder, Sinks
from wireloom_tcp.frames import Code, FrameType, ProtocolError, frame
from wireloom_tcp.headers import encode_block

__all__ = ["Link", "refusal"]

GREETING: Final = 4096
"""Largest `length` of a frame before the peer has shown who it is."""
TOGETHER: Final = 16
"""Frames of one turn of the loop after which they are written without waiting for its end."""
LINGER: Final = 5.0
"""Seconds that closing may take to send what was written."""
UNSENT: Final = 4 * 1024 * 1024
"""Bytes that may wait beyond a full write buffer, for frames that nobody waits with."""


class Link(asyncio.Protocol):
    """A socket that speaks frames.

    It knows nothing of what frames mean: `sinks` do. `on_lost` is called once, when nothing more
    will be read or written. All deadlines are watched from outside, by the `watch` of its node.
    """

    __slots__ = (
        "_buffer", "_full", "_gone", "_held", "_linger", "_loop", "_on_open", "_out",
        "_scheduled", "_size", "_waiters",
        "closed", "congested", "decoder", "error", "frame", "frame_at", "full_since", "greeted",
        "heard", "heard_at", "missed", "on_eased",
        "on_lost", "opened_at", "transport",
    )  # fmt: skip

    def __init__(
        self,
        sinks: Sinks,
        *,
        write_buffer: int,
        on_open: Callable[["Link"], None],
        on_lost: Callable[["Link"], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_open = on_open
        self.on_lost = on_lost
        self.on_eased: Callable[[], None] | None = None
        """Called whenever there is room in the write buffer again."""
        self.decoder = FrameDecoder(sinks, length=GREETING, body=0)
        self.transport: asyncio.Transport | None = None
        self.closed = False
        self.error: Exception | None = None
        """Why it ended; None if both sides wanted that."""
        self.congested = False
        """Whether senders ought to wait with `drained` before they write more."""
        self._buffer = write_buffer
        self._out: list[bytes] = []
        self._size = 0
        self._scheduled = False
        self._full = False
        self._held = False
        self._linger: asyncio.TimerHandle | None = None
        self._gone: asyncio.Future[None] | None = None
        self._waiters: deque[asyncio.Future[None]] = deque()
        self.greeted = False
        """Whether the peer has shown who it is."""
        self.opened_at = self._loop.time()
        self.heard = False
        """Whether bytes came since the watch last looked."""
        self.heard_at = self.opened_at
        self.missed = 0
        self.full_since = 0.0
        self.frame = 0
        self.frame_at = 0.0
        """When the watch first saw the frame that is on its way, by the decoder's `kept`."""

    @property
    def held(self) -> bool:
        """Tell whether reading is stopped."""
        return self._held

    @property
    def unsent(self) -> list[bytes]:
        """Return the frames that were never handed to the system."""
        return self._out

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=self._buffer, low=self._buffer // 4)
        if not self.closed:
            self._on_open(self)

    def data_received(self, data: bytes) -> None:
        """Cut into frames and hand them on."""
        self.heard = True
        if self.closed:
            return
        try:
            self.decoder.feed(data)
        except ProtocolError as error:
            self.refuse(error)

    def write(self, data: bytes) -> None:
        """Send one frame, together with all others of this turn of the loop."""
        self._out.append(data)
        self._size += len(data)
        if self._size > self._buffer:
            self.congested = True
        if len(self._out) >= TOGETHER:
            self._flush()  # so that the peer begins while this side goes on
        elif not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    async def drained(self) -> None:
        """Wait until there is room in the write buffer.

        :raises ConnectionLostError: if the connection ends first.
        """
        while self.congested and not self.closed:
            waiter = self._loop.create_future()
            self._waiters.append(waiter)
            await waiter
        if self.closed:
            raise ConnectionLostError("the connection was lost", maybe_executed=False)

    def hold(self) -> None:
        """Stop reading, and stop cutting what was read."""
        if not self._held and not self.closed and self.transport is not None:
            self._held = True
            self.decoder.stopped = True
            self.transport.pause_reading()

    def release(self) -> None:
        """Go on reading, in a turn of its own."""
        if self._held and not self.closed:
            self._held = False
            self._loop.call_soon(self._resume)

    def refuse(self, error: ProtocolError) -> None:
        """End the connection over what the peer did, telling it once, unless it would not know."""
        if self.closed:
            return
        if not error.silent:
            self.write(refusal(error))
        self.close(error)

    def close(self, error: Exception | None = None) -> None:
        """End the connection once what was written is sent."""
        if self.closed:
            return
        self._flush()
        self._end(error)
        if self.transport is not None:
            self._linger = self._loop.call_later(LINGER, self.transport.abort)
            self.transport.close()

    def abort(self, error: Exception | None = None) -> None:
        """End the connection now."""
        self._end(error)
        if self.transport is not None:
            self.transport.abort()

    def pause_writing(self) -> None:
        """Note that the peer does not keep up."""
        self._full = self.congested = True
        self.full_since = self._loop.time()

    def resume_writing(self) -> None:
        """Note that it does again."""
        self._full = False
        self.full_since = 0.0
        self._ease()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end."""
        self._end(exc or ConnectionResetError("the peer closed the connection"))
        self.transport = None
        if self._linger is not None:
            self._linger.cancel()
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    async def wait_closed(self) -> None:
        """Wait until the socket is closed; at most until it was aborted for lingering."""
        if self.transport is not None:
            if self._gone is None:
                self._gone = self._loop.create_future()
            await asyncio.shield(self._gone)

    def buffered(self) -> int:
        """Return how many written bytes have not left this process."""
        waiting = 0 if self.transport is None else self.transport.get_write_buffer_size()
        return waiting + self._size

    def _flush(self) -> None:
        self._scheduled = False
        if not self._out or self.closed or self.transport is None:
            return
        data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
        self._out.clear()
        self._size = 0
        self.transport.write(data)
        if self._full:
            if self.transport.get_write_buffer_size() > self._buffer + UNSENT:
                self.abort(ProtocolError("the peer reads too slowly", Code.TIMEOUT))
        elif self.congested:
            self._ease()

    def _ease(self) -> None:
        self.congested = False
        while self._waiters and not self.congested:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
        if self.on_eased is not None:
            self.on_eased()

    def _resume(self) -> None:
        if self._held or self.closed or self.transport is None:
            return
        try:
            self.decoder.resume()
        except ProtocolError as error:
            self.refuse(error)
            return
        if not self._held:
            self.transport.resume_reading()

    def _end(self, error: Exception | None) -> None:
        if self.closed:
            return
        self.closed = True
        self.error = error
        self.on_lost(self)
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()


def refusal(error: ProtocolError) -> bytes:
    """Return the frame that tells a peer why its connection ends."""
    headers = [("wl-error", error.code.value), ("wl-message", error.reason)]
    return frame(FrameType.ERROR, block=encode_block(headers))
