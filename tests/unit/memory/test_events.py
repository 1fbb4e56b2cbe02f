"""Events over a broker in process: who gets what, and when again."""

import asyncio
from datetime import UTC, datetime

import pytest

from tests.unit.memory.rig import Basket, Rig, event, listens, publish
from wireloom.errors import (
    ClosedError,
    ConfigurationError,
    ConnectionLostError,
    PayloadTooLargeError,
    PublishError,
)
from wireloom.pattern import Pattern
from wireloom.spi import Declaration, Kind, Limits, Message, Status
from wireloom.testing import ManualClock, idle


async def bodies_of_letters(rig: Rig, name: str = "g.handler") -> list[bytes]:
    letters = rig.broker.queue(name).letters
    return [letter.body async for letter in letters.read(name)]


async def test_groups_get_a_copy_each_and_members_compete() -> None:
    rig = Rig()
    first, second, other = [await rig.transport(name) for name in "abc"]
    baskets = [Basket(), Basket(), Basket()]
    await first.subscribe(listens("a"), baskets[0])
    await second.subscribe(listens("a"), baskets[1])
    await other.subscribe(listens("a", "other.handler"), baskets[2])
    await publish(first, *[b"%d" % n for n in range(10)])
    assert len(baskets[0].arrived) == len(baskets[1].arrived) == 5
    assert sorted(baskets[0].bodies + baskets[1].bodies) == baskets[2].bodies


async def test_broadcast_gives_every_instance_a_copy_and_keeps_nothing_for_the_absent() -> None:
    rig = Rig()
    first, second = await rig.transport("a"), await rig.transport("b")
    one, two = Basket(), Basket()
    subscriber = await first.subscribe(listens("a", broadcast=True), one)
    await second.subscribe(listens("a", broadcast=True), two)
    await publish(first, b"1")
    await subscriber.stop()
    await publish(first, b"2")
    await first.subscribe(listens("a", broadcast=True), one)
    assert one.bodies == [b"1"]
    assert two.bodies == [b"1", b"2"]


async def test_a_group_that_was_away_gets_what_was_published_meanwhile() -> None:
    rig = Rig()
    transport = await rig.transport()
    subscriber = await transport.subscribe(listens("a"), Basket())
    await subscriber.close()
    await publish(transport, b"1", b"2")
    basket = Basket()
    await transport.subscribe(listens("a"), basket)
    assert basket.bodies == [b"1", b"2"]


async def test_a_group_that_is_not_durable_gets_nothing_of_its_absence() -> None:
    rig = Rig()
    transport = await rig.transport()
    subscriber = await transport.subscribe(listens("a", durable=False), Basket())
    await subscriber.close()
    await publish(transport, b"1")
    basket = Basket()
    await transport.subscribe(listens("a", durable=False), basket)
    assert basket.bodies == []


async def test_no_more_is_handed_over_than_the_intake_takes() -> None:
    rig = Rig()
    transport = await rig.transport()
    basket = Basket(capacity=2)
    await transport.subscribe(listens("a"), basket)
    await publish(transport, b"1", b"2", b"3")
    assert basket.bodies == [b"1", b"2"]
    await basket.take().ack()
    assert basket.bodies == [b"2", b"3"]


async def test_a_retried_delivery_comes_again_after_its_delay_as_the_run_asked_for() -> None:
    clock = ManualClock()
    rig = Rig(clock)
    transport = await rig.transport()
    basket = Basket()
    await transport.subscribe(listens("a"), basket)
    await publish(transport, b"1")
    await basket.take().retry(2.0, 2)
    await clock.advance(1.9)
    assert basket.arrived == []
    await clock.advance(0.1)
    again = basket.take()
    assert (again.attempt, again.deliveries, again.age) == (2, 2, pytest.approx(2.0))


async def test_a_given_back_delivery_comes_again_in_its_place_as_the_same_run() -> None:
    rig = Rig()
    transport, other = await rig.transport(), await rig.transport("b")
    basket, rest = Basket(capacity=2), Basket()
    subscriber = await transport.subscribe(listens("a"), basket)
    await publish(transport, b"1", b"2", b"3")
    await subscriber.stop()
    for delivery in reversed(basket.arrived):
        await delivery.give_back()
    await other.subscribe(listens("a"), rest)
    assert rest.bodies == [b"1", b"2", b"3"]
    assert [delivery.attempt for delivery in rest.arrived] == [1, 1, 1]
    assert [delivery.deliveries for delivery in rest.arrived] == [2, 2, 1]


async def test_a_dead_letter_keeps_body_headers_and_facts_and_can_be_replayed() -> None:
    rig = Rig()
    transport = await rig.transport()
    basket = Basket()
    await transport.subscribe(listens("a"), basket)
    await transport.publish(Message(Kind.EVENT, "a", b"x", {"tenant": "t"}, "id-x", key="k"))
    await basket.take().dead_letter({"wl-dead-reason": "failed"})
    letter = await anext(transport.dead_letters.read("g.handler"))
    assert (letter.body, letter.headers, letter.key) == (b"x", {"tenant": "t"}, "k")
    assert letter.facts == {"wl-dead-reason": "failed"}
    await transport.dead_letters.replay(letter)
    again = basket.take()
    assert (again.message.id, again.attempt, again.replayed) == ("id-x", 1, True)
    assert await bodies_of_letters(rig) == []


async def test_a_dead_letter_that_cannot_be_written_settles_nothing() -> None:
    rig = Rig()
    transport = await rig.transport()
    basket = Basket()
    await transport.subscribe(listens("a"), basket)
    await publish(transport, b"1")
    rig.broker.fail_dead_letters(PublishError("planted"))
    delivery = basket.take()
    with pytest.raises(PublishError, match="planted"):
        await delivery.dead_letter({})
    assert rig.broker.queue("g.handler").unsettled == 1
    rig.broker.fail_dead_letters(None)
    await delivery.dead_letter({})
    assert rig.broker.queue("g.handler").unsettled == 0
    assert await bodies_of_letters(rig) == [b"1"]


async def test_an_id_is_taken_once_for_each_address_within_the_window() -> None:
    clock = ManualClock()
    rig = Rig(clock)
    transport = await rig.transport()
    receipts = [await transport.publish(event(to, id="x")) for to in ("a", "a", "b")]
    assert [receipt.duplicate for receipt in receipts] == [False, True, False]
    await clock.advance(121)
    assert (await transport.publish(event("a", id="x"))).duplicate is False


@pytest.mark.parametrize(
    ("start_from", "expected"),
    [
        ("new", []),
        ("first", [b"0", b"1", b"2"]),
        ("last", [b"2"]),
        (2, [b"1", b"2"]),
        (datetime.fromtimestamp(1_700_000_015, UTC), [b"2"]),
    ],
)
async def test_a_new_group_starts_where_it_asks_to(
    start_from: str | int | datetime, expected: list[bytes]
) -> None:
    clock = ManualClock(epoch=1_700_000_000)
    rig = Rig(clock)
    transport = await rig.transport()
    for number in range(3):
        await publish(transport, b"%d" % number)
        await clock.advance(10)
    basket = Basket()
    await transport.subscribe(listens("a", start_from=start_from), basket)
    assert basket.bodies == expected
    assert all(delivery.replayed for delivery in basket.arrived)


async def test_wildcards_match_tokens() -> None:
    rig = Rig()
    transport = await rig.transport()
    one, many, named = Basket(), Basket(), Basket()
    await transport.subscribe(listens("user.*", "one"), one)
    await transport.subscribe(listens("user.>", "many"), many)
    await transport.subscribe(listens("user.{id}.b", "named"), named)
    for address in ("user.a", "user.a.b", "user", "other.a"):
        await publish(transport, address.encode(), to=address)
    assert one.bodies == [b"user.a"]
    assert many.bodies == [b"user.a", b"user.a.b"]
    assert named.bodies == [b"user.a.b"]


async def test_a_delayed_event_waits_for_the_clock_and_uses_up_no_run() -> None:
    clock = ManualClock()
    rig = Rig(clock)
    transport = await rig.transport()
    basket = Basket()
    await transport.subscribe(listens("a"), basket)
    await transport.publish(event("a", delay=30))
    await clock.advance(29)
    assert basket.arrived == []
    await clock.advance(1)
    assert basket.take().attempt == 1


async def test_an_ordered_queue_has_one_owner_until_that_has_nothing_in_hand() -> None:
    rig = Rig()
    first, second = await rig.transport("a"), await rig.transport("b")
    one, two = Basket(capacity=1), Basket()
    subscriber = await first.subscribe(listens("a", ordered=True), one)
    await second.subscribe(listens("a", ordered=True), two)
    await publish(first, b"1", b"2")
    await subscriber.stop()
    assert (one.bodies, two.bodies) == ([b"1"], [])
    await one.take().ack()
    assert two.bodies == [b"2"]


async def test_shards_spread_keys_over_instances_and_keep_each_key_together() -> None:
    rig = Rig()
    baskets = [Basket() for _ in range(4)]
    transports = [await rig.transport(name) for name in "abcd"]
    for transport, basket in zip(transports, baskets, strict=True):
        await transport.subscribe(listens("a", ordered=True, shards=4), basket)
    for number in range(200):
        await transports[0].publish(event("a", b"%d" % number, key=f"key-{number % 20}"))
    owners = [{delivery.message.key for delivery in basket.arrived} for basket in baskets]
    assert all(owners)
    assert sum(len(keys) for keys in owners) == 20


async def test_shards_that_differ_from_those_in_use_are_refused() -> None:
    rig = Rig()
    first, second = await rig.transport("a"), await rig.transport("b")
    await first.subscribe(listens("a", ordered=True, shards=4), Basket())
    with pytest.raises(ConfigurationError, match="shards=4, not 2"):
        await second.subscribe(listens("a", ordered=True, shards=2), Basket())


async def test_a_dropped_connection_gives_what_is_unsettled_to_others_and_comes_back() -> None:
    rig = Rig()
    transport = await rig.transport()
    basket = Basket()
    await transport.subscribe(listens("a"), basket)
    await publish(transport, b"1")
    rig.broker.drop_connections()
    with pytest.raises(ConnectionLostError):
        await basket.take().ack()
    with pytest.raises(ConnectionLostError):
        await publish(transport, b"2")
    await idle()
    again = basket.take()
    assert (again.message.body, again.attempt, again.deliveries) == (b"1", 1, 2)
    states = [status for _, status in rig.statuses]
    assert states == [Status.CONNECTED, Status.RECONNECTING, Status.CONNECTED]


async def test_a_planted_publish_error_is_raised_once() -> None:
    rig = Rig()
    transport = await rig.transport()
    rig.broker.fail_next_publish(PublishError("planted"))
    with pytest.raises(PublishError, match="planted"):
        await publish(transport, b"1")
    await publish(transport, b"2")


async def test_a_frozen_broker_answers_nobody_until_it_is_thawed() -> None:
    clock = ManualClock()
    rig = Rig(clock)
    transport = await rig.transport()
    basket = Basket(capacity=1)
    await transport.subscribe(listens("a"), basket)
    await publish(transport, b"1", b"2")
    rig.broker.freeze()
    async with _running(basket.take().ack()) as ack:
        await idle()
        assert not ack.done()
        rig.broker.thaw()
        await ack
    assert basket.bodies == [b"2"]
    rig.broker.freeze()
    async with _running(transport.probe()) as probe:
        await clock.advance(10)
        with pytest.raises(PublishError, match="does not answer"):
            await probe


async def test_limits_of_number_and_age_hold_for_groups_that_are_away() -> None:
    clock = ManualClock()
    rig = Rig(clock)
    transport = await rig.transport()
    limits = Limits(age=100, messages=3)
    await transport.declare([Declaration(pattern=Pattern("a"), limits=limits)])
    await (await transport.subscribe(listens("a"), Basket())).stop()
    await publish(transport, b"1", b"2")
    await clock.advance(90)
    await publish(transport, b"3", b"4")
    await clock.advance(20)
    basket = Basket()
    await transport.subscribe(listens("a"), basket)
    assert basket.bodies == [b"3", b"4"]


async def test_a_message_over_the_declared_size_is_refused() -> None:
    rig = Rig()
    transport = await rig.transport()
    limits = Limits(message_size=3)
    await transport.declare([Declaration(pattern=Pattern("a"), limits=limits)])
    with pytest.raises(PayloadTooLargeError):
        await publish(transport, b"1234")
    await publish(transport, b"123")


async def test_a_closed_transport_leaves_what_is_unsettled_and_can_do_nothing_more() -> None:
    rig = Rig()
    transport, other = await rig.transport(), await rig.transport("b")
    basket, rest = Basket(), Basket()
    await transport.subscribe(listens("a"), basket)
    await publish(transport, b"1")
    await transport.close()
    await transport.close()
    with pytest.raises(ClosedError):
        await publish(transport, b"2")
    await other.subscribe(listens("a"), rest)
    assert rest.bodies == [b"1"]


async def test_namespaces_do_not_see_each_other() -> None:
    rig = Rig()
    one, two = await rig.transport("a"), await rig.transport("b", namespace="n")
    basket = Basket()
    await one.subscribe(listens("a"), basket)
    await publish(two, b"1")
    assert basket.arrived == []


class _running:  # noqa: N801 - used like a function
    """Run a coroutine as a task for the length of a block."""

    def __init__(self, coroutine: object) -> None:
        self._coroutine = coroutine

    async def __aenter__(self) -> object:
        self._task = asyncio.ensure_future(self._coroutine)
        return self._task

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
