"""The NATS transport passes the suite, on a real server."""

from collections.abc import Iterator

import pytest

from tests.brokers.native.nats import NatsServer
from tests.conformance.nats_site import SETTINGS, NatsSite
from wireloom.testing.conformance import Site, TransportConformance
from wireloom_nats.transport import NatsTransport


@pytest.fixture(scope="module")
def own_nats() -> Iterator[NatsServer]:
    """A server that these cases may stop and freeze."""
    with NatsServer(SETTINGS) as server:
        yield server


class TestNats(TransportConformance):
    transport = NatsTransport

    @pytest.fixture
    def site(self, own_nats: NatsServer) -> Site:
        return NatsSite(own_nats)
