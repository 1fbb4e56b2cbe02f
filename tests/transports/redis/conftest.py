"""Peers on a namespace of their own, closed and removed at the end."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from redis.asyncio import Redis

from tests.brokers.broker import Broker
from tests.transports.redis.harness import Peer
from wireloom_redis import RedisOptions

Joins = Callable[..., Awaitable[Peer]]


@pytest.fixture
def namespace() -> str:
    return f"test-{secrets.token_hex(4)}"


@pytest.fixture
async def raw(redis_broker: Broker) -> AsyncIterator[Redis]:
    """The driver alone, as anybody may use it."""
    async with Redis.from_url(redis_broker.url) as client:
        yield client


@pytest.fixture
async def join(redis_broker: Broker, namespace: str, raw: Redis) -> AsyncIterator[Joins]:
    """Open one more peer on this test's namespace."""
    peers: list[Peer] = []

    async def joined(**fields: object) -> Peer:
        settings = {"url": redis_broker.url, "namespace": namespace, "heartbeat": 1.0, **fields}
        group = str(settings.pop("group", "service"))
        peer = Peer(RedisOptions(**settings), group)
        peers.append(peer)
        return await peer.open()

    yield joined
    for peer in peers:
        await peer.transport.close()
    keys = [key async for key in raw.scan_iter(match=f"{namespace}*")]
    if keys:
        await raw.unlink(*keys)
