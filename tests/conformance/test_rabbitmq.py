"""The RabbitMQ transport passes the suite, on a real server."""

from collections.abc import Iterator

import pytest

from tests.brokers.native.rabbitmq import RabbitMqServer
from tests.conformance.rabbitmq_site import RabbitMqSite
from wireloom.testing.conformance import Site, TransportConformance
from wireloom_rabbitmq.transport import RabbitMqTransport

# A node takes its time to start, and is no part of the first case.
pytestmark = pytest.mark.timeout(60, func_only=True)


@pytest.fixture(scope="module")
def own_rabbitmq() -> Iterator[RabbitMqServer]:
    """A server that these cases may stop and freeze."""
    with RabbitMqServer() as server:
        yield server


class TestRabbitMq(TransportConformance):
    transport = RabbitMqTransport

    @pytest.fixture
    def site(self, own_rabbitmq: RabbitMqServer) -> Site:
        return RabbitMqSite(own_rabbitmq)
