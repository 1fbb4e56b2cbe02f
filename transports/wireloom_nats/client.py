"""The driver's client, with a short way in and out.

nats-py hands each message through a queue to a task for each subscription and parses headers
letter by letter: more than half of what it costs to receive one. This client gives what was read
to a function at once, writes frames that were built already, asks for TLS before it sends
credentials, closes sockets of failed attempts, and survives a PONG that nobody waits for any more.
Everything else is the driver's.

It leans on names that the driver keeps to itself; `tests/unit/nats/test_client.py` checks that
they are there.
"""

import asyncio
from collections.abc import Callable

from nats.aio.client import Client, Srv
from nats.errors import Error

from wireloom_nats.frames import Arrival, read_headers
from wireloom_nats.parser import DirectParser

__all__ = ["DirectClient", "PlainConnectionError", "Sink"]

Sink = Callable[[Arrival], None]
"""Takes what arrived on one subscription, on the loop's thread. It never raises."""


class PlainConnectionError(Error):
    """The server offers no TLS, and TLS was asked for."""

    def __str__(self) -> str:
        return "the server offers no TLS, and TLS was asked for; nothing was sent to it"


class DirectClient(Client):
    """A client whose subscriptions have a sink each; one without is served by the driver."""

    def __init__(self, *, require_tls: bool) -> None:
        super().__init__()
        self.sinks: dict[int, Sink] = {}
        self._require_tls = require_tls
        self._ps = DirectParser(self, self._take)
        self._loop = asyncio.get_running_loop()
        self._frames = bytearray()

    @property
    def pending_data_size(self) -> int:
        """Return how many bytes wait to be sent."""
        writer = self._writer()
        written = 0 if writer is None else writer.transport.get_write_buffer_size()
        return self._pending_data_size + len(self._frames) + written

    def send(self, frame: bytes) -> None:
        """Send a frame at the end of this turn of the loop, with all others in one write; or once
        the connection is back.
        """
        if not self._frames:
            self._loop.call_soon(self.write_out)
        self._frames += frame

    def write_out(self) -> None:
        """Give what waits to the socket, behind what the driver had to send before."""
        writer = self._writer()
        frames, self._frames = self._frames, bytearray()
        if frames:
            self._pending.append(bytes(frames))
            self._pending_data_size += len(frames)
        if writer is None or self._status != Client.CONNECTED or not self._pending:
            return
        waiting, self._pending = self._pending, []
        self._pending_data_size = 0
        writer.write(waiting[0] if len(waiting) == 1 else b"".join(waiting))

    async def flush_written(self) -> None:
        """Wait until the socket has room."""
        self.write_out()
        writer = self._writer()
        if writer is not None:
            await writer.drain()

    async def end_interest(self, sid: int) -> None:
        """End a subscription; on return everything that the server had sent for it has arrived.

        The driver's own way asks for the round trip before the server has heard of the end.
        """
        await self._send_unsubscribe(sid)
        self.write_out()
        await self.flush()

    def abort(self) -> None:
        """Let go of the socket, whatever is still to be written."""
        writer = self._writer()
        if writer is not None:
            writer.transport.abort()

    def _writer(self) -> asyncio.StreamWriter | None:
        found = getattr(self._transport, "_io_writer", None)
        return found if isinstance(found, asyncio.StreamWriter) else None

    def _take(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None
    ) -> bool:
        sink = self.sinks.get(sid)
        if sink is None:
            return False
        self.stats["in_msgs"] += 1
        self.stats["in_bytes"] += len(data)
        status, found = read_headers(headers) if headers else (0, {})
        sink(
            Arrival(
                subject.decode("utf-8", "replace"),
                reply.decode("utf-8", "replace"),
                status,
                found,
                data,
            )
        )
        return True

    async def _connect_to_server(self, s: Srv) -> None:
        self.abort()  # what is left of an attempt that failed after it was connected
        await super()._connect_to_server(s)

    async def _process_pong(self) -> None:
        if not self._pongs or not self._pongs[0].done():
            await super()._process_pong()
            return
        self._pongs.pop(0)  # its waiter gave up; settling it again would end the reader
        self._pongs_received += 1
        self._pings_outstanding = 0

    def _connect_command(self) -> bytes:
        if self._require_tls and not self._is_encrypted():
            raise PlainConnectionError
        return super()._connect_command()

    def _is_encrypted(self) -> bool:
        writer = self._writer()
        return writer is not None and writer.get_extra_info("ssl_object") is not None
