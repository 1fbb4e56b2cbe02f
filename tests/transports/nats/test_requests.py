"""Requests on core NATS."""

import asyncio
import json
from collections import Counter

import nats
import pytest

from tests.transports.nats.conftest import Replies, Site, Taken, request, subscription
from wireloom.errors import PayloadTooLargeError, PublishError
from wireloom.spi import Kind, Message


def handles(pattern: str, **more: object) -> object:
    return subscription(pattern, kind=Kind.REQUEST, **more)


async def test_a_request_is_answered_by_one_of_all_instances(site: Site) -> None:
    caller = await site.connect("caller")
    replies = Replies()
    inbox = await caller.open_inbox(replies)
    intakes = []
    for group in ("users", "users", "other"):
        transport = await site.connect(group)
        intakes.append(Taken(capacity=300))
        await transport.subscribe(handles("users.get", group=group), intakes[-1])
    for number in range(300):
        await caller.publish(request("users.get", inbox, id=f"r{number}"))
    served = Counter()
    async with asyncio.timeout(10):
        while served.total() < 300:
            for number, intake in enumerate(intakes):
                while intake.waiting:
                    delivery = await intake.next()
                    served[number] += 1
                    await delivery.reply(
                        Message(
                            Kind.REPLY,
                            delivery.message.reply_to or "",
                            delivery.message.id.encode(),
                            {"content-type": "x"},
                            delivery.message.id,
                        )
                    )
            await asyncio.sleep(0.005)
    assert set(served) == {0, 1, 2}
    got = [await replies.next() for _ in range(300)]
    assert {message.id for message in got} == {f"r{number}" for number in range(300)}
    assert all(message.body == message.id.encode() for message in got)
    assert all(message.kind is Kind.REPLY for message in got)


async def test_that_nobody_handles_a_request_is_known_at_once(site: Site) -> None:
    caller = await site.connect("caller")
    replies = Replies()
    inbox = await caller.open_inbox(replies)
    await caller.publish(request("users.none", inbox, id="r.1"))
    error = await replies.next(within=1)
    assert (error.kind, error.id, dict(error.headers)) == (
        Kind.ERROR,
        "r.1",
        {"wl-error": "UNIMPLEMENTED"},
    )


async def test_frames_of_a_stream_keep_their_order_and_kinds(site: Site) -> None:
    caller, server = await site.connect("caller"), await site.connect("server")
    replies, controls = Replies(), Replies()
    inbox = await caller.open_inbox(replies)
    serving = await server.open_inbox(controls)
    taken = Taken()
    await server.subscribe(handles("users.export"), taken)
    await caller.publish(request("users.export", inbox, id="r"))
    delivery = await taken.next()
    target = delivery.message.reply_to or ""
    for number in range(50):
        await delivery.reply(
            Message(Kind.ITEM, target, str(number).encode(), {}, "r", reply_to=serving)
        )
    await delivery.reply(Message(Kind.END, target, b"", {}, "r"))
    frames = [await replies.next() for _ in range(51)]
    assert [frame.body for frame in frames[:-1]] == [str(n).encode() for n in range(50)]
    assert [frame.kind for frame in frames] == [Kind.ITEM] * 50 + [Kind.END]
    assert frames[0].reply_to == serving
    await caller.publish(Message(Kind.CREDIT, serving, b"32", {}, "r"))
    await caller.publish(Message(Kind.CANCEL, serving, b"", {}, "r"))
    got = [await controls.next(), await controls.next()]
    assert [(frame.kind, frame.id, frame.body) for frame in got] == [
        (Kind.CREDIT, "r", b"32"),
        (Kind.CANCEL, "r", b""),
    ]


async def test_a_foreign_client_can_ask_and_gets_only_our_headers(site: Site) -> None:
    server = await site.connect("server")
    taken = Taken()
    await server.subscribe(handles("users.get"), taken)
    client = await nats.connect(site.url)
    asked = asyncio.ensure_future(
        client.request(
            f"{site.namespace}.rpc.users.get",
            json.dumps(1).encode(),
            timeout=5,
            headers={"Authorization": "Bearer x"},
        )
    )
    delivery = await taken.next()
    assert delivery.message.headers["authorization"] == "Bearer x"
    await delivery.reply(Message(Kind.REPLY, delivery.message.reply_to or "", b"2", {}, ""))
    answer = await asked
    assert answer.data == b"2"
    assert answer.headers is None
    await client.close()


@pytest.mark.parametrize("target", ["$JS.API.STREAM.DELETE.x", "$SYS.x", "user.created", "a b"])
async def test_a_hostile_reply_address_gets_no_reply(site: Site, target: str) -> None:
    server = await site.connect("server")
    taken = Taken()
    await server.subscribe(handles("users.get"), taken)
    if " " not in target:
        client = await nats.connect(site.url)
        await client.publish(f"{site.namespace}.rpc.users.get", b"1", reply=target)
        await client.flush()
        assert (await taken.next()).message.reply_to is None
        await client.close()
    with pytest.raises(PublishError, match="no address"):
        await server.publish(Message(Kind.REPLY, target, b"", {}, "r"))


async def test_a_million_bytes_pass_and_more_than_the_server_takes_is_refused(site: Site) -> None:
    caller, server = await site.connect("caller"), await site.connect("server")
    inbox = await caller.open_inbox(Replies())
    taken = Taken()
    await server.subscribe(handles("users.get"), taken)
    await caller.publish(request("users.get", inbox, b"x" * 1_000_000))
    assert len((await taken.next()).message.body) == 1_000_000
    with pytest.raises(PayloadTooLargeError, match="1048576"):
        await caller.publish(request("users.get", inbox, b"x" * (1 << 20)))
    await caller.publish(request("users.get", inbox))
    assert (await taken.next()).message.body == b"1"


async def test_stopping_takes_what_the_server_had_sent(site: Site) -> None:
    caller, server = await site.connect("caller"), await site.connect("server")
    inbox = await caller.open_inbox(Replies())
    taken = Taken(capacity=100)
    subscriber = await server.subscribe(handles("users.get"), taken)
    for _ in range(50):
        await caller.publish(request("users.get", inbox))
    await caller.probe()
    await subscriber.stop()
    await subscriber.stop()
    assert taken.waiting == 50


async def test_a_thousand_requests_leave_no_subscription_and_no_entry(site: Site) -> None:
    caller = await site.connect("caller")
    replies = Replies()
    inbox = await caller.open_inbox(replies)
    client = caller.unwrap()
    before = len(client._subs)  # type: ignore[attr-defined]
    for number in range(1000):
        await caller.publish(request("nobody.there", inbox, id=str(number)))
    for _ in range(1000):
        await replies.next()
    assert len(client._subs) == before  # type: ignore[attr-defined]
    assert not caller._inbox._asked
