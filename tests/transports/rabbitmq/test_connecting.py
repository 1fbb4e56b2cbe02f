"""Given clients, certificates, foreign producers."""

import asyncio

import aio_pika
import aiormq
import pytest

from tests.brokers import Broker
from tests.transports.rabbitmq.harness import Peer, Place, event, events, request, requests
from wireloom.errors import ConnectionFailedError
from wireloom.spi import Kind, Message, Status


async def both_ways(peer: Peer) -> None:
    told, asked = await peer.handle(events()), await peer.handle(requests())
    assert (await peer.transport.publish(event(body=b"x" * 300_000))).routed
    delivery = await told.take()
    assert len(delivery.message.body) == 300_000
    await delivery.ack()
    await peer.transport.publish(request(id="r1"))
    call = (await asked.take()).message
    await peer.transport.publish(Message(Kind.REPLY, call.reply_to or "", b"ok", {}, "r1"))
    assert (await peer.reply()).body == b"ok"
    await peer.transport.publish(request("no.such", id="r2"))
    assert (await peer.reply()).kind is Kind.ERROR
    await peer.transport.probe()


@pytest.mark.parametrize("connect", [aio_pika.connect, aio_pika.connect_robust, aiormq.connect])
async def test_given_client_is_used_and_left_open(place: Place, connect) -> None:  # type: ignore[no-untyped-def]
    client = await connect(place.url)
    try:
        async with place.peer(client=client) as peer:
            await both_ways(peer)
            assert peer.transport.unwrap() is client
        assert not client.is_closed
        async with place.peer("other", client=client) as peer:
            await peer.transport.probe()
    finally:
        await client.close()


async def test_given_client_that_reconnects_brings_all_back(place: Place) -> None:
    client = await aio_pika.connect_robust(place.url, reconnect_interval=0.1)
    try:
        async with place.peer(client=client) as peer:
            await peer.handle(events(name="first"))
            assert client.transport is not None
            await client.transport.connection.close(aiormq.exceptions.ConnectionClosed(320, "cut"))
            await peer.statuses.until(Status.RECONNECTING)
            await peer.statuses.until(Status.CONNECTED, count=2)
            await both_ways(peer)
    finally:
        await client.close()


async def test_closed_client_is_refused(place: Place) -> None:
    client = await aio_pika.connect(place.url)
    await client.close()
    with pytest.raises(ConnectionFailedError):
        async with place.peer(client=client):
            pass


async def test_foreign_producer_and_consumer_need_nothing_of_ours(place: Place) -> None:
    client = await aio_pika.connect(place.url)
    async with client, place.peer() as peer:
        box = await peer.handle(events())
        channel = await client.channel()
        exchange = await channel.get_exchange(f"{place.namespace}.wireloom")
        await exchange.publish(
            aio_pika.Message(
                b'{"id":1}',
                content_type="application/json",
                message_id="theirs",
                headers={"Tenant": "a", "n": 1, "deep": {"x": [1]}, "wl-attempt": "-3"},
            ),
            f"{place.namespace}.user.created",
        )
        delivery = await box.take()
        await delivery.ack()
        assert (delivery.message.body, delivery.message.id) == (b'{"id":1}', "theirs")
        assert (delivery.attempt, delivery.message.address) == (1, "user.created")
        assert delivery.message.headers == {
            "content-type": "application/json",
            "tenant": "a",
            "n": "1",
        }
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(exchange, f"{place.namespace}.user.created")
        await peer.transport.publish(event(body=b'{"id":2}', headers={"tenant": "b"}))
        theirs = await queue.get(timeout=5)
        assert (theirs.body, theirs.content_type) == (b'{"id":2}', "application/json")
        assert theirs.headers["tenant"] == "b"


async def test_foreign_requester_is_answered_in_its_own_queue(place: Place) -> None:
    client = await aio_pika.connect(place.url)
    async with client, place.peer() as peer:
        box = await peer.handle(requests())
        channel = await client.channel()
        inbox = await channel.declare_queue(exclusive=True)
        exchange = await channel.get_exchange(f"{place.namespace}.rpc")
        await exchange.publish(
            aio_pika.Message(b"1", correlation_id="c1", reply_to=inbox.name),
            f"{place.namespace}.rpc.users.get",
        )
        asked = (await box.take()).message
        assert asked.id == "c1"
        await peer.transport.publish(Message(Kind.REPLY, asked.reply_to or "", b"ok", {}, "c1"))
        # A reply is not confirmed, so that it may still be on its way.
        async with asyncio.timeout(5), inbox.iterator(no_ack=True) as arriving:
            theirs = await anext(arriving)
    assert (theirs.body, theirs.correlation_id, theirs.type) == (b"ok", "c1", "reply")


async def test_hostile_headers_and_names_reach_the_handler_as_text(place: Place) -> None:
    client = await aio_pika.connect(place.url)
    async with client, place.peer() as peer:
        box = await peer.handle(events(">"))
        exchange = await (await client.channel()).get_exchange(f"{place.namespace}.wireloom")
        keys = ["%zz", "a..b", "ü", "x" * 200, "rpc.users.get"]
        for key in keys:
            headers = {"wl-attempt": "9" * 30, "wl-id": "i" * 900, "wl-sent-ms": "x"}
            message = aio_pika.Message(b"\x00", headers=dict(headers), reply_to="payments")
            await exchange.publish(message, f"{place.namespace}.{key}")
        for key in keys:
            delivery = await box.take()
            assert delivery.routing_key == f"{place.namespace}.{key}"
            assert (delivery.attempt, delivery.age) == (1, 0.0)
            await delivery.ack()


async def test_two_urls_are_tried_in_turn(rabbitmq_broker: Broker, place: Place) -> None:
    peer = Peer(place.options(url=["amqp://127.0.0.1:1/", rabbitmq_broker.url]), "g")
    with pytest.raises(ConnectionFailedError):
        await peer.transport.connect()
    await peer.transport.connect()
    await peer.transport.close()
