"""Stored events: groups, copies, delays, ids, replay, limits."""

import asyncio
from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis

from tests.transports.redis.conftest import Joins
from tests.transports.redis.harness import Peer, Taken, declaration, event, eventually
from wireloom.errors import (
    ConfigurationError,
    PayloadTooLargeError,
    PublishError,
    UnsupportedOptionError,
)
from wireloom.spi import Kind, Limits, Message, SystemClock
from wireloom_redis import RedisHandlerOptions
from wireloom_redis.transport import RedisTransport
from wireloom_redis.trimming import Trimmer

PARTS = ("session", "names", "declared")


async def test_event_arrives_with_its_headers_key_and_id(join: Joins, namespace: str) -> None:
    peer = await join()
    intake = await peer.handle("user.created")
    receipt = await peer.emit(
        "user.created", b'{"id": 1}', id="u-1", key="k", headers={"tenant": "a"}
    )
    delivery = await intake.next()
    message = delivery.message
    assert (message.body, message.id, message.key) == (b'{"id": 1}', "u-1", "k")
    assert (message.address, dict(message.headers)) == ("user.created", {"tenant": "a"})
    assert (receipt.stream, receipt.duplicate, receipt.acknowledged) == (
        f"{namespace}.user.created",
        False,
        True,
    )
    assert delivery.entry_id == receipt.sequence
    assert delivery.stream == receipt.stream
    assert delivery.consumer == peer.transport.environment.instance
    assert delivery.attempt == delivery.deliveries == 1
    await delivery.ack()


async def test_members_of_a_group_compete_and_groups_get_a_copy_each(join: Joins) -> None:
    one, two = await join(), await join()
    shared = [await peer.handle("x", name="shop.work") for peer in (one, two)]
    other = await one.handle("x", name="audit.work", intake=Taken(100))
    for number in range(50):
        await one.emit("x", b"%d" % number)
    assert len(await other.bodies(50)) == 50
    seen: list[bytes] = []

    async def drain(intake: Taken) -> None:
        while len(seen) < 50:
            seen.append((await intake.done()).message.body)

    tasks = [asyncio.create_task(drain(intake)) for intake in shared]
    await eventually(lambda: len(seen) == 50)
    for task in tasks:
        task.cancel()
    assert sorted(map(int, seen)) == list(range(50))


async def test_group_that_is_away_finds_what_was_published_meanwhile(join: Joins) -> None:
    peer, first = await join(), await join()
    await first.handle("x")
    await first.transport.close()
    for number in range(100):
        await peer.emit("x", b"%d" % number)
    intake = await peer.handle("x", intake=Taken(200))
    assert await intake.bodies(100) == [b"%d" % number for number in range(100)]


async def test_broadcast_gives_every_instance_a_copy_and_keeps_nothing(join: Joins) -> None:
    one, two = await join(), await join()
    await one.emit("x", b"before")
    intakes = [await peer.handle("x", broadcast=True) for peer in (one, two)]
    await one.emit("x", b"now")
    assert [await intake.bodies(1) for intake in intakes] == [[b"now"], [b"now"]]
    assert await one.transport._hub.session.call("XINFO", "GROUPS", _stream(one, "x")) == []


async def test_copy_is_run_again_in_place(join: Joins) -> None:
    peer = await join()
    intake = await peer.handle("x", ephemeral=True)
    await peer.emit("x", b"1")
    delivery = await intake.next()
    await delivery.retry(0.05, 2)
    again = await intake.next()
    assert (again.attempt, again.message.body) == (2, b"1")
    await again.dead_letter({"wl-dead-reason": "failed"})
    letters = [letter async for letter in peer.transport.dead_letters.read("service.x")]
    assert [letter.body for letter in letters] == [b"1"]


async def test_event_that_is_not_durable_reaches_who_listens_now(join: Joins) -> None:
    one, two = await join(), await join()
    for peer in (one, two):
        await peer.transport.declare([declaration("tick.>", durable=False)])
    exact = await one.handle("tick.a", durable=False, broadcast=True)
    wild = await two.handle("tick.*", durable=False, broadcast=True)
    receipt = await one.emit("tick.a", b"1", headers={"x": "y"})
    assert receipt.routed is True
    await one.emit("tick.a.b", b"2")
    await one.emit("tick.b", b"3")
    delivery = await exact.next()
    assert (delivery.message.body, dict(delivery.message.headers)) == (b"1", {"x": "y"})
    assert [(await wild.next()).message.address for _ in range(2)] == ["tick.a", "tick.b"]
    assert exact.waiting == wild.waiting == 0


async def test_plain_text_on_a_channel_is_an_event(join: Joins, raw: Redis, namespace: str) -> None:
    peer = await join()
    intake = await peer.handle("tick", durable=False, broadcast=True)
    assert await raw.publish(f"{namespace}.tick", b'{"a": 1}') == 1
    assert (await intake.next()).message.body == b'{"a": 1}'


async def test_delayed_event_arrives_later_as_the_first_run(join: Joins) -> None:
    peer = await join()
    intake = await peer.handle("x")
    loop = asyncio.get_running_loop()
    begin = loop.time()
    receipt = await peer.emit("x", b"1", delay=0.4)
    assert receipt.acknowledged
    delivery = await intake.next()
    assert 0.4 <= loop.time() - begin < 1.4
    assert delivery.attempt == 1


async def test_same_id_is_stored_once_for_each_address(join: Joins) -> None:
    one, two = await join(), await join()
    first = await one.emit("x", b"1", id="same")
    second = await two.emit("x", b"2", id="same")
    third = await two.emit("y", b"3", id="same")
    assert [first.duplicate, second.duplicate, third.duplicate] == [False, True, False]
    assert second.sequence is None
    assert await one.transport._hub.session.call("XLEN", _stream(one, "x")) == 1


async def test_window_of_zero_stores_every_copy(join: Joins) -> None:
    peer = await join(dedup_window=0.0)
    for _ in range(2):
        assert (await peer.emit("x", b"1", id="same")).duplicate is False


async def test_id_of_an_event_that_was_not_stored_can_be_used_again(
    join: Joins, raw: Redis, namespace: str
) -> None:
    peer = await join()
    await raw.set(f"{namespace}.x", "no stream")
    with pytest.raises(PublishError):
        await peer.emit("x", b"1", id="same")
    await raw.delete(f"{namespace}.x")
    assert (await peer.emit("x", b"1", id="same")).duplicate is False


@pytest.mark.parametrize("start", ["first", "last", "sequence", "time", "new"])
async def test_new_group_starts_where_it_is_told(join: Joins, start: str) -> None:
    peer = await join()
    receipts = []
    for number in range(4):
        receipts.append(await peer.emit("x", b"%d" % number))
        await asyncio.sleep(0.002)  # so that each has a millisecond of its own
    third = receipts[2].sequence
    moment = datetime.fromtimestamp(int(third.partition("-")[0]) / 1000, UTC)
    begin = {"sequence": third, "time": moment}.get(start, start)
    intake = await peer.handle("x", start_from=begin)
    await peer.emit("x", b"later")
    wanted = {"first": [b"0", b"1", b"2", b"3"], "last": [b"3"], "new": []}
    expected = [*wanted.get(start, [b"2", b"3"]), b"later"]
    deliveries = [await intake.done() for _ in expected]
    assert [delivery.message.body for delivery in deliveries] == expected
    assert [delivery.replayed for delivery in deliveries] == [True] * (len(expected) - 1) + [False]


async def test_foreign_entry_with_wild_fields_is_delivered(
    join: Joins, raw: Redis, namespace: str
) -> None:
    peer = await join()
    intake = await peer.handle("x")
    fields: dict[str | bytes, bytes] = {f"h{number}": b"v" for number in range(1500)}
    fields |= {b"\xff": b"name", b"raw": b"\xff\xfe", "wl-attempt": b"99", "wl-sent-ms": b"1"}
    await raw.xadd(f"{namespace}.x", {"body": b"\x00\xff", **fields})
    delivery = await intake.next()
    assert delivery.message.body == b"\x00\xff"
    assert delivery.attempt == 1
    assert delivery.age < 5
    assert "raw" not in delivery.message.headers
    await delivery.retry(0, 2)
    assert (await intake.next()).attempt == 2


async def test_what_is_published_can_be_read_with_the_driver_alone(
    join: Joins, raw: Redis, namespace: str
) -> None:
    peer = await join()
    await peer.emit("x", b'{"a": 1}', id="u", headers={"content-type": "application/json"})
    ((_, fields),) = await raw.xrange(f"{namespace}.x")
    assert fields == {b"body": b'{"a": 1}', b"content-type": b"application/json", b"wl-id": b"u"}


async def test_many_events_take_one_write_and_each_gets_its_receipt(join: Joins) -> None:
    peer = await join()
    messages = [Message(Kind.EVENT, "x", b"%d" % n, {}, f"id-{n}") for n in range(500)]
    outcomes = await peer.transport.publish_many(messages)
    assert len({outcome.sequence for outcome in outcomes}) == 500
    intake = await peer.handle("x", intake=Taken(600), start_from="first")
    assert await intake.bodies(500) == [message.body for message in messages]


async def test_no_more_is_taken_than_there_is_room_for(join: Joins) -> None:
    peer = await join()
    intake = await peer.handle("x", intake=Taken(3))
    for number in range(10):
        await peer.emit("x", b"%d" % number)
    held = [await intake.next() for _ in range(3)]
    assert await intake.nothing()
    for delivery in held:
        await delivery.ack()
        intake.free()
    assert await intake.bodies(7) == [b"%d" % number for number in range(3, 10)]


async def test_limits_drop_what_every_group_has_finished(join: Joins) -> None:
    peer = await join(sweep=0.1)
    await peer.transport.declare([declaration("x", limits=Limits(age=None, messages=5))])
    done = await peer.handle("x", name="service.done", intake=Taken(100))
    slow = await peer.handle("x", name="service.slow", intake=Taken(100))
    for number in range(20):
        await peer.emit("x", b"%d" % number)
    await done.bodies(20)
    held = await slow.next()
    stream = _stream(peer, "x")
    trimmer = Trimmer(*(getattr(peer.transport._hub, name) for name in PARTS), SystemClock(), 1.0)
    assert await trimmer.trim(stream, Limits(age=None, messages=5)) == 0
    await held.ack()
    await slow.bodies(19)

    async def trimmed() -> bool:
        return await peer.transport._hub.session.call("XLEN", _stream(peer, "x")) == 5

    await eventually(trimmed)


async def test_limits_drop_what_is_older_than_they_say(join: Joins) -> None:
    peer = await join(sweep=0.1)
    await peer.transport.declare([declaration("x", limits=Limits(age=0.2))])
    await peer.emit("x", b"1")

    async def trimmed() -> bool:
        return not await peer.transport._hub.session.call("XLEN", _stream(peer, "x"))

    await eventually(trimmed)


async def test_event_over_its_declared_size_is_refused(join: Joins) -> None:
    peer = await join()
    await peer.transport.declare([declaration("x", limits=Limits(message_size=10))])
    with pytest.raises(PayloadTooLargeError):
        await peer.emit("x", b"x" * 11)
    await peer.emit("x", b"x" * 10)


async def test_body_of_a_million_bytes_passes(join: Joins) -> None:
    peer = await join()
    intake = await peer.handle("x")
    await peer.emit("x", b"x" * 1_000_000)
    assert len((await intake.next()).message.body) == 1_000_000


async def test_name_taken_by_another_kind_of_key_is_reported(
    join: Joins, raw: Redis, namespace: str
) -> None:
    peer = await join()
    await raw.set(f"{namespace}.x", "text")
    with pytest.raises(ConfigurationError, match="is a string"):
        await peer.transport.declare([declaration("x")])
    with pytest.raises(ConfigurationError, match="is no stream"):
        await peer.handle("x")


async def test_undeclared_topology_is_an_error_where_nothing_may_be_created(join: Joins) -> None:
    careful = await join(declare=False)
    with pytest.raises(ConfigurationError, match="does not exist"):
        await careful.transport.declare([declaration("x")])
    with pytest.raises(ConfigurationError, match="declare=False"):
        await careful.handle("x")
    with pytest.raises(PublishError, match="no such stream"):
        await careful.emit("x", b"1")
    admin = await join()
    await admin.transport.apply([declaration("x")], [event("x")])
    await careful.transport.declare([declaration("x")])
    intake = await careful.handle("x")
    await careful.emit("x", b"1")
    assert await intake.bodies(1) == [b"1"]


async def test_group_that_was_deleted_goes_on_where_it_was(
    join: Joins, raw: Redis, namespace: str
) -> None:
    peer = await join()
    intake = await peer.handle("x")
    await peer.emit("x", b"1")
    await intake.bodies(1)
    await raw.xgroup_destroy(f"{namespace}.x", "service.x")
    await peer.emit("x", b"2")
    assert await intake.bodies(1) == [b"2"]


async def test_server_that_forgot_everything_is_used_on(
    join: Joins, raw: Redis, namespace: str
) -> None:
    peer = await join()
    intake = await peer.handle("x")
    await raw.delete(f"{namespace}.x", f"{namespace}.delay.service.x")
    await raw.script_flush()
    await peer.emit("x", b"1")
    assert await intake.bodies(1) == [b"1"]


@pytest.mark.parametrize(
    ("fields", "option"),
    [
        ({"pattern": "a.*"}, "pattern"),
        ({"pattern": "a", "durable": False}, "durable"),
        (
            {"pattern": "a", "durable": False, "broadcast": True, "start_from": "first"},
            "start_from",
        ),
        ({"pattern": "a", "start_from": "yesterday"}, "start_from"),
        ({"pattern": "a", "broadcast": True, "shards": 2}, "shards"),
    ],
)
def test_what_redis_cannot_do_is_refused(fields: dict[str, object], option: str) -> None:
    with pytest.raises(UnsupportedOptionError, match=r"Tests\.handle") as caught:
        RedisTransport.check(None, event(**fields))  # type: ignore[arg-type]
    assert caught.value.option == option


def test_limit_of_bytes_is_refused() -> None:
    with pytest.raises(UnsupportedOptionError, match=r"limits\.bytes"):
        RedisTransport.check_declaration(None, declaration("x", limits=Limits(bytes=10)))  # type: ignore[arg-type]


async def test_dead_letters_keep_to_their_number(join: Joins) -> None:
    peer = await join()
    native = RedisHandlerOptions(dead_letters=1)
    intake = await peer.handle("x", native=native, intake=Taken(1000))
    for number in range(300):
        await peer.emit("x", b"%d" % number)
    for _ in range(300):
        await (await intake.next()).dead_letter({"wl-dead-reason": "failed"})
    letters = [letter async for letter in peer.transport.dead_letters.read("service.x")]
    assert len(letters) < 300
    assert letters[-1].body == b"299"


def _stream(peer: Peer, address: str) -> str:
    return peer.transport._hub.names.stream(address)
