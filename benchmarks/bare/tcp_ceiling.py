"""Bare uvloop, nobody waiting: what one loop and one socket do at the very most.

What it pipelines: the client keeps `in_flight` frames on the wire; all replies that one read
brought are counted, and as many frames go out in one write. The server answers all complete frames
of one read in one write. There is no number, no future and no task for a request, so that this is
no way to write a client: it says how much of the rest is the price of having callers.
"""

import asyncio

from benchmarks.bare.frames import BODY, Frames, join, serve

__all__ = ["measure", "serve"]


class _Client(Frames):
    def __init__(self, in_flight: int, seconds: float) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._in_flight = in_flight
        self._seconds = seconds
        self._count = 0
        self.rate: asyncio.Future[float] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._started = self._loop.time()
        self.transport.write(join([BODY] * self._in_flight))

    def bodies_received(self, bodies: list[bytes]) -> None:
        self._count += len(bodies)
        elapsed = self._loop.time() - self._started
        if elapsed < self._seconds:
            self.transport.write(join(bodies))
        elif not self.rate.done():
            self.rate.set_result(self._count / elapsed)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.rate.done():
            self.rate.set_exception(exc or ConnectionResetError("the server closed"))


async def measure(port: int, in_flight: int, seconds: float) -> float:
    """Frames that came back in a second."""
    loop = asyncio.get_running_loop()
    transport, client = await loop.create_connection(
        lambda: _Client(in_flight, seconds), "127.0.0.1", port
    )
    try:
        return await client.rate
    finally:
        transport.close()
