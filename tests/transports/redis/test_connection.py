"""The connection: kept up, watched, restored; given clients; other kinds of servers."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis, RedisCluster

from tests.brokers.broker import Broker
from tests.brokers.native.redis import RedisServer
from tests.transports.redis.conftest import Joins
from tests.transports.redis.harness import Peer, Taken, event, eventually
from wireloom.errors import (
    ConfigurationError,
    ConnectionFailedError,
    ConnectionLostError,
    TransportError,
)
from wireloom.spi import Kind, Status
from wireloom_redis import RedisOptions


@pytest.fixture
async def own_redis() -> AsyncIterator[RedisServer]:
    """A server that the test may stop and freeze."""
    server = RedisServer()
    await asyncio.to_thread(server.start)
    yield server
    await asyncio.to_thread(server.close)


async def test_everything_is_restored_after_the_server_dropped_all_connections(
    join: Joins, raw: Redis
) -> None:
    server, client = await join(), await join()
    events, signals = (
        await server.handle("x"),
        await server.handle("tick", durable=False, broadcast=True),
    )
    requests = await server.serve("ask")
    await client.emit("x", b"0")
    await events.bodies(1)
    for peer in (server, client):
        link_id = await peer.transport._hub.session.call("CLIENT", "ID")
        await raw.client_kill_filter(_id=link_id)
        await peer.until(Status.RECONNECTING)
    await client.emit("x", b"1")
    for peer in (server, client):
        await peer.until(Status.CONNECTED)
    assert await events.bodies(1) == [b"1"]
    await raw.publish(f"{client.transport._hub.names.prefix}tick", b"t")
    assert (await signals.next()).message.body == b"t"
    await client.request("ask")
    assert (await requests.next()).message.reply_to == client.inbox


@pytest.mark.timeout(60)
async def test_events_survive_a_killed_server_and_wait_for_its_return(
    own_redis: RedisServer,
) -> None:
    peer = await Peer(RedisOptions(own_redis.url, heartbeat=1.0)).open()
    intake = await peer.handle("x", intake=Taken(1000))
    for number in range(50):
        await peer.emit("x", b"%d" % number)
    own_redis.kill()
    await peer.until(Status.RECONNECTING)
    waiting = asyncio.create_task(peer.emit("x", b"last"))
    await asyncio.to_thread(own_redis.start)
    await peer.until(Status.CONNECTED)
    assert (await waiting).acknowledged
    missing = {b"%d" % number for number in range(50)} | {b"last"}
    async with asyncio.timeout(20):
        while missing:  # one whose acknowledgement died with the server comes twice
            missing.difference_update(await intake.bodies(1, 20))
    await peer.transport.close()


@pytest.mark.timeout(60)
async def test_frozen_server_is_noticed_and_does_not_hold_up_close(own_redis: RedisServer) -> None:
    peer = await Peer(RedisOptions(own_redis.url, heartbeat=1.0)).open()
    await peer.handle("x")
    own_redis.pause()
    try:
        with pytest.raises(TransportError):
            await peer.transport.probe()
        await peer.until(Status.RECONNECTING, 3)
        async with asyncio.timeout(8):
            await peer.transport.close()
    finally:
        own_redis.resume()


async def test_event_whose_answer_was_lost_is_stored_once(join: Joins) -> None:
    peer = await join()
    emitting = asyncio.create_task(peer.emit("x", b"1", id="u"))
    await asyncio.sleep(0)
    link = peer.transport._hub.session.link
    assert link.unanswered
    link._flush()  # the server gets it, and we never hear of it
    link.abort(ConnectionError("planted"))
    receipt = await emitting
    assert receipt.acknowledged
    assert receipt.duplicate in (None, False)
    stream = peer.transport._hub.names.stream("x")
    assert await peer.transport._hub.session.call("XLEN", stream) == 1


async def test_much_at_once_does_not_cost_the_connection(join: Joins) -> None:
    """A server cuts listeners off that it has 32 MB for."""
    peer = await join(max_payload=2_000_000)
    for _ in range(60):
        await peer.emit("x", b"x" * 1_000_000)
    intake = await peer.handle("x", intake=Taken(60), start_from="first")
    assert {len(body) for body in await intake.bodies(60)} == {1_000_000}
    assert peer.statuses == [Status.CONNECTED]


async def test_publish_to_a_dead_server_ends_in_a_typed_error(own_redis: RedisServer) -> None:
    peer = await Peer(RedisOptions(own_redis.url, heartbeat=1.0, pending_bytes=100)).open()
    await asyncio.to_thread(own_redis.stop)
    await peer.until(Status.RECONNECTING)
    with pytest.raises(TransportError, match="pending_bytes"):
        await peer.emit("x", b"x" * 101)
    with pytest.raises(ConnectionLostError, match="no connection"):
        await peer.emit("x", b"x")
    await peer.transport.close()


async def test_unreachable_server_is_not_fatal_and_can_be_tried_again(
    own_redis: RedisServer,
) -> None:
    await asyncio.to_thread(own_redis.stop)
    peer = Peer(RedisOptions(own_redis.url))
    with pytest.raises(ConnectionFailedError, match="no connection to Redis") as caught:
        await peer.open()
    assert not caught.value.fatal
    await asyncio.to_thread(own_redis.start)
    await peer.open()
    await peer.transport.close()


async def test_close_before_connect_is_no_error(redis_broker: Broker) -> None:
    peer = Peer(RedisOptions(redis_broker.url))
    assert peer.transport.unwrap() is None
    await peer.transport.close()


async def test_close_while_connecting_leaves_nothing_open(redis_broker: Broker) -> None:
    peer = Peer(RedisOptions(redis_broker.url))
    opening = asyncio.create_task(peer.transport.connect())
    await asyncio.sleep(0)
    await peer.transport.close()
    await asyncio.wait({opening}, timeout=5)
    assert not peer.transport._hub.session.is_up


async def test_given_client_is_used_and_left_open(redis_broker: Broker, namespace: str) -> None:
    async with Redis.from_url(redis_broker.url, protocol=2, decode_responses=True) as client:
        peer = await Peer(RedisOptions(client=client, namespace=namespace)).open()
        assert peer.transport.unwrap() is client
        intake = await peer.handle("x")
        await peer.emit("x", b"1")
        assert await intake.bodies(1) == [b"1"]
        await peer.transport.close()
        assert await client.ping()
        await client.delete(*[key async for key in client.scan_iter(match=f"{namespace}*")])


async def test_what_is_no_client_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="not a client"):
        Peer(RedisOptions(client=object()))


async def test_database_number_of_the_url_is_used(redis_broker: Broker, namespace: str) -> None:
    peer = await Peer(RedisOptions(f"{redis_broker.url}/3", namespace=namespace)).open()
    await peer.emit("x", b"1")
    async with Redis.from_url(f"{redis_broker.url}/3") as client:
        assert await client.xlen(f"{namespace}.x") == 1
        await client.delete(*[key async for key in client.scan_iter(match=f"{namespace}*")])
    await peer.transport.close()


async def test_server_that_keeps_nothing_is_refused_or_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = RedisServer(["appendonly no", "maxmemory 100mb", "maxmemory-policy allkeys-lru"])
    await asyncio.to_thread(server.start)
    try:
        with pytest.raises(
            ConnectionFailedError, match=r"appendonly is off.*allkeys-lru"
        ) as caught:
            await Peer(RedisOptions(server.url, require_durable=True)).open()
        assert caught.value.fatal
        with caplog.at_level(logging.WARNING):
            peer = await Peer(RedisOptions(server.url)).open()
        await peer.transport.close()
        assert "appendonly is off" in caplog.text
    finally:
        await asyncio.to_thread(server.close)


async def test_all_of_a_namespace_lives_in_one_slot_of_a_cluster(tmp_path: Path) -> None:
    server = RedisServer(["cluster-enabled yes"])
    await asyncio.to_thread(server.start)
    try:
        async with Redis.from_url(server.url) as client:
            await client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)

            async def formed() -> bool:
                return (await client.cluster("info"))["cluster_state"] == "ok"

            await eventually(formed, 10)
        with pytest.raises(ConnectionFailedError, match=r"redis\+cluster://") as caught:
            await Peer(RedisOptions(server.url)).open()
        assert caught.value.fatal
        url = f"redis+cluster://127.0.0.1:{server.port}"
        await _works(RedisOptions(url, namespace="shop"), "{shop}.x")
        await _works(RedisOptions(url), "{wireloom}.x")
        async with RedisCluster.from_url(f"redis://127.0.0.1:{server.port}") as given:
            await _works(RedisOptions(client=given, namespace="given"), "{given}.x")
    finally:
        await asyncio.to_thread(server.close)


async def test_plain_server_is_no_cluster(redis_broker: Broker) -> None:
    url = redis_broker.url.replace("redis://", "redis+cluster://")
    with pytest.raises(ConnectionFailedError):
        await Peer(RedisOptions(url)).open()


@pytest.mark.timeout(60)
async def test_sentinel_tells_the_master_and_the_next_one(tmp_path: Path) -> None:
    master, replica = RedisServer(), RedisServer()
    await asyncio.to_thread(master.start)
    replica.settings = (f"replicaof 127.0.0.1 {master.port}",)
    await asyncio.to_thread(replica.start)
    sentinel = Sentinel(master.port)
    await asyncio.to_thread(sentinel.start)
    try:
        url = f"redis+sentinel://127.0.0.1:1,127.0.0.1:{sentinel.port}/main/0"
        peer = await Peer(RedisOptions(url, heartbeat=1.0)).open()
        intake = await peer.handle("x", intake=Taken(100))
        await peer.emit("x", b"1")
        assert await intake.bodies(1) == [b"1"]
        async with Redis.from_url(master.url) as client:
            assert await client.wait(1, 5000) == 1
        async with Redis.from_url(sentinel.url) as client:

            async def known() -> bool:
                return bool(await client.execute_command("SENTINEL", "REPLICAS", "main"))

            await eventually(known, 20)
        master.kill()
        await peer.until(Status.RECONNECTING)
        await peer.until(Status.CONNECTED, 30)
        await peer.emit("x", b"2")
        assert b"2" in await intake.bodies(1, 10)
        await peer.transport.close()
    finally:
        for server in (sentinel, replica, master):
            await asyncio.to_thread(server.close)


class Sentinel(RedisServer):
    """One sentinel that watches one master."""

    def __init__(self, master: int) -> None:
        super().__init__()
        self._master = master

    def _configure(self) -> None:
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"dir {self.directory}",
            f"sentinel monitor main 127.0.0.1 {self._master} 1",
            "sentinel down-after-milliseconds main 500",
            "sentinel failover-timeout main 5000",
        ]
        (self.directory / "redis.conf").write_text("\n".join(lines) + "\n")

    def _command(self) -> list[str]:
        return [*super()._command(), "--sentinel"]


async def _works(options: RedisOptions, stream: str) -> None:
    one, two = await Peer(options).open(), await Peer(options).open()
    intake, requests = await one.handle("x"), Taken()
    await one.transport.subscribe(event("ask", kind=Kind.REQUEST), requests)
    receipt = await two.emit("x", b"1")
    assert receipt.stream == stream
    await (await intake.next()).retry(0.05, 2)
    assert (await intake.done()).attempt == 2
    await two.request("ask")
    assert (await requests.next()).message.reply_to == two.inbox
    for peer in (one, two):
        await peer.transport.close()
