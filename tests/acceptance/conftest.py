"""Every scenario runs on every transport; a new one is a line in SITES."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.conformance.kafka_site import KafkaSite
from tests.conformance.memory_site import MemorySite
from tests.conformance.nats_site import NatsSite
from tests.conformance.rabbitmq_site import RabbitMqSite
from tests.conformance.redis_site import RedisSite
from tests.conformance.tcp_site import TcpSite
from wireloom.testing.conformance import Cluster, Site

LOCAL: dict[str, type[Site]] = {"memory": MemorySite, "tcp": TcpSite}
BROKERS: dict[str, Callable[[Any], Site]] = {
    "nats": NatsSite,
    "redis": RedisSite,
    "rabbitmq": RabbitMqSite,
    "kafka": lambda broker: KafkaSite(broker, None),
}
SECONDS = 90
"""For a scenario over a broker, whose applications take a while to start."""
UNPROVEN = {"kafka": [pytest.mark.unproven]}
MARKED = [
    pytest.param(
        kind,
        marks=[
            pytest.mark.brokers(kind),
            pytest.mark.timeout(SECONDS),
            *UNPROVEN.get(kind, []),
        ],
    )
    for kind in BROKERS
]


@pytest.fixture(params=[*LOCAL, *MARKED])
async def site(request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    kind = request.param
    if kind in LOCAL:
        site = LOCAL[kind]()
    else:
        site = BROKERS[kind](request.getfixturevalue(f"{kind}_broker"))
    if isinstance(site, TcpSite):
        await site.open()
    yield site
    await site.close()


@pytest.fixture
async def cluster(site: Site) -> AsyncIterator[Cluster]:
    cluster = Cluster(site)
    yield cluster
    await cluster.close()
