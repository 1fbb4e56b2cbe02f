"""Losing the server, and coming back."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import nats
import pytest

from tests.brokers.native.nats import NatsServer
from tests.transports.nats.conftest import (
    Replies,
    Site,
    Taken,
    declaration,
    event,
    request,
    subscription,
    until,
)
from wireloom.errors import ConnectionFailedError, ConnectionLostError, PublishError, TransportError
from wireloom.spi import Kind, Status


@pytest.fixture
def server() -> Iterator[NatsServer]:
    with NatsServer() as server:
        yield server


@pytest.fixture
async def alone(server: NatsServer) -> AsyncIterator[Site]:
    site = Site(server.url)
    yield site
    await site.close()


async def test_consumers_and_inboxes_are_back_after_the_server_was_killed(
    alone: Site, server: NatsServer
) -> None:
    transport = await alone.connect()
    replies, taken, asked = Replies(), Taken(), Taken()
    inbox = await transport.open_inbox(replies)
    await transport.subscribe(subscription("user.created"), taken)
    await transport.subscribe(subscription("users.get", kind=Kind.REQUEST), asked)
    statuses = alone.statuses[transport]
    for _ in range(2):
        server.kill()
        await statuses.reach(Status.RECONNECTING)
        with pytest.raises(ConnectionLostError):
            await transport.publish(request("users.get", inbox))
        server.start()
        await statuses.reach(Status.CONNECTED)
        sent = await transport.publish(event("user.created"))
        while (await taken.take(within=8)).message.id != sent.id:
            pass  # one whose acknowledgement died with the server comes again
        await transport.publish(request("users.get", inbox))
        await asked.next()
        await transport.publish(request("users.none", inbox))
        assert (await replies.next()).kind is Kind.ERROR


async def test_an_event_published_while_the_server_restarts_is_stored_once(
    alone: Site, server: NatsServer
) -> None:
    transport = await alone.connect()
    taken = Taken()
    await transport.subscribe(subscription("user.created"), taken)
    server.kill()
    publishing = asyncio.ensure_future(transport.publish(event("user.created")))
    await asyncio.sleep(0)
    await asyncio.to_thread(server.start)
    receipt = await publishing
    assert (await taken.take(within=8)).message.id == receipt.id


async def test_publishing_fails_within_its_bound_while_the_server_is_away(
    alone: Site, server: NatsServer
) -> None:
    transport = await alone.connect(publish_timeout=1.0)
    await transport.declare([declaration("user.created")])
    await transport.publish(event("user.created"))
    server.kill()
    start = time.monotonic()
    with pytest.raises(PublishError, match="not acknowledged"):
        await transport.publish(event("user.created"))
    assert time.monotonic() - start < 2.5
    server.start()
    await alone.statuses[transport].reach(Status.CONNECTED)
    assert (await transport.publish(event("user.created"))).acknowledged


async def test_a_server_that_is_not_there_is_reported_at_once(alone: Site) -> None:
    transport = alone.build(servers=["nats://127.0.0.1:1"])
    start = time.monotonic()
    with pytest.raises(ConnectionFailedError) as caught:
        await transport.connect()
    assert not caught.value.fatal
    assert time.monotonic() - start < 2


async def test_closing_is_bounded_with_a_frozen_server(alone: Site, server: NatsServer) -> None:
    transport = await alone.connect()
    await transport.subscribe(subscription("user.created"), Taken())
    server.pause()
    try:
        start = time.monotonic()
        with pytest.raises(TransportError):
            await transport.probe()
        await transport.close()
        assert time.monotonic() - start < 15
    finally:
        server.resume()


async def test_closing_works_at_any_time_and_twice(alone: Site) -> None:
    transport = alone.build()
    await transport.close()
    other = alone.build()
    connecting = asyncio.ensure_future(other.connect())
    await asyncio.sleep(0)
    await other.close()
    await asyncio.gather(connecting, return_exceptions=True)
    await other.close()
    for _ in range(10):
        again = await alone.connect()
        await again.close()


async def test_a_client_that_was_given_is_used_and_left_open(alone: Site) -> None:
    client = await nats.connect(alone.url)
    transport = await alone.connect(client=client)
    taken, asked, replies = Taken(), Taken(), Replies()
    inbox = await transport.open_inbox(replies)
    await transport.subscribe(subscription("user.created"), taken)
    await transport.subscribe(subscription("users.get", kind=Kind.REQUEST), asked)
    sent = event("user.created", headers={"tenant": "a"})
    await transport.publish(sent)
    message = (await taken.take()).message
    assert (message.id, dict(message.headers)) == (sent.id, {"tenant": "a"})
    await transport.publish(request("users.get", inbox))
    assert (await asked.next()).message.body == b"1"
    await transport.publish(request("users.none", inbox))
    assert (await replies.next()).kind is Kind.ERROR
    assert transport.unwrap() is client
    await transport.close()
    assert client.is_connected
    await client.close()


async def test_a_connection_that_the_server_ended_for_good_is_replaced(alone: Site) -> None:
    transport = await alone.connect()
    taken = Taken()
    await transport.subscribe(subscription("user.created"), taken)
    old = transport.unwrap()
    await old.close()  # type: ignore[attr-defined]
    await alone.statuses[transport].reach(Status.CONNECTED)
    assert transport.unwrap() is not old
    sent = await transport.publish(event("user.created"))
    assert (await taken.take(within=8)).message.id == sent.id


async def test_a_pong_that_nobody_waits_for_does_not_end_the_reader(
    alone: Site, server: NatsServer
) -> None:
    transport = await alone.connect()
    client = transport.unwrap()
    server.pause()

    async def flush_until_frozen() -> None:
        while True:  # the signal may take a moment
            await client.flush(timeout=0.2)  # type: ignore[attr-defined]

    with pytest.raises(nats.errors.FlushTimeoutError):
        await flush_until_frozen()
    server.resume()
    await transport.probe()
    await transport.probe()


async def test_nothing_acknowledged_is_lost_when_the_server_is_killed_again_and_again(
    alone: Site, server: NatsServer
) -> None:
    transport = await alone.connect()
    taken = Taken(capacity=64)
    await transport.subscribe(subscription("user.created"), taken)
    acknowledged: set[str] = set()
    handled: set[str] = set()
    done = asyncio.Event()

    async def produce() -> None:
        for _ in range(1000):
            receipt = await transport.publish(event("user.created"))
            acknowledged.add(receipt.id)

    async def consume() -> None:
        while not (done.is_set() and acknowledged <= handled):
            handled.add((await taken.take(within=15)).message.id)

    consuming = asyncio.ensure_future(consume())
    producing = [asyncio.ensure_future(produce()) for _ in range(2)]
    for _ in range(3):
        before = len(acknowledged)
        await until(lambda: len(acknowledged) > before + 100, within=15)  # noqa: B023 - at once
        server.kill()
        await asyncio.to_thread(server.start)
    await asyncio.gather(*producing)
    done.set()
    await transport.publish(event("user.created"))
    await consuming
    assert len(acknowledged) == 2000
