"""A namespace of its own on a server of this suite, which its cases may stop and freeze."""

import asyncio
import itertools
import secrets
from collections.abc import Sequence

import aio_pika

from tests.brokers.native.rabbitmq import RabbitMqServer
from wireloom.spi import TransportOptions
from wireloom.testing.conformance import Site
from wireloom_rabbitmq import RabbitMqOptions

__all__ = ["RabbitMqSite"]

_numbers = itertools.count(1)


class RabbitMqSite(Site):
    """One case's namespace."""

    heartbeat = 2.0

    def __init__(self, server: RabbitMqServer) -> None:
        self._server = server
        self._namespace = f"case{next(_numbers)}-{secrets.token_hex(3)}"

    def join(self) -> TransportOptions:
        return RabbitMqOptions(
            self._server.url,
            namespace=self._namespace,
            heartbeat=int(self.heartbeat),
            streams=["history", "asked.for"],
        )

    async def publish_foreign(
        self, address: str, body: bytes, headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        given = dict(headers)
        message = aio_pika.Message(
            body, content_type=given.pop("content-type", None), headers=dict(given)
        )
        async with await aio_pika.connect(self._server.url) as client:
            channel = await client.channel()
            exchange = await channel.get_exchange(f"{self._namespace}.wireloom")
            await exchange.publish(message, f"{self._namespace}.{address}")

    async def stop_broker(self) -> None:
        await asyncio.to_thread(self._server.stop)

    async def start_broker(self) -> None:
        await asyncio.to_thread(self._server.start)

    async def drop_connections(self) -> None:
        await asyncio.to_thread(self._server.control, "close_all_connections", "dropped by a test")

    async def freeze(self) -> None:
        self._server.pause()

    async def thaw(self) -> None:
        self._server.resume()

    def wrong_credentials(self) -> TransportOptions:
        return RabbitMqOptions(self._server.url.replace("guest:guest", "guest:wrong"))
