"""Interest in one subject."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from nats import errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from wireloom_nats.client import DirectClient, Sink
from wireloom_nats.frames import Arrival, from_driver

__all__ = ["Listener"]

STOP_TIMEOUT: Final = 1.0
"""Seconds that the server may take to send the last of what it had for a subscription."""


class Listener:
    """Gives what arrives to a sink, on whatever client is in use."""

    __slots__ = ("_client", "_handle", "queue", "sink", "subject")

    def __init__(self, subject: str, queue: str, sink: Sink) -> None:
        self.subject = subject
        self.queue = queue
        self.sink = sink
        self._client: Client | None = None
        self._handle: Subscription | None = None

    async def start(self, client: Client) -> None:
        """Subscribe on this client from now on."""
        handle = await client.subscribe(
            self.subject, self.queue, cb=self._receive, pending_bytes_limit=0
        )
        self._client, self._handle = client, handle
        if isinstance(client, DirectClient):
            client.sinks[handle._id] = self.sink

    async def stop(self) -> None:
        """End the interest; what the server had sent already still reaches the sink."""
        client, handle = self._client, self._handle
        self._client = self._handle = None
        if client is None or handle is None or client.is_closed:
            return
        with suppress(errors.Error, TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT):
                await _end(client, handle)
        if isinstance(client, DirectClient):
            client.sinks.pop(handle._id, None)

    async def _receive(self, message: Msg) -> None:
        status, headers = from_driver(message.headers)
        self.sink(Arrival(message.subject, message.reply, status, headers, message.data))


async def _end(client: Client, handle: Subscription) -> None:
    if client.is_connected and isinstance(client, DirectClient):
        await client.end_interest(handle._id)
    elif client.is_connected:
        drain: Callable[[], Awaitable[None]] = handle.drain
        await drain()
        return
    await handle.unsubscribe()
