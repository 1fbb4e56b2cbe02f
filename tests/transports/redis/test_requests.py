"""Requests: one live instance runs each, or nobody, and that is known at once."""

import asyncio
from collections import Counter

import pytest
from redis.asyncio import Redis

from tests.transports.redis.conftest import Joins
from tests.transports.redis.harness import Peer, Taken, event, eventually
from wireloom.errors import ClosedError, ConnectionLostError, NoHandlerError, PublishError
from wireloom.spi import Delivery, Kind, Message, Status


async def answer(delivery: Delivery, body: bytes = b"!") -> None:
    message = delivery.message
    await delivery.reply(Message(Kind.REPLY, message.reply_to or "", body, {}, message.id))


async def echo(intake: Taken, counts: Counter[int] | None = None, who: int = 0) -> None:
    while True:
        delivery = await intake.next(60)
        if counts is not None:
            counts[who] += 1
        await answer(delivery, delivery.message.body)
        intake.free()


async def test_request_is_answered_to_the_inbox_of_its_sender(join: Joins) -> None:
    server, client, other = await join(), await join(), await join()
    intake = await server.serve("users.get")
    message_id = await client.request("users.get", b"1")
    delivery = await intake.next()
    assert (delivery.message.kind, delivery.message.address) == (Kind.REQUEST, "users.get")
    assert (delivery.message.body, delivery.message.reply_to) == (b"1", client.inbox)
    await answer(delivery, b"one")
    reply = await client.answer()
    assert (reply.kind, reply.id, reply.body) == (Kind.REPLY, message_id, b"one")
    assert other.received.empty()


async def test_request_that_nobody_handles_fails_at_once(join: Joins) -> None:
    peer = await join()
    begin = asyncio.get_running_loop().time()
    with pytest.raises(NoHandlerError):
        await peer.request("nobody.there")
    assert asyncio.get_running_loop().time() - begin < 1


async def test_each_of_300_requests_runs_once_and_every_replica_serves_some(join: Joins) -> None:
    servers = [await join() for _ in range(3)]
    counts: Counter[int] = Counter()
    tasks = [
        asyncio.create_task(echo(await server.serve("x"), counts, number))
        for number, server in enumerate(servers)
    ]
    client = await join()
    ids = [await client.request("x", b"%d" % number) for number in range(300)]
    replies = [await client.answer() for _ in range(300)]
    assert {reply.id: reply.body for reply in replies} == {
        message_id: b"%d" % number for number, message_id in enumerate(ids)
    }
    assert sum(counts.values()) == 300
    assert set(counts) == {0, 1, 2}
    for task in tasks:
        task.cancel()


async def test_stopped_replica_gets_no_request_and_none_is_lost(join: Joins) -> None:
    leaving, staying, client = await join(), await join(), await join()
    gone = Taken(1000)
    subscriber = await leaving.transport.subscribe(event("x", kind=Kind.REQUEST), gone)
    counts: Counter[int] = Counter()
    tasks = [
        asyncio.create_task(echo(gone, counts, 1)),
        asyncio.create_task(echo(await staying.serve("x"), counts, 2)),
    ]
    for number in range(200):
        await client.request("x")
        if number == 100:
            await subscriber.stop()
            served = counts[1]
    for _ in range(200):
        assert (await client.answer()).kind is Kind.REPLY
    assert counts[1] >= served
    assert counts[2] >= 100
    for task in tasks:
        task.cancel()


async def test_last_replica_that_goes_is_missed_at_once(join: Joins) -> None:
    server, client = await join(), await join()
    task = asyncio.create_task(echo(await server.serve("x")))
    await client.request("x")
    await client.answer()
    task.cancel()
    await server.transport.close()
    message_id = await _refused(client, "x")
    with pytest.raises(NoHandlerError):
        await client.request("x")
    assert message_id


async def test_replica_that_died_without_a_word_is_passed_over(join: Joins) -> None:
    dying, living, client = await join(), await join(), await join()
    await dying.serve("x")
    task = asyncio.create_task(echo(await living.serve("x")))
    await client.request("x")
    hub = dying.transport._hub
    await hub.session._tasks.stop()
    hub.session.link.abort(ConnectionError("planted"))
    await hub.tasks.stop()
    for _ in range(20):
        await client.request("x")
    kinds = {(await client.answer()).kind for _ in range(20)}
    assert kinds == {Kind.REPLY}
    task.cancel()


async def test_new_replica_is_found_within_seconds(join: Joins) -> None:
    first, client = await join(), await join()
    counts: Counter[int] = Counter()
    tasks = [asyncio.create_task(echo(await first.serve("x"), counts, 1))]
    await client.request("x")
    second = await join()
    tasks.append(asyncio.create_task(echo(await second.serve("x"), counts, 2)))
    async with asyncio.timeout(5):
        while not counts[2]:
            await client.request("x")
            await client.answer()
            await asyncio.sleep(0.02)
    for task in tasks:
        task.cancel()


async def test_pattern_with_wildcards_serves_what_it_matches(join: Joins) -> None:
    server, client = await join(), await join()
    intake = await server.serve("users.{id}.get")
    await client.request("users.7.get")
    assert (await intake.next()).message.address == "users.7.get"
    with pytest.raises(NoHandlerError):
        await client.request("users.7.8.get")


async def test_literal_object_is_a_pattern(join: Joins) -> None:
    server, client = await join(), await join()
    subscription = event('{"cmd":"sum"}', kind=Kind.REQUEST)
    intake = Taken()
    await server.transport.subscribe(subscription, intake)
    await client.request('{"cmd":"sum"}')
    assert (await intake.next()).message.address == '{"cmd":"sum"}'


async def test_frames_of_a_stream_keep_their_order(join: Joins) -> None:
    server, client = await join(), await join()
    intake = await server.serve("x")
    message_id = await client.request("x")
    delivery = await intake.next()
    for number in range(200):
        frame = Message(
            *(Kind.ITEM, client.inbox, b"%d" % number, {}, message_id), reply_to=server.inbox
        )
        await delivery.reply(frame)
    await delivery.reply(Message(Kind.END, client.inbox, b"", {}, message_id))
    frames = [await client.answer() for _ in range(201)]
    assert [frame.body for frame in frames[:-1]] == [b"%d" % number for number in range(200)]
    assert frames[-1].kind is Kind.END
    assert frames[0].reply_to == server.inbox
    await client.transport.publish(Message(Kind.CREDIT, server.inbox, b"32", {}, message_id))
    credit = await server.answer()
    assert (credit.kind, credit.body) == (Kind.CREDIT, b"32")


async def test_reply_to_a_requester_that_is_gone_is_an_error_the_next_time(join: Joins) -> None:
    server, client = await join(), await join()
    intake = await server.serve("x")
    await client.request("x")
    delivery = await intake.next()
    await client.transport.close()
    await answer(delivery)
    inboxes = server.transport._inboxes
    await eventually(lambda: bool(inboxes._gone))
    with pytest.raises(PublishError, match="gone"):
        await answer(delivery)


@pytest.mark.parametrize(
    "address",
    ["", "inbox.", "$SYS", "user.created", "inbox.a b", "inbox.../x", "inbox." + "a" * 999],
)
async def test_reply_goes_to_inboxes_only(
    join: Joins, raw: Redis, namespace: str, address: str
) -> None:
    server = await join()
    intake = await server.serve("x")
    with pytest.raises(PublishError, match="no inbox"):
        await server.transport.publish(Message(Kind.REPLY, address, b"", {}, "1"))
    (member,) = await raw.zrange(f"{namespace}.rpc.x", 0, -1)
    await raw.publish(member.decode(), f"WL/1\nwl-id: 1\nwl-reply-to: {address}\n\n?")
    delivery = await intake.next()
    assert delivery.message.reply_to is None


@pytest.mark.parametrize(
    "frame",
    [b"", b"WL/1\n", b"WL/1\n\n", b"WL/1\nno colon\n\nx", b"WL/1\n\xff: x\n\n", b"\x00\xff"],
)
async def test_garbage_on_a_channel_is_a_body_without_headers(
    join: Joins, raw: Redis, namespace: str, frame: bytes
) -> None:
    server = await join()
    intake = await server.serve("x")
    (member,) = await raw.zrange(f"{namespace}.rpc.x", 0, -1)
    await raw.publish(member.decode(), frame)
    delivery = await intake.next()
    assert (delivery.message.body, delivery.message.id) == (frame, "")
    await raw.publish(f"{namespace}.{server.inbox}", frame)
    assert (await server.answer()).id == ""


async def test_foreign_request_is_answered_in_text_anybody_can_read(
    join: Joins, raw: Redis, namespace: str
) -> None:
    server = await join()
    task = asyncio.create_task(echo(await server.serve("x")))
    (member,) = await raw.zrange(f"{namespace}.rpc.x", 0, -1)
    async with raw.pubsub(ignore_subscribe_messages=True) as channel:
        await channel.subscribe(f"{namespace}.inbox.me")
        assert await channel.get_message(timeout=5) is None
        await raw.publish(member.decode(), b'WL/1\nwl-id: 7\nwl-reply-to: inbox.me\n\n{"a": 1}')
        message = await channel.get_message(timeout=5)
    assert message is not None
    assert message["data"] == b'WL/1\nwl-id: 7\nwl-kind: reply\n\n{"a": 1}'
    task.cancel()


async def test_request_of_a_million_bytes_passes(join: Joins) -> None:
    server, client = await join(), await join()
    task = asyncio.create_task(echo(await server.serve("x")))
    for _ in range(5):
        await client.request("x", b"x" * 1_000_000)
    assert {len((await client.answer(10)).body) for _ in range(5)} == {1_000_000}
    task.cancel()


async def test_request_while_the_connection_is_down_fails_at_once(join: Joins) -> None:
    server, client = await join(), await join()
    await server.serve("x")
    await client.request("x")
    client.transport._hub.session.link.abort(ConnectionError("planted"))
    with pytest.raises(ConnectionLostError) as caught:
        await client.request("x")
    assert not caught.value.maybe_executed
    await client.until(Status.CONNECTED)
    await client.request("x")


async def test_nothing_is_sent_before_connect_or_after_close(join: Joins) -> None:
    peer = await join()
    await peer.transport.close()
    await peer.transport.close()
    with pytest.raises(ClosedError):
        await peer.request("x")


async def _refused(client: Peer, address: str) -> str:
    """A request whose only channel is gone: refused at once, or by a message to the inbox."""
    try:
        message_id = await client.request(address)
    except NoHandlerError:
        return "at once"
    reply = await client.answer(1)
    assert (reply.kind, reply.headers["wl-error"]) == (Kind.ERROR, "UNIMPLEMENTED")
    return message_id
