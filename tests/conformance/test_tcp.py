"""The TCP transport passes the suite."""

from collections.abc import AsyncIterator

import pytest

from tests.conformance.tcp_site import TcpSite
from wireloom.testing.conformance import Site, TransportConformance
from wireloom_tcp.transport import TcpTransport


class TestTcp(TransportConformance):
    transport = TcpTransport
    site_type = TcpSite

    @pytest.fixture
    async def site(self) -> AsyncIterator[Site]:
        site = TcpSite()
        await site.open()
        yield site
        await site.close()
