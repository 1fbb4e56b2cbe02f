"""Length-prefixed frames on uvloop, echoed: what both bare TCP baselines stand on."""

import asyncio
import struct
from typing import cast

from benchmarks.model import USER, user

LENGTH = struct.Struct(">I")
BODY = USER.dump_json(user(7))


class Frames(asyncio.Protocol):
    """Cuts what is read into bodies; a subclass says what becomes of them."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass

    def data_received(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        bodies = []
        start, end = 0, len(data)
        while end - start >= LENGTH.size:
            stop = start + LENGTH.size + LENGTH.unpack_from(data, start)[0]
            if stop > end:
                break
            bodies.append(data[start + LENGTH.size : stop])
            start = stop
        self._rest = data[start:]
        self.bodies_received(bodies)

    def bodies_received(self, bodies: list[bytes]) -> None:
        """Take all frames of one read."""
        raise NotImplementedError


class Echo(Frames):
    """The server: all frames of one read go back in one write."""

    def bodies_received(self, bodies: list[bytes]) -> None:
        self.transport.write(join(bodies))


def join(bodies: list[bytes]) -> bytes:
    """The frames of these bodies, one after the other."""
    return b"".join([LENGTH.pack(len(body)) + body for body in bodies])


async def serve(port: int) -> None:
    """Echo frames until cancelled."""
    loop = asyncio.get_running_loop()
    async with await loop.create_server(Echo, "127.0.0.1", port) as server:
        await server.serve_forever()
