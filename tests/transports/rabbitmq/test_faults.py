"""A broker that ends, freezes, refuses; connections that are cut."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.brokers import Broker, RabbitMqServer, free_port
from tests.transports.rabbitmq.harness import Peer, Place, event, events, request, requests
from wireloom.errors import ClosedError, ConnectionFailedError, TransportError
from wireloom.spi import Kind, Message, Status

pytestmark = pytest.mark.timeout(90, func_only=True)


@pytest.fixture
async def server() -> AsyncIterator[RabbitMqServer]:
    """A broker of the test's own, to be ended."""
    server = RabbitMqServer()
    try:
        await asyncio.to_thread(server.start)
        yield server
    finally:
        await asyncio.to_thread(server.close)


async def cut(peer: Peer, *, consuming: bool = True) -> None:
    """Cut a connection as the network does, without a word."""
    session = peer.transport._supervisor.session
    assert session is not None
    (session.consuming if consuming else session.publishing).wire.abort()


@pytest.mark.parametrize("consuming", [True, False])
async def test_cut_connection_comes_back_with_all_that_was_on_it(
    place: Place, consuming: bool
) -> None:
    async with place.peer() as peer:
        told = await peer.handle(events())
        copy = await peer.handle(events(name="copy", broadcast=True))
        asked = await peer.handle(requests())
        await cut(peer, consuming=consuming)
        await peer.statuses.until(Status.RECONNECTING)
        await peer.statuses.until(Status.CONNECTED, count=2)
        await peer.transport.publish(event(id="after"))
        assert (await told.take()).message.id == "after"
        assert (await copy.take()).message.id == "after"
        await peer.transport.publish(request(id="r1"))
        call = (await asked.take()).message
        reply = Message(Kind.REPLY, call.reply_to or "", b"ok", {}, "r1")
        await peer.transport.publish(reply)
        assert (await peer.reply()).body == b"ok"
        await peer.transport.probe()


async def test_publishing_waits_for_a_connection_that_is_coming_back(place: Place) -> None:
    async with place.peer() as peer:
        box = await peer.handle(events())
        await cut(peer)
        await peer.statuses.until(Status.RECONNECTING)
        await peer.transport.publish(event(id="waited"))
        assert (await box.take()).message.id == "waited"


async def test_settling_what_a_lost_connection_delivered_is_an_error(place: Place) -> None:
    async with place.peer() as peer:
        box = await peer.handle(events())
        await peer.transport.publish(event())
        delivery = await box.take()
        await cut(peer)
        await peer.statuses.until(Status.RECONNECTING)
        with pytest.raises(TransportError):
            await delivery.ack()
        again = await box.take()
        await again.ack()
    assert again.deliveries == 2


async def test_deleted_queue_is_made_again(place: Place) -> None:
    async with place.peer() as peer:
        box = await peer.handle(events())
        session = peer.transport._supervisor.session
        assert session is not None
        async with session.consuming.throw_away() as channel:
            await channel.queue_delete(f"{place.namespace}.g.Users.welcome")
        async with asyncio.timeout(5):
            while not (await peer.transport.publish(event())).routed:  # noqa: ASYNC110 - asks
                await asyncio.sleep(0.01)
        await box.take()
    assert peer.statuses.count(Status.RECONNECTING) == 0


async def test_broker_that_restarts_loses_nothing_confirmed(server: RabbitMqServer) -> None:
    place = Place(server.url)
    async with place.peer() as peer:
        box = await peer.handle(events(), 500)
        confirmed: set[str] = set()

        async def emit() -> None:
            for number in range(200):
                with contextlib.suppress(TransportError):
                    receipt = await peer.transport.publish(event(id=str(number)))
                    confirmed.add(receipt.id)
                await asyncio.sleep(0.005)

        async with asyncio.TaskGroup() as group:
            emitting = group.create_task(emit())
            await box.take()
            await asyncio.to_thread(server.restart)
        assert emitting.done()
        await peer.statuses.until(Status.CONNECTED, count=2, within=30)
        got: set[str] = set()
        while not confirmed <= got | {"0"}:
            got.add((await box.take()).message.id)
    assert len(confirmed) > 50


async def test_broker_that_is_not_there_is_no_fatal_failure() -> None:
    place = Place(f"amqp://guest:guest@127.0.0.1:{free_port()}/")
    with pytest.raises(ConnectionFailedError) as failure:
        async with place.peer():
            pass
    assert not failure.value.fatal
    assert "guest:guest" not in str(failure.value)


@pytest.mark.parametrize("change", [("guest:guest", "guest:s3cret"), ("/", "/no-such-vhost")])
async def test_wrong_credentials_and_virtual_host_are_fatal(
    rabbitmq_broker: Broker, change: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    old, new = change
    url = f"{rabbitmq_broker.url}/"
    url = url.replace(old, new) if old != "/" else f"{rabbitmq_broker.url}{new}"
    with pytest.raises(ConnectionFailedError) as failure:
        async with Place(url).peer():
            pass
    assert failure.value.fatal
    assert "s3cret" not in f"{failure.value}{caplog.text}"


async def test_frozen_broker_is_noticed_and_close_is_bounded(server: RabbitMqServer) -> None:
    place = Place(server.url, heartbeat=2, call_timeout=2.0)
    async with place.peer() as peer:
        await peer.handle(events())
        server.pause()
        try:
            with pytest.raises(TransportError):
                await peer.transport.publish(event())
            with pytest.raises(TransportError):
                await peer.transport.probe()
            await peer.statuses.until(Status.RECONNECTING, within=8)
            async with asyncio.timeout(5):
                await peer.transport.close()
        finally:
            server.resume()


async def test_broker_short_of_memory_refuses_events_and_still_takes_acks(
    server: RabbitMqServer,
) -> None:
    place = Place(server.url, call_timeout=1.0)
    async with place.peer() as peer:
        box = await peer.handle(events())
        await peer.transport.publish(event(id="before"))
        delivery = await box.take()
        await asyncio.to_thread(server.control, "set_vm_memory_high_watermark", "0.000001")
        with pytest.raises(TransportError):
            await peer.transport.publish(event(id="refused"))
        await delivery.ack()
        session = await peer.transport._session()
        await session.consuming.probe()
        await asyncio.to_thread(server.control, "set_vm_memory_high_watermark", "0.4")
        async with asyncio.timeout(10):
            while True:
                with contextlib.suppress(TransportError):
                    await peer.transport.publish(event(id="after"))
                    break
    assert peer.statuses.count(Status.RECONNECTING) == 0


async def test_closing_twice_before_and_while_connecting_is_no_error(place: Place) -> None:
    peer = Peer(place.options(), "g")
    await peer.transport.close()
    async with place.peer() as other:
        await other.transport.close()
        await other.transport.close()
        with pytest.raises(ClosedError):
            await other.transport.publish(event())
        with pytest.raises(TransportError):
            await other.transport.probe()
    late = Peer(place.options(), "g")
    connecting = asyncio.create_task(late.transport.connect())
    await asyncio.sleep(0)
    await late.transport.close()
    with pytest.raises(TransportError):
        await connecting


async def test_close_waits_for_what_was_published(place: Place) -> None:
    async with place.peer() as peer:
        await peer.handle(events())
        batch = [event() for _ in range(2000)]
        emitting = asyncio.create_task(peer.transport.publish_many(batch))
        await asyncio.sleep(0.01)
        await peer.transport.close()
        outcomes = await emitting
    assert len(outcomes) == 2000


async def test_transport_leaves_no_task_behind(place: Place) -> None:
    before = asyncio.all_tasks()
    async with place.peer() as peer:
        await peer.handle(events())
        await cut(peer)
        await peer.statuses.until(Status.CONNECTED, count=2)
    await asyncio.sleep(0.1)
    assert asyncio.all_tasks() == before
