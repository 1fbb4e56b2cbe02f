"""A namespace of its own on a server of this suite, which its cases may stop and freeze."""

import asyncio
import itertools
import secrets
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer

from tests.brokers.native.kafka import KafkaServer
from tests.brokers.native.ports import free_port
from wireloom.spi import TransportOptions
from wireloom.testing.conformance import Site
from wireloom.testing.proxy import ChaosProxy
from wireloom_kafka import KafkaOptions

__all__ = ["KafkaSite", "SuiteServer"]

_numbers = itertools.count(1)
_LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"


class SuiteServer(KafkaServer):
    """A server with two more listeners: one that is reached by a proxy, one with passwords."""

    def __init__(self) -> None:
        super().__init__()
        self.behind_proxy = free_port()
        self.proxy = free_port()
        self.guarded = free_port()

    def _properties(self) -> list[str]:
        lines = dict(line.split("=", 1) for line in super()._properties())
        chaos, guarded = f"127.0.0.1:{self.behind_proxy}", f"127.0.0.1:{self.guarded}"
        lines["listeners"] += f",CHAOS://{chaos},SASL_PLAINTEXT://{guarded}"
        lines["advertised.listeners"] += (
            f",CHAOS://127.0.0.1:{self.proxy},SASL_PLAINTEXT://{guarded}"
        )
        lines["listener.security.protocol.map"] = (
            "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,CHAOS:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT"
        )
        lines["sasl.enabled.mechanisms"] = "PLAIN"
        jaas = "listener.name.sasl_plaintext.plain.sasl.jaas.config"
        lines[jaas] = f'{_LOGIN} user_app="right";'
        return [f"{name}={value}" for name, value in lines.items()]


class KafkaSite(Site):
    """One case's namespace, reached by a proxy where its connections are to be dropped."""

    heartbeat = 3.0

    def __init__(self, server: SuiteServer, proxy: ChaosProxy | None) -> None:
        self._server = server
        self._proxy = proxy
        self._namespace = f"case{next(_numbers)}-{secrets.token_hex(3)}"

    def join(self) -> TransportOptions:
        url = self._server.url if self._proxy is None else f"127.0.0.1:{self._proxy.port}"
        return KafkaOptions(
            url, namespace=self._namespace, session_timeout=6.0, metadata_max_age=1.0
        )

    async def publish_foreign(
        self, address: str, body: bytes, headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        pairs = [(name, value.encode()) for name, value in headers]
        async with AIOKafkaProducer(bootstrap_servers=self._server.url) as producer:
            await producer.send_and_wait(f"{self._namespace}.{address}", body, headers=pairs)

    async def stop_broker(self) -> None:
        await asyncio.to_thread(self._server.stop)

    async def start_broker(self) -> None:
        await asyncio.to_thread(self._server.start)

    async def drop_connections(self) -> None:
        assert self._proxy is not None
        await self._proxy.reset()

    async def freeze(self) -> None:
        self._server.pause()

    async def thaw(self) -> None:
        self._server.resume()

    def wrong_credentials(self) -> TransportOptions:
        return KafkaOptions(f"127.0.0.1:{self._server.guarded}", username="app", password="wrong")
