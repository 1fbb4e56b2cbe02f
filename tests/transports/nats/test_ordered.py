"""Order across instances: one owner for each shard."""

import asyncio
from collections import defaultdict

from tests.transports.nats.conftest import Site, Taken, event, subscription, until
from wireloom_nats import NatsHandlerOptions


async def test_only_one_instance_gets_ordered_events_and_another_takes_over(site: Site) -> None:
    one, two = await site.connect(), await site.connect()
    first, second = Taken(), Taken()
    owner = await one.subscribe(subscription("user.created", ordered=True), first)
    for number in range(5):
        await one.publish(event("user.created", str(number).encode()))
    seen = [(await first.take()).message.body for _ in range(5)]
    standing_by = await two.subscribe(subscription("user.created", ordered=True), second)
    for number in range(5, 30):
        await one.publish(event("user.created", str(number).encode()))
    seen += [(await first.take()).message.body for _ in range(5)]
    assert second.waiting == 0
    await owner.stop()
    while first.waiting:
        await (await first.next()).give_back()
    await owner.close()
    while len(seen) < 30:
        seen.append((await second.take(within=8)).message.body)
    assert seen == [str(number).encode() for number in range(30)]
    await standing_by.close()


async def test_a_takeover_from_a_dead_owner_does_not_overtake_what_it_had(site: Site) -> None:
    one, two = await site.connect(), await site.connect()
    native = NatsHandlerOptions(ack_wait=2.0)
    first, second = Taken(), Taken()
    await one.subscribe(subscription("user.created", ordered=True, native=native), first)
    for number in range(20):
        await one.publish(event("user.created", str(number).encode()))
    await first.take()
    await until(lambda: first.waiting == 15)
    await two.subscribe(subscription("user.created", ordered=True, native=native), second)
    await one._connection.close()  # as a dead process
    seen = [(await second.take(within=15)).message.body for _ in range(19)]
    assert seen == [str(number).encode() for number in range(1, 20)]


async def test_keys_are_split_over_shards_and_keep_their_order(site: Site) -> None:
    transports = [await site.connect() for _ in range(4)]
    intakes = [Taken(capacity=200) for _ in transports]
    ordered = subscription("user.created", ordered=True, shards=4)
    await asyncio.gather(
        *(one.subscribe(ordered, taken) for one, taken in zip(transports, intakes, strict=True))
    )
    sent = [event("user.created", str(n).encode(), key=f"k{n % 16}") for n in range(200)]
    await transports[0].publish_many(sent)
    await until(lambda: sum(taken.waiting for taken in intakes) == 200, within=12)
    by_key: dict[str, list[int]] = defaultdict(list)
    where: dict[str, set[int]] = defaultdict(set)
    for number, taken in enumerate(intakes):
        while taken.waiting:
            message = (await taken.take()).message
            by_key[message.key or ""].append(int(message.body))
            where[message.key or ""].add(number)
    assert all(numbers == sorted(numbers) for numbers in by_key.values())
    assert all(len(owners) == 1 for owners in where.values())
    assert sum(map(len, by_key.values())) == 200
