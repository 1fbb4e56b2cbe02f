"""Bare uvloop, awaited: every request has a number, a future and a caller that waits for it.

What it pipelines: `in_flight` tasks share one connection. The requests of one turn of the loop go
out in one write; the server answers all complete frames of one read in one write; one read of
replies wakes all their callers. Bodies are bytes, made once and never decoded.
"""

import asyncio
from itertools import count

from benchmarks.bare.frames import BODY, Frames, join, serve
from benchmarks.load import drive

__all__ = ["measure", "serve"]

_NUMBER = 4  # bytes


class _Client(Frames):
    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._numbers = count()
        self._waiting: dict[bytes, asyncio.Future[bytes]] = {}
        self._outgoing: list[bytes] = []

    def call(self) -> asyncio.Future[bytes]:
        """Send one request; the future is its reply."""
        number = next(self._numbers).to_bytes(_NUMBER)
        reply = self._waiting[number] = self._loop.create_future()
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(number + BODY)
        return reply

    def _flush(self) -> None:
        self.transport.write(join(self._outgoing))
        self._outgoing.clear()

    def bodies_received(self, bodies: list[bytes]) -> None:
        for body in bodies:
            self._waiting.pop(body[:_NUMBER]).set_result(body[_NUMBER:])

    def connection_lost(self, exc: Exception | None) -> None:
        for reply in self._waiting.values():
            if not reply.done():
                reply.set_exception(exc or ConnectionResetError("the server closed"))


async def measure(port: int, in_flight: int, seconds: float) -> float:
    """Requests that were answered in a second."""
    loop = asyncio.get_running_loop()
    transport, client = await loop.create_connection(_Client, "127.0.0.1", port)
    try:
        return await drive(client.call, in_flight, seconds)
    finally:
        transport.close()
