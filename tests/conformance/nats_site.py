"""A namespace of its own on a server of this suite, which its cases may stop and freeze."""

import asyncio
import itertools
import json
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import nats

from tests.brokers.native.nats import NatsServer
from wireloom.spi import TransportOptions
from wireloom.testing.conformance import Site
from wireloom_nats import NatsOptions

__all__ = ["SETTINGS", "NatsSite"]

SETTINGS = (
    'accounts { APP { jetstream: enabled, users: [{ user: app, password: "a" }] }, '
    'SYS { users: [{ user: sys, password: "s" }] } }',
    "no_auth_user: app",
    "system_account: SYS",
)
"""A system account, by which connections are dropped; whoever says nothing is of the other one."""
_numbers = itertools.count(1)


class NatsSite(Site):
    """One case's namespace."""

    heartbeat = 10.0

    def __init__(self, server: NatsServer) -> None:
        self._server = server
        self._namespace = f"case{next(_numbers)}-{secrets.token_hex(3)}"

    def join(self) -> TransportOptions:
        return NatsOptions([self._server.url], namespace=self._namespace)

    async def publish_foreign(
        self, address: str, body: bytes, headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        async with self._client() as client:
            await client.publish(f"{self._namespace}.{address}", body, headers=dict(headers))
            await client.flush()

    async def stop_broker(self) -> None:
        await asyncio.to_thread(self._server.stop)

    async def start_broker(self) -> None:
        await asyncio.to_thread(self._server.start)

    async def drop_connections(self) -> None:
        async with self._client(user="sys", password="s") as client:
            answer = await client.request("$SYS.REQ.SERVER.PING.CONNZ", b"{}", timeout=5)
            found = json.loads(answer.data)
            for row in found["data"]["connections"]:
                if row["cid"] != client.client_id:
                    subject = f"$SYS.REQ.SERVER.{found['server']['id']}.KICK"
                    await client.request(subject, json.dumps({"cid": row["cid"]}).encode())

    async def freeze(self) -> None:
        self._server.pause()

    async def thaw(self) -> None:
        self._server.resume()

    def wrong_credentials(self) -> TransportOptions:
        return NatsOptions([self._server.url], user="app", password="wrong")

    async def close(self) -> None:
        async with self._client() as client:
            context = client.jetstream()
            for stream in await context.streams_info():
                name = stream.config.name or ""
                if name.startswith(f"{self._namespace}~"):
                    await context.delete_stream(name)

    @asynccontextmanager
    async def _client(self, **options: Any) -> AsyncIterator[nats.NATS]:
        client = await nats.connect(self._server.url, **options)
        try:
            yield client
        finally:
            await client.close()
