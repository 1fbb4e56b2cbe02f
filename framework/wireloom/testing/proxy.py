"""A loopback TCP proxy that plants faults between a client and its server."""

import asyncio
import random
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from wireloom.testing.faults import Direction, Fault, Pass

__all__ = ["ChaosProxy"]

LOOPBACK: Final = "127.0.0.1"
CHUNK: Final = 65536


class ChaosProxy:
    """Forwards 127.0.0.1:`port` to a server, as well as its `fault` lets it.

        async with ChaosProxy("127.0.0.1", 4222, seed=7) as proxy:
            ... connect to proxy.port ...
            await proxy.plant(Blackhole())

    What is random is drawn from `seed`, which is in the proxy's `repr`.
    """

    def __init__(self, host: str, port: int, *, seed: int | None = None) -> None:
        """Stand before that server; `seed` None draws one."""
        self.seed = random.randrange(1 << 32) if seed is None else seed  # noqa: S311 - no secret
        self.port = 0
        """Where it listens, from entering on; it stays the same over `Refuse`."""
        self.fault: Fault = Pass()
        self.accepted = 0
        """Connections that came in so far."""
        self._upstream = (host, port)
        self._random = random.Random(self.seed)  # noqa: S311 - faults must be repeatable
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()

    def __repr__(self) -> str:
        return f"ChaosProxy({self._upstream!r}, seed={self.seed}, fault={self.fault!r})"

    @property
    def connections(self) -> int:
        """Return how many connections are up."""
        return len(self._connections)

    async def plant(self, fault: Fault) -> None:
        """Do this from now on, to present and to new connections."""
        self.fault = fault
        if fault.accepts and self._server is None:
            await self._listen()
        if not fault.accepts:
            await self._close_server()
            await self.reset()

    async def reset(self) -> None:
        """Reset every connection that is up; return when they are gone."""
        connections = [*self._connections]
        for connection in connections:
            connection.reset()
        await asyncio.gather(*(connection.ended.wait() for connection in connections))

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._close_server()
        await self.reset()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, LOOPBACK, self.port, limit=CHUNK)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close_server(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        connection = _Connection(writer)
        self._connections.add(connection)
        try:
            await self._forward(connection, reader)
        finally:
            connection.reset()
            await connection.closed()
            self._connections.discard(connection)
            connection.ended.set()

    async def _forward(self, connection: "_Connection", reader: asyncio.StreamReader) -> None:
        try:
            upstream, writer = await asyncio.open_connection(*self._upstream, limit=CHUNK)
        except OSError:
            return
        connection.upstream = writer
        up = _Flow(Direction.UP, writer, self._random, connection.reset)
        down = _Flow(Direction.DOWN, connection.client, self._random, connection.reset)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pump(reader, up))
            tasks.create_task(self._pump(upstream, down))

    async def _pump(self, reader: asyncio.StreamReader, flow: "_Flow") -> None:
        try:
            while data := await reader.read(CHUNK):
                await self.fault.on_bytes(flow, data)
        except OSError:
            flow.reset()
        else:
            flow.finish()


class _Connection:
    """Both sides of one connection."""

    def __init__(self, client: asyncio.StreamWriter) -> None:
        self.client = client
        self.upstream: asyncio.StreamWriter | None = None
        self.ended = asyncio.Event()

    def reset(self) -> None:
        for writer in self._writers():
            if not writer.transport.is_closing():
                raw = writer.get_extra_info("socket")
                linger = struct.pack("ii", 1, 0)
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.transport.abort()

    async def closed(self) -> None:
        for writer in self._writers():
            with suppress(OSError):
                await writer.wait_closed()

    def _writers(self) -> list[asyncio.StreamWriter]:
        return [self.client] if self.upstream is None else [self.client, self.upstream]


class _Flow:
    """One direction of a connection."""

    def __init__(
        self,
        direction: Direction,
        writer: asyncio.StreamWriter,
        source: random.Random,
        reset: Callable[[], None],
    ) -> None:
        self.direction = direction
        self.passed = 0
        self.random = source
        self.reset = reset
        self._writer = writer
        self._finished = False

    async def send(self, data: bytes) -> None:
        """Forward bytes; a peer that is gone is no error."""
        if self._finished or self._writer.transport.is_closing():
            return
        self._writer.write(data)
        self.passed += len(data)
        try:
            await self._writer.drain()
        except OSError:
            self.reset()

    def finish(self) -> None:
        """Close this direction in order; the other one goes on."""
        if not self._finished and not self._writer.transport.is_closing():
            with suppress(OSError):
                self._writer.write_eof()
        self._finished = True
