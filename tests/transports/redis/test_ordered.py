"""Ordered subscriptions: one owner for each shard, in the order of publishing."""

import asyncio
from collections import defaultdict

import pytest

from tests.transports.redis.conftest import Joins
from tests.transports.redis.harness import Peer, Taken, event, eventually
from wireloom.errors import ConfigurationError
from wireloom.spi import Subscriber
from wireloom_redis import ordered


async def own(peer: Peer, shards: int = 1, capacity: int = 16) -> tuple[Subscriber, Taken]:
    intake = Taken(capacity)
    subscription = event("x", ordered=True, shards=shards)
    return await peer.transport.subscribe(subscription, intake), intake


async def test_one_owner_reads_all_and_others_stand_by(join: Joins) -> None:
    one, two = await join(), await join()
    _, first = await own(one)
    _, second = await own(two)
    for number in range(40):
        await two.emit("x", b"%d" % number)
    assert await first.bodies(40) == [b"%d" % number for number in range(40)]
    assert second.waiting == 0


async def test_closed_owner_is_followed_at_once_from_where_it_was(join: Joins) -> None:
    one, two = await join(), await join()
    subscriber, first = await own(one)
    _, second = await own(two)
    for number in range(6):
        await two.emit("x", b"%d" % number)
    assert await first.bodies(2) == [b"0", b"1"]
    unstarted = [await first.next() for _ in range(4)]
    await subscriber.stop()
    for delivery in unstarted:
        await delivery.give_back()
    await subscriber.close()
    assert await second.bodies(4) == [b"2", b"3", b"4", b"5"]


@pytest.mark.timeout(40)
async def test_dead_owner_is_followed_once_its_lease_is_over(
    join: Joins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ordered, "LEASE_LASTS", 1.0)
    monkeypatch.setattr(ordered, "_ROUND", 0.2)
    one, two = await join(), await join()
    _, first = await own(one)
    _, second = await own(two)
    await two.emit("x", b"0")
    await two.emit("x", b"1")
    await first.next()
    hub = one.transport._hub
    await hub.tasks.stop()
    await hub.session._tasks.stop()
    hub.session.link.abort(ConnectionError("planted"))
    assert await second.bodies(2, 10) == [b"0", b"1"]


@pytest.mark.timeout(40)
async def test_owner_that_is_cut_off_knows_that_it_owns_no_more(
    join: Joins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ordered, "LEASE_LASTS", 0.6)
    monkeypatch.setattr(ordered, "_ROUND", 0.1)
    one = await join()
    _, first = await own(one)
    await one.emit("x", b"0")
    delivery = await first.next()
    assert not delivery.lost
    hub = one.transport._hub
    await hub.session._tasks.stop()  # it does not come back
    hub.session.link.abort(ConnectionError("planted"))
    await eventually(lambda: delivery.lost)
    await delivery.give_back()


@pytest.mark.timeout(40)
async def test_keys_keep_their_order_over_shards_that_are_shared_out(
    join: Joins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ordered, "_ROUND", 0.1)
    peers = [await join() for _ in range(4)]
    intakes = [(await own(peer, 4, 1000))[1] for peer in peers]
    seen: dict[str, list[int]] = defaultdict(list)
    served: dict[int, int] = defaultdict(int)
    total = 400

    async def work(number: int, intake: Taken) -> None:
        while True:
            delivery = await intake.next(30)
            message = delivery.message
            seen[message.key or ""].append(int(message.body))
            served[number] += 1
            await delivery.ack()
            intake.free()

    tasks = [asyncio.create_task(work(*pair)) for pair in enumerate(intakes)]
    for number in range(total):
        await peers[0].emit("x", b"%d" % number, key=f"k{number % 16}")
        if number == total // 2:
            await asyncio.sleep(0.6)  # shards are shared out by then
    await eventually(lambda: sum(map(len, seen.values())) == total, 20)
    for task in tasks:
        task.cancel()
    assert all(numbers == sorted(numbers) for numbers in seen.values())
    assert len(seen) == 16
    assert len(served) == 4


async def test_retried_event_of_a_shard_comes_again(join: Joins) -> None:
    peer = await join()
    _, intake = await own(peer, 2)
    await peer.emit("x", b"1", key="k", headers={"a": "b"})
    await (await intake.next()).retry(0, 2)
    again = await intake.next()
    assert (again.attempt, again.message.key, dict(again.message.headers)) == (2, "k", {"a": "b"})
    await again.dead_letter({"wl-dead-reason": "failed"})
    (letter,) = [letter async for letter in peer.transport.dead_letters.read("service.x")]
    await peer.transport.dead_letters.replay(letter)
    assert (await intake.done()).attempt == 1


async def test_other_number_of_shards_waits_until_the_old_ones_are_empty(join: Joins) -> None:
    one, two = await join(), await join()
    subscriber, intake = await own(one, 4)
    await one.emit("x", b"1", key="k")
    delivery = await intake.next()
    with pytest.raises(ConfigurationError, match="shards=2"):
        await own(two, 2)
    await delivery.ack()
    await subscriber.close()
    await own(two, 2)
