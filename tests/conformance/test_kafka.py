"""The Kafka transport passes the suite, on a real server."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.conformance.kafka_site import KafkaSite, SuiteServer
from wireloom import MessagePattern
from wireloom.testing.conformance import Cluster, Record, Site, TransportConformance
from wireloom.testing.proxy import ChaosProxy
from wireloom_kafka.transport import KafkaTransport

pytestmark = pytest.mark.unproven


@pytest.fixture(scope="module")
def own_kafka() -> Iterator[SuiteServer]:
    """A server that these cases may stop and freeze."""
    with SuiteServer() as server:
        yield server


@pytest.mark.timeout(90)  # seconds; the first one starts the server
class TestKafka(TransportConformance):
    transport = KafkaTransport

    @pytest.fixture
    async def site(
        self, own_kafka: SuiteServer, request: pytest.FixtureRequest
    ) -> AsyncIterator[Site]:
        if "c25" not in request.node.name:
            yield KafkaSite(own_kafka, None)
            return
        proxy = ChaosProxy("127.0.0.1", own_kafka.behind_proxy)
        proxy.port = own_kafka.proxy
        async with proxy:
            yield KafkaSite(own_kafka, proxy)

    async def test_c25_requests_that_wait_when_the_connection_breaks_fail_at_once(
        self, cluster: Cluster
    ) -> None:
        """They do not fail here, since nothing is lost: request and answer lie on the broker."""
        begun, go = Record[int](), asyncio.Event()

        @MessagePattern("hangs")
        async def hangs() -> str:
            begun.add(1)
            await go.wait()
            return "answered"

        await cluster.start(hangs)
        client = await cluster.client()
        waiting = asyncio.ensure_future(client.send("hangs", timeout=30))
        await begun.reach(1)
        await cluster.site.drop_connections()
        go.set()
        assert await waiting == "answered"
        assert len(begun) == 1
