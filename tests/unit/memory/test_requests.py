"""Requests over a broker in process."""

import pytest

from tests.unit.memory.rig import Basket, Rig, serves
from wireloom.errors import ConnectionFailedError, NoHandlerError
from wireloom.spi import Kind, Message


def request(address: str, reply_to: str = "") -> Message:
    return Message(Kind.REQUEST, address, b"?", {}, "id-1", reply_to=reply_to)


async def test_a_request_is_answered_at_the_inbox_of_its_sender() -> None:
    rig = Rig()
    server, client = await rig.transport("s"), await rig.transport("c")
    basket, answers = Basket(), list[Message]()
    await server.subscribe(serves("get"), basket)
    inbox = await client.open_inbox(answers.append)
    await client.publish(request("get", inbox))
    delivery = basket.take()
    await delivery.reply(Message(Kind.REPLY, delivery.message.reply_to, b"!", {}, "id-1"))
    assert [answer.body for answer in answers] == [b"!"]


async def test_a_request_that_nobody_handles_fails_at_once() -> None:
    rig = Rig()
    transport = await rig.transport()
    basket = Basket()
    subscriber = await transport.subscribe(serves("get"), basket)
    await transport.publish(request("get"))
    await subscriber.stop()
    with pytest.raises(NoHandlerError, match="get"):
        await transport.publish(request("get"))


async def test_requests_go_round_and_past_members_without_room() -> None:
    rig = Rig()
    baskets = [Basket(), Basket(), Basket(capacity=1)]
    for name, basket in zip("abc", baskets, strict=True):
        await (await rig.transport(name)).subscribe(serves("get"), basket)
    client = await rig.transport("d")
    for _ in range(21):
        await client.publish(request("get"))
    assert [len(basket.arrived) for basket in baskets] == [10, 10, 1]


async def test_a_reply_to_a_requester_that_is_gone_is_dropped() -> None:
    rig = Rig()
    server, client = await rig.transport("s"), await rig.transport("c")
    basket, answers = Basket(), list[Message]()
    await server.subscribe(serves("get"), basket)
    inbox = await client.open_inbox(answers.append)
    await client.publish(request("get", inbox))
    await client.close()
    await basket.take().reply(Message(Kind.REPLY, inbox, b"!", {}, "id-1"))
    assert answers == []


async def test_a_request_given_back_goes_to_another_member_or_is_answered() -> None:
    rig = Rig()
    server, other, client = (
        await rig.transport("s"),
        await rig.transport("o"),
        await rig.transport("c"),
    )
    one, two, answers = Basket(), Basket(), list[Message]()
    first = await server.subscribe(serves("get"), one)
    inbox = await client.open_inbox(answers.append)
    await client.publish(request("get", inbox))
    second = await other.subscribe(serves("get"), two)
    await first.stop()
    await one.take().give_back()
    await second.stop()
    await two.take().give_back()
    assert [(answer.kind, answer.headers["wl-error"]) for answer in answers] == [
        (Kind.ERROR, "UNAVAILABLE")
    ]


async def test_a_stopped_broker_lets_nobody_in() -> None:
    rig = Rig()
    rig.broker.stop()
    with pytest.raises(ConnectionFailedError):
        await rig.transport()
    rig.broker.start()
    await rig.transport()
