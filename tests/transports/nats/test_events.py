"""Events on JetStream."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tests.transports.nats.conftest import Site, Taken, declaration, event, subscription, until
from wireloom.errors import PublishError


async def test_an_event_arrives_as_it_was_sent(site: Site) -> None:
    transport = await site.connect()
    taken = Taken()
    await transport.subscribe(subscription("user.created"), taken)
    headers = {"content-type": "application/json", "tenant": " ä b ", "empty": ""}
    sent = event("user.created", b'{"id": 1}', headers=headers, key="k")
    receipt = await transport.publish(sent)
    delivery = await taken.take()
    message = delivery.message
    assert (message.address, message.body, message.id, message.key) == (
        "user.created",
        b'{"id": 1}',
        sent.id,
        "k",
    )
    assert dict(message.headers) == headers
    assert receipt.acknowledged
    assert receipt.stream == f"{site.namespace}~events"
    assert receipt.sequence == delivery.stream_sequence
    assert (delivery.attempt, delivery.deliveries, delivery.replayed) == (1, 1, False)
    assert delivery.age < 1


async def test_what_was_published_before_waits_for_its_group(site: Site) -> None:
    transport = await site.connect()
    taken = Taken()
    subscriber = await transport.subscribe(subscription("user.created"), taken)
    await subscriber.close()
    sent = [event("user.created") for _ in range(100)]
    receipts = await transport.publish_many(sent)
    assert all(receipt.acknowledged for receipt in receipts)
    again = await site.connect()
    late = Taken()
    await again.subscribe(subscription("user.created"), late)
    assert [(await late.take()).message.id for _ in sent] == [message.id for message in sent]


async def test_a_second_copy_of_an_id_is_dropped(site: Site) -> None:
    transport = await site.connect()
    taken = Taken()
    await transport.subscribe(subscription("user.*"), taken)
    first = await transport.publish(event("user.created", id="x"))
    second = await transport.publish(event("user.created", id="x"))
    other = await transport.publish(event("user.deleted", id="x"))
    assert (first.duplicate, second.duplicate, other.duplicate) == (False, True, False)
    seen = [(await taken.take()).message.address for _ in range(2)]
    assert seen == ["user.created", "user.deleted"]
    assert taken.waiting == 0


@pytest.mark.parametrize("start", ["first", "last", "sequence", "time", "new"])
async def test_a_new_group_starts_where_it_says(site: Site, start: str) -> None:
    transport = await site.connect()
    await transport.declare([declaration("user.created")])
    old = [await transport.publish(event("user.created", str(n).encode())) for n in range(3)]
    await asyncio.sleep(0.05)  # what follows is stored at a later time than what came before
    moment = datetime.now(UTC) - timedelta(milliseconds=20)
    more = [await transport.publish(event("user.created", str(n).encode())) for n in (3, 4)]
    where = {"sequence": int(old[1].sequence or 0), "time": moment}.get(start, start)
    taken = Taken()
    await transport.subscribe(subscription("user.created", start_from=where), taken)
    await transport.publish(event("user.created", b"end"))
    seen = []
    while not seen or seen[-1] != b"end":
        delivery = await taken.take()
        seen.append(delivery.message.body)
        assert delivery.replayed is (delivery.message.body != b"end")
    wanted = {
        "first": [b"0", b"1", b"2", b"3", b"4"],
        "last": [b"4"],
        "sequence": [b"1", b"2", b"3", b"4"],
        "time": [b"3", b"4"],
        "new": [],
    }
    assert seen[:-1] == wanted[start]
    assert len(more) == 2


async def test_groups_get_a_copy_each_and_members_compete(site: Site) -> None:
    one, two = await site.connect(), await site.connect()
    other = await site.connect("mail")
    intakes = [Taken(), Taken(), Taken()]
    await one.subscribe(subscription("user.created"), intakes[0])
    await two.subscribe(subscription("user.created"), intakes[1])
    await other.subscribe(subscription("user.created", "mail.Mail.send"), intakes[2])
    sent = {(await one.publish(event("user.created"))).id for _ in range(40)}
    await until(lambda: intakes[0].waiting + intakes[1].waiting == 32, within=10)
    mine = {(await intake.take()).message.id for intake in intakes[:2] for _ in range(16)}
    rest = 40 - 32
    while rest:
        for intake in intakes[:2]:
            while intake.waiting:
                mine.add((await intake.take()).message.id)
                rest -= 1
        await asyncio.sleep(0.01)
    theirs = {(await intakes[2].take()).message.id for _ in range(40)}
    assert mine == theirs == sent


async def test_every_instance_gets_a_broadcast(site: Site) -> None:
    one, two = await site.connect(), await site.connect()
    intakes = [Taken(), Taken()]
    for transport, intake in zip((one, two), intakes, strict=True):
        await transport.subscribe(subscription("config.changed", broadcast=True), intake)
    sent = await one.publish(event("config.changed"))
    assert {(await intake.take()).message.id for intake in intakes} == {sent.id}


async def test_an_ephemeral_subscription_leaves_nothing_behind(site: Site) -> None:
    transport = await site.connect()
    taken = Taken()
    subscriber = await transport.subscribe(subscription("a.b", ephemeral=True), taken)
    await transport.publish(event("a.b"))
    await taken.take()
    await subscriber.close()
    info = await transport._jetstream.call(f"STREAM.INFO.{site.namespace}~events")
    assert info["state"]["consumer_count"] == 0


async def test_wildcards_match_as_documented(site: Site) -> None:
    transport = await site.connect()
    patterns = {
        "user.*": ["user.created"],
        "user.>": ["user.created", "user.a.b"],
        "*.created": ["user.created"],
        ">": ["user.created", "user.a.b", "rpc.x"],
        "user.{name}": ["user.created"],
    }
    intakes = {}
    for number, pattern in enumerate(patterns):
        intakes[pattern] = Taken()
        await transport.subscribe(subscription(pattern, f"g.h{number}"), intakes[pattern])
    for address in ("user.created", "user.a.b", "rpc.x"):
        await transport.publish(event(address))
    for pattern, addresses in patterns.items():
        seen = [(await intakes[pattern].take()).message.address for _ in addresses]
        assert seen == addresses, pattern
    assert all(intake.waiting == 0 for intake in intakes.values())


async def test_a_delayed_event_waits_and_uses_no_attempt(site: Site) -> None:
    transport = await site.connect()
    taken = Taken()
    await transport.subscribe(subscription("user.created"), taken)
    loop = asyncio.get_running_loop()
    start = loop.time()
    await transport.publish(event("user.created", delay=1.0))
    delivery = await taken.take()
    assert 1.0 <= loop.time() - start < 2.0
    assert delivery.attempt == 1


async def test_an_event_of_core_nats_is_neither_stored_nor_acknowledged(site: Site) -> None:
    transport = await site.connect()
    await transport.declare([declaration("ping", durable=False)])
    taken, other = Taken(), Taken()
    await transport.subscribe(subscription("ping", durable=False), taken)
    await transport.subscribe(subscription("ping", "x.y", durable=False, broadcast=True), other)
    receipt = await transport.publish(event("ping"))
    assert not receipt.acknowledged
    assert receipt.stream is None
    assert (await taken.next()).message.id == (await other.next()).message.id == receipt.id
    with pytest.raises(PublishError, match="delay"):
        await transport.publish(event("ping", delay=1))


async def test_a_failed_core_event_is_retried_in_process(site: Site) -> None:
    transport = await site.connect()
    await transport.declare([declaration("ping", durable=False)])
    taken = Taken()
    await transport.subscribe(subscription("ping", durable=False), taken)
    await transport.publish(event("ping"))
    await (await taken.next()).retry(0.01, 2)
    again = await taken.next()
    assert again.attempt == 2
    await again.dead_letter({"wl-dead-reason": "test"})
    letters = [row async for row in transport.dead_letters.read("users.Users.welcome")]
    assert [row.body for row in letters] == [b"1"]


async def test_no_more_is_taken_than_the_intake_has_room_for(site: Site) -> None:
    transport = await site.connect()
    taken = Taken(capacity=8)
    await transport.subscribe(subscription("user.created"), taken)
    await transport.publish_many([event("user.created") for _ in range(200)])
    for _ in range(200):
        await taken.take()
    assert taken.most <= 8


async def test_the_backlog_is_drained_when_the_handlers_are_slow_to_start(site: Site) -> None:
    transport = await site.connect()
    taken = Taken(capacity=4)
    await transport.subscribe(subscription("user.created"), taken)
    await transport.publish_many([event("user.created") for _ in range(12)])
    held = [await taken.next() for _ in range(4)]
    for delivery in held:
        await delivery.ack()
        taken.free()
    for _ in range(8):
        await taken.take()
