"""The Redis transport passes the suite, on a real server."""

from collections.abc import Iterator

import pytest

from tests.brokers.broker import Broker
from tests.brokers.native.redis import RedisServer
from tests.conformance.redis_site import RedisSite
from wireloom.testing.conformance import Site, TransportConformance
from wireloom_redis.transport import RedisTransport


@pytest.fixture(scope="module")
def own_redis() -> Iterator[Broker]:
    """A server that these cases may stop and freeze."""
    with RedisServer() as server:
        yield server


class TestRedis(TransportConformance):
    transport = RedisTransport

    @pytest.fixture
    def site(self, own_redis: Broker) -> Site:
        return RedisSite(own_redis)
