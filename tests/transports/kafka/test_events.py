import asyncio
from datetime import UTC, datetime

import pytest

from tests.transports.kafka.harness import Collector, Join, event, eventually, subscription
from wireloom.pattern import Pattern
from wireloom.spi import Declaration, Limits

pytestmark = pytest.mark.timeout(60)


async def test_published_event_arrives_with_body_headers_key_and_id(
    join: Join, unique: str
) -> None:
    one = (await join()).transport
    intake = Collector()
    await one.subscribe(subscription(f"{unique}.h", f"{unique}.a"), intake)

    receipt = await one.publish(
        event(f"{unique}.a", b"\x00body", id="u1", key="ключ", headers={"tenant": "ä"})
    )
    (delivery,) = await intake.wait_for(1)

    assert receipt.acknowledged
    assert receipt.stream == f"{unique}.a"
    message = delivery.message
    assert (message.body, message.id, message.key) == (b"\x00body", "u1", "ключ")
    assert message.headers["tenant"] == "ä"
    assert message.address == f"{unique}.a"
    assert (delivery.attempt, delivery.deliveries, delivery.replayed) == (1, 1, False)
    assert 0 <= delivery.age < 10
    await delivery.ack()


async def test_settled_events_do_not_come_again_and_given_back_ones_do(
    join: Join, unique: str
) -> None:
    one = (await join()).transport
    intake = Collector()
    wanted = subscription(f"{unique}.h", f"{unique}.a")
    subscriber = await one.subscribe(wanted, intake)
    for number in range(6):
        await one.publish(event(f"{unique}.a", str(number).encode(), key="k"))
    taken = await intake.wait_for(6)
    await subscriber.stop()
    for delivery in taken:
        if delivery.message.body in (b"1", b"4"):
            await delivery.give_back()
        else:
            await delivery.ack()
    await subscriber.close()

    again = Collector()
    await one.subscribe(wanted, again)
    await again.wait_for(2)
    await again.stays_at(2)
    assert sorted(again.bodies()) == [b"1", b"4"]
    assert {delivery.attempt for delivery in again.taken} == {1}


async def test_no_more_is_taken_than_there_is_room(join: Join, unique: str) -> None:
    one = (await join()).transport
    intake = Collector(capacity=5)
    await one.subscribe(subscription(f"{unique}.h", f"{unique}.a"), intake)
    await one.publish_many([event(f"{unique}.a") for _ in range(40)])
    await intake.wait_for(5)
    await intake.stays_at(5)
    for delivery in list(intake.taken):
        await intake.settle(delivery.ack())
    await intake.wait_for(10)
    await intake.stays_at(10)


async def test_retry_comes_again_to_the_same_subscription_with_its_attempt(
    join: Join, unique: str
) -> None:
    one = (await join()).transport
    first, second = Collector(), Collector()
    await one.subscribe(subscription(f"{unique}.h1", f"{unique}.a"), first)
    await one.subscribe(subscription(f"{unique}.h2", f"{unique}.a"), second)
    await one.publish(event(f"{unique}.a", b"x", key="k", headers={"a": "b"}))
    (delivery,) = await first.wait_for(1)
    started = asyncio.get_running_loop().time()
    await delivery.retry(0.5, 2)
    again = (await first.wait_for(2))[1]
    assert asyncio.get_running_loop().time() - started >= 0.45
    assert (again.attempt, again.message.body, again.message.key) == (2, b"x", "k")
    assert again.message.address == f"{unique}.a"
    assert again.message.headers == {"a": "b"}
    await again.ack()
    await second.stays_at(1)


@pytest.mark.parametrize("delay", [0.5, 2.5])
async def test_delayed_event_arrives_when_it_is_due_as_run_one(
    join: Join, unique: str, delay: float
) -> None:
    one = (await join()).transport
    intake = Collector()
    await one.subscribe(subscription(f"{unique}.h", f"{unique}.a"), intake)
    started = asyncio.get_running_loop().time()
    await one.publish(event(f"{unique}.a", delay=delay))
    await one.publish(event(f"{unique}.a", b"now"))
    await intake.wait_for(2)
    assert delay - 0.05 <= asyncio.get_running_loop().time() - started < delay + 1.5
    assert intake.taken[0].message.body == b"now"
    assert intake.taken[1].attempt == 1


async def test_dead_letter_keeps_bytes_headers_and_facts_and_can_be_replayed(
    join: Join, unique: str
) -> None:
    one = (await join()).transport
    intake = Collector()
    name = f"{unique}.h"
    await one.subscribe(subscription(name, f"{unique}.a"), intake)
    await one.publish(event(f"{unique}.a", b"\xff bad", id="7", key="k", headers={"x": "y"}))
    (delivery,) = await intake.wait_for(1)
    await delivery.dead_letter({"wl-dead-reason": "rejected", "wl-dead-attempts": "3"})

    (letter,) = [letter async for letter in one.dead_letters.read(name)]
    assert (letter.body, letter.message_id, letter.key) == (b"\xff bad", "7", "k")
    assert letter.headers == {"x": "y"}
    assert letter.facts["wl-dead-reason"] == "rejected"
    assert letter.address == f"{unique}.a"

    await one.dead_letters.replay(letter)
    again = (await intake.wait_for(2))[1]
    assert (again.attempt, again.replayed, again.message.body) == (1, True, b"\xff bad")
    assert again.message.key == "k"
    assert [letter async for letter in one.dead_letters.read(name)] == []


async def test_new_group_starts_where_it_was_told(join: Join, unique: str) -> None:
    one = (await join()).transport
    address = f"{unique}.a"
    for number in range(3):
        await one.publish(event(address, str(number).encode(), key="k"))
    middle = datetime.now(UTC)
    await asyncio.sleep(0.01)  # the broker stamps milliseconds
    for number in range(3, 5):
        await one.publish(event(address, str(number).encode(), key="k"))

    async def bodies(name: str, start: object, count: int) -> list[bytes]:
        intake = Collector()
        await one.subscribe(subscription(f"{unique}.{name}", address, start_from=start), intake)
        await intake.wait_for(count)
        if count == 0:
            await intake.stays_at(0, 0.7)
        return intake.bodies()

    assert await bodies("first", "first", 5) == [b"0", b"1", b"2", b"3", b"4"]
    assert await bodies("new", "new", 0) == []
    assert await bodies("last", "last", 1) == [b"4"]
    assert await bodies("offset", 2, 3) == [b"2", b"3", b"4"]
    assert await bodies("time", middle, 2) == [b"3", b"4"]


async def test_replayed_tells_what_was_stored_before_the_group(join: Join, unique: str) -> None:
    one = (await join()).transport
    await one.publish(event(f"{unique}.a", b"old", key="k"))
    intake = Collector()
    await one.subscribe(subscription(f"{unique}.h", f"{unique}.a", start_from="first"), intake)
    await one.publish(event(f"{unique}.a", b"young", key="k"))
    await intake.wait_for(2)
    assert [delivery.replayed for delivery in intake.taken] == [True, False]


async def test_wildcards_match_the_documented_topics_and_no_others(join: Join, unique: str) -> None:
    one = (await join()).transport
    star, rest = Collector(acks=True), Collector(acks=True)
    await one.subscribe(subscription(f"{unique}.star", f"{unique}.*.b"), star)
    await one.subscribe(subscription(f"{unique}.rest", f"{unique}.>"), rest)
    for address in ("x.b", "x.c", "x.y.b", "x_y.b", "b"):
        await one.publish(event(f"{unique}.{address}", address.encode()))
    await star.wait_for(2)
    await rest.wait_for(5)
    assert sorted(star.bodies()) == [b"x.b", b"x_y.b"]
    assert sorted(rest.bodies()) == [b"b", b"x.b", b"x.c", b"x.y.b", b"x_y.b"]
    assert {d.message.address for d in star.taken} == {f"{unique}.x.b", f"{unique}.x_y.b"}


async def test_broadcast_reaches_every_instance_and_leaves_nothing(join: Join, unique: str) -> None:
    one, two = (await join()).transport, (await join()).transport
    await one.declare([Declaration(pattern=Pattern(f"{unique}.a"), limits=Limits())])
    await one.publish(event(f"{unique}.a", b"before"))
    first, second = Collector(), Collector()
    wanted = subscription(f"{unique}.h", f"{unique}.a", broadcast=True)
    await one.subscribe(wanted, first)
    await two.subscribe(wanted, second)
    await one.publish(event(f"{unique}.a", b"after"))
    await first.wait_for(1)
    await second.wait_for(1)
    assert first.bodies() == second.bodies() == [b"after"]
    await first.taken[0].retry(0.3, 2)
    assert (await first.wait_for(2))[1].attempt == 2


async def test_members_of_a_group_share_and_a_second_one_takes_over(
    join: Join, unique: str
) -> None:
    one, two = (await join()).transport, (await join()).transport
    first, second = Collector(1000, acks=True), Collector(1000, acks=True)
    wanted = subscription(f"{unique}.h", f"{unique}.a")
    await one.subscribe(wanted, first)
    await one.publish_many([event(f"{unique}.a", str(n).encode()) for n in range(20)])
    await first.wait_for(20)
    await two.subscribe(wanted, second)
    await one.publish_many(
        [event(f"{unique}.a", str(n).encode(), key=str(n)) for n in range(20, 100)]
    )
    await eventually(lambda: len(first.taken) + len(second.taken) >= 100, 20)
    assert second.taken
    assert sorted(map(int, first.bodies() + second.bodies())) == list(range(100))
