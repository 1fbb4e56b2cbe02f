"""Requests: one of those who are there runs each, and nobody there is known at once."""

import asyncio

import pytest

from tests.transports.rabbitmq.harness import Peer, Place, event, events, request, requests
from wireloom.errors import TransportError
from wireloom.spi import Kind, Message


def answer(asked: Message, body: bytes = b"ok", kind: Kind = Kind.REPLY, **fields) -> Message:
    return Message(kind, asked.reply_to or "", body, {}, asked.id, **fields)


async def test_request_is_answered_to_the_one_who_asked(place: Place) -> None:
    async with place.peer() as server, place.peer("caller") as caller, place.peer() as bystander:
        box = await server.handle(requests())
        await caller.transport.publish(request(id="r1", body=b"7"))
        asked = await box.take()
        await asked.ack()
        assert (asked.message.body, asked.message.address) == (b"7", "users.get")
        await asked.reply(answer(asked.message))
        reply = await caller.reply()
        assert bystander.replies.empty()
    assert (reply.kind, reply.id, reply.body) == (Kind.REPLY, "r1", b"ok")


async def test_each_request_runs_once_among_all_instances(place: Place) -> None:
    async with place.peer() as one, place.peer("other") as two:
        boxes = [await one.handle(requests(), 64), await two.handle(requests(name="o"), 64)]
        for number in range(40):
            await one.transport.publish(request(id=str(number)))
        ids = [(await box.take()).message.id for box in boxes for _ in range(20)]
        assert sorted(ids, key=int) == [str(number) for number in range(40)]


async def test_request_that_nobody_handles_fails_at_once(place: Place) -> None:
    async with place.peer() as peer:
        await peer.transport.publish(request("no.such", id="r1"))
        error = await peer.reply(1)
    assert (error.kind, error.id) == (Kind.ERROR, "r1")
    assert error.headers["wl-error"] == "UNIMPLEMENTED"


async def test_stopped_service_is_known_at_once(place: Place) -> None:
    async with place.peer("caller") as caller:
        async with place.peer() as server:
            await server.handle(requests())
        await caller.transport.publish(request(id="r1"))
        assert (await caller.reply(1)).headers["wl-error"] == "UNIMPLEMENTED"


async def test_wildcard_gets_what_no_concrete_pattern_takes(place: Place) -> None:
    async with place.peer() as server:
        exact = await server.handle(requests("users.get"))
        wild = await server.handle(requests("users.{what}", name="wild"))
        await server.transport.publish(request("users.get", id="exact"))
        await server.transport.publish(request("users.put", id="wild"))
        assert (await exact.take()).message.id == "exact"
        other = await wild.take()
        assert (other.message.id, other.message.address) == ("wild", "users.put")
        await exact.nothing(0.2)


async def test_literal_object_is_an_address_like_any_other(place: Place) -> None:
    text = '{"cmd":"a.*#/%ö"}'
    async with place.peer() as server:
        box = await server.handle(requests(text))
        await server.transport.publish(request(text))
        assert (await box.take()).message.address == text


async def test_items_arrive_in_order_and_credit_reaches_the_server(place: Place) -> None:
    async with place.peer() as server, place.peer("caller") as caller:
        box = await server.handle(requests())
        await caller.transport.publish(request(id="s1"))
        asked = await box.take()
        for number in range(50):
            item = answer(asked.message, str(number).encode(), Kind.ITEM, reply_to=server.inbox)
            await asked.reply(item)
        await asked.reply(answer(asked.message, b"", Kind.END))
        items = [await caller.reply() for _ in range(51)]
        assert [item.body for item in items[:50]] == [str(n).encode() for n in range(50)]
        assert items[50].kind is Kind.END
        credit = Message(Kind.CREDIT, items[0].reply_to or "", b"32", {}, "s1")
        await caller.transport.publish(credit)
        got = await server.reply()
    assert (got.kind, got.body, got.id) == (Kind.CREDIT, b"32", "s1")


async def test_reply_to_a_caller_that_is_gone_is_no_error(place: Place) -> None:
    async with place.peer() as server:
        box = await server.handle(requests())
        async with place.peer("caller") as caller:
            await caller.transport.publish(request())
            asked = await box.take()
        await asked.reply(answer(asked.message))
        await server.transport.probe()


@pytest.mark.parametrize("address", ["", "payments", "rpc.users.get", "amq.rabbitmq.reply"])
async def test_replies_go_to_reply_addresses_alone(place: Place, address: str) -> None:
    async with place.peer() as server:
        box = await server.handle(requests())
        await server.transport.publish(request())
        asked = await box.take()
        with pytest.raises(TransportError):
            await asked.reply(Message(Kind.REPLY, address, b"", {}, "x"))


async def test_request_expires_when_nobody_waits_any_more(place: Place) -> None:
    async with place.peer() as server:
        box = await server.handle(requests(), 1)
        await server.transport.publish(request(id="first"))
        await server.transport.publish(request(id="late", headers={"wl-deadline-ms": "100"}))
        first = await box.take()
        await box.nothing(0.4)
        await first.ack()
        await box.nothing()


async def test_event_and_request_of_one_name_do_not_meet(place: Place) -> None:
    async with place.peer() as peer:
        asked = await peer.handle(requests("users.get"))
        told = await peer.handle(events("users.get", name="e"))
        reserved = await peer.handle(events("rpc.users.get", name="r"))
        await peer.transport.publish(event("users.get"))
        await peer.transport.publish(event("rpc.users.get", id="r"))
        await (await told.take()).ack()
        assert (await reserved.take()).message.id == "r"
        await asked.nothing()


async def test_thousand_requests_at_once_find_their_own_answers(place: Place) -> None:
    async with place.peer() as server, place.peer("caller") as caller:
        box = await server.handle(requests(), 64)

        async def serve(peer: Peer) -> None:
            while True:
                asked = await box.take()
                await asked.ack()
                await asked.reply(answer(asked.message, asked.message.body))

        async with asyncio.TaskGroup() as group:
            serving = group.create_task(serve(server))
            for number in range(1000):
                await caller.transport.publish(request(id=str(number), body=str(number).encode()))
            replies = [await caller.reply() for _ in range(1000)]
            serving.cancel()
    assert all(reply.id == reply.body.decode() for reply in replies)
    assert len({reply.id for reply in replies}) == 1000
