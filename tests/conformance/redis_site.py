"""A namespace of its own on a server of this suite, which its cases may stop and freeze."""

import asyncio
import itertools
import secrets
from collections.abc import Sequence

from redis.asyncio import Redis

from tests.brokers.broker import Broker
from wireloom.spi import TransportOptions
from wireloom.testing.conformance import Site
from wireloom_redis import RedisOptions

__all__ = ["RedisSite"]

_numbers = itertools.count(1)


class RedisSite(Site):
    """One case's namespace."""

    heartbeat = 1.0

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._namespace = f"case{next(_numbers)}-{secrets.token_hex(3)}"

    def join(self) -> TransportOptions:
        return RedisOptions(
            self._broker.url, namespace=self._namespace, heartbeat=self.heartbeat, sweep=1.0
        )

    async def publish_foreign(
        self, address: str, body: bytes, headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        async with Redis.from_url(self._broker.url) as client:
            await client.xadd(f"{self._namespace}.{address}", {"body": body, **dict(headers)})

    async def stop_broker(self) -> None:
        await asyncio.to_thread(self._broker.stop)

    async def start_broker(self) -> None:
        await asyncio.to_thread(self._broker.start)

    async def drop_connections(self) -> None:
        async with Redis.from_url(self._broker.url) as client:
            await client.execute_command("CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "yes")
            await client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    async def freeze(self) -> None:
        self._broker.pause()

    async def thaw(self) -> None:
        self._broker.resume()

    def wrong_credentials(self) -> TransportOptions:
        return RedisOptions(self._broker.url, username="nobody", password="wrong")

    async def close(self) -> None:
        async with Redis.from_url(self._broker.url) as client:
            keys = [key async for key in client.scan_iter(match=f"{self._namespace}.*")]
            if keys:
                await client.unlink(*keys)
