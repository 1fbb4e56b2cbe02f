import asyncio

import pytest

from tests.transports.kafka.harness import (
    PATIENCE,
    Collector,
    Join,
    eventually,
    request,
    subscription,
)
from wireloom.errors import NoHandlerError, PublishError
from wireloom.spi import Kind, Message

pytestmark = pytest.mark.timeout(60)


class Replies:
    """An inbox's receiver."""

    def __init__(self) -> None:
        self.taken: list[Message] = []
        self._arrived = asyncio.Event()

    def __call__(self, message: Message) -> None:
        self.taken.append(message)
        self._arrived.set()

    async def wait_for(self, count: int, within: float = PATIENCE) -> list[Message]:
        async with asyncio.timeout(within):
            while len(self.taken) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return self.taken


def rpc(unique: str, **more: object) -> object:
    return subscription(f"{unique}.h", f"{unique}.get", Kind.REQUEST, ack_first=True, **more)


async def test_request_reaches_a_handler_and_its_frames_come_back_in_order(
    join: Join, unique: str
) -> None:
    server, client = (await join()).transport, (await join(f"{unique}c")).transport
    intake, replies = Collector(), Replies()
    inbox = await client.open_inbox(replies)
    await server.subscribe(rpc(unique), intake)
    await client.publish(request(f"{unique}.get", inbox, b"\x01"))
    (delivery,) = await intake.wait_for(1)
    asked = delivery.message
    assert (asked.kind, asked.body, asked.reply_to) == (Kind.REQUEST, b"\x01", inbox)
    await delivery.ack()
    for number in range(20):
        await delivery.reply(
            Message(Kind.ITEM, inbox, str(number).encode(), {}, asked.id, reply_to="x/0/y")
        )
    await delivery.reply(Message(Kind.ERROR, inbox, b"{}", {"wl-error": "NOT_FOUND"}, asked.id))
    frames = await replies.wait_for(21)
    assert [frame.body for frame in frames[:20]] == [str(n).encode() for n in range(20)]
    assert frames[0].reply_to == "x/0/y"
    assert {frame.id for frame in frames} == {asked.id}
    assert frames[20].kind is Kind.ERROR
    assert frames[20].headers["wl-error"] == "NOT_FOUND"


async def test_request_that_nobody_handles_fails_at_once_and_makes_no_topic(
    join: Join, unique: str
) -> None:
    client = (await join()).transport
    inbox = await client.open_inbox(Replies())
    async with asyncio.timeout(1.0):
        with pytest.raises(NoHandlerError):
            await client.publish(request(f"{unique}.get", inbox))
    assert f"rpc.{unique}.get" not in await client._link.admin.names()


async def test_request_fails_at_once_after_the_last_handler_stopped(
    join: Join, unique: str
) -> None:
    server, client = (await join()).transport, (await join(f"{unique}c")).transport
    replies = Replies()
    inbox = await client.open_inbox(replies)
    intake = Collector(acks=True)
    subscriber = await server.subscribe(rpc(unique), intake)
    answered = request(f"{unique}.get", inbox)
    await client.publish(answered)
    (delivery,) = await intake.wait_for(1)
    await delivery.reply(Message(Kind.REPLY, inbox, b"", {}, answered.id))
    await replies.wait_for(1)
    await subscriber.close()
    lost = request(f"{unique}.get", inbox)
    try:
        await client.publish(lost)  # within a second the group is trusted
    except NoHandlerError:
        return
    answer = (await replies.wait_for(2))[1]
    assert (answer.id, answer.headers["wl-error"]) == (lost.id, "UNIMPLEMENTED")


async def test_requests_of_nobody_are_not_run_by_who_comes_later(join: Join, unique: str) -> None:
    server, client = (await join()).transport, (await join(f"{unique}c")).transport
    inbox = await client.open_inbox(Replies())
    first = await server.subscribe(rpc(unique), Collector(acks=True))
    await first.close()
    stale = await client._link.outgoing(request(f"{unique}.get", inbox, b"stale"))
    await client._link.publish(stale)
    intake = Collector(acks=True)
    await server.subscribe(rpc(unique), intake)
    await client.publish(request(f"{unique}.get", inbox, b"young"))
    await intake.wait_for(1)
    assert intake.bodies() == [b"young"]


async def test_replicas_share_requests_and_each_runs_once(join: Join, unique: str) -> None:
    servers = [(await join()).transport for _ in range(3)]
    client = (await join(f"{unique}c")).transport
    inbox = await client.open_inbox(Replies())
    intakes = [Collector(1000, acks=True) for _ in servers]
    for server, intake in zip(servers, intakes, strict=True):
        await server.subscribe(rpc(unique), intake)
    await asyncio.gather(
        *(client.publish(request(f"{unique}.get", inbox, str(n).encode())) for n in range(300))
    )
    await eventually(lambda: sum(len(intake.taken) for intake in intakes) >= 300, 20)
    bodies = [body for intake in intakes for body in intake.bodies()]
    assert sorted(map(int, bodies)) == list(range(300))
    assert all(intake.taken for intake in intakes)


async def test_reply_to_an_address_that_is_no_inbox_is_refused(join: Join, unique: str) -> None:
    one = (await join()).transport
    for address in (
        "__consumer_offsets/0/x",
        "inbox.a",
        "a.b/0/x",
        "inbox.a/-1/x",
        "inbox.a/0/",
        "inbox.a_b/0/x",
        f"{unique}.inbox.x/0/x",
        "inbox.a/99999999999/x",
    ):
        with pytest.raises(PublishError):
            await one.publish(Message(Kind.REPLY, address, b"", {}, "1"))


async def test_instances_that_share_a_reply_partition_get_their_own_replies_only(
    join: Join, unique: str
) -> None:
    one = (await join(reply_partitions=1)).transport
    two = (await join(reply_partitions=1)).transport
    first, second = Replies(), Replies()
    inbox = await one.open_inbox(first)
    other = await two.open_inbox(second)
    assert inbox != other
    await two.publish(Message(Kind.REPLY, other, b"two", {}, "2"))
    await two.publish(Message(Kind.REPLY, inbox, b"one", {}, "1"))
    assert [reply.body for reply in await first.wait_for(1)] == [b"one"]
    assert [reply.body for reply in await second.wait_for(1)] == [b"two"]
