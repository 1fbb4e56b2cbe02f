"""Groups that begin in the past, with events kept in a stream."""

import asyncio
from datetime import UTC, datetime

import pytest

from tests.transports.rabbitmq.harness import Box, Place, event, events
from wireloom.errors import UnsupportedOptionError
from wireloom.spi import StartFrom

STREAM = {"streams": ["user.>"]}


async def ids(box: Box, count: int) -> list[str]:
    taken = [await box.take() for _ in range(count)]
    for delivery in taken:
        await delivery.ack()
    return [delivery.message.id for delivery in taken]


@pytest.mark.parametrize(
    ("start_from", "expected"),
    [("first", "012345"), (3, "345"), ("last", "5"), ("new", "")],
)
async def test_new_group_begins_where_it_asks_to(
    place: Place, start_from: StartFrom, expected: str
) -> None:
    async with place.peer(**STREAM) as peer:
        for number in range(6):
            await peer.transport.publish(event(id=str(number), key="k"))
        box = await peer.handle(events(start_from=start_from))
        await peer.transport.publish(event(id="6"))
        assert await ids(box, len(expected) + 1) == [*expected, "6"]
        await box.nothing(0.2)


async def test_group_begins_at_a_time(place: Place) -> None:
    async with place.peer(**STREAM) as peer:
        await peer.transport.publish(event(id="before"))
        await asyncio.sleep(0.02)
        moment = datetime.now(UTC)
        await peer.transport.publish(event(id="after"))
        box = await peer.handle(events(start_from=moment))
        assert await ids(box, 1) == ["after"]


async def test_many_groups_copy_one_after_another(place: Place) -> None:
    async with place.peer(**STREAM) as peer:
        await peer.transport.publish(event("user.left", id="other"))
        await peer.transport.publish(event(id="0", headers={"tenant": "a"}))
        for start_from in ("first", "last", "last"):
            name = f"g{len(peer.transport._consumers)}"
            box = await peer.handle(events(name=name, start_from=start_from))
            delivery = await box.take()
            assert (delivery.message.id, delivery.replayed) == ("0", True)
            assert delivery.message.headers["tenant"] == "a"
            await delivery.ack()
            await box.nothing(0.1)


async def test_existing_group_goes_on(place: Place) -> None:
    async with place.peer(**STREAM) as peer:
        await peer.transport.publish(event(id="0"))
        assert await ids(await peer.handle(events(start_from="first")), 1) == ["0"]
    async with place.peer(**STREAM) as peer:
        box = await peer.handle(events(start_from="first"))
        await peer.transport.publish(event(id="1"))
        assert await ids(box, 1) == ["1"]


async def test_two_instances_copy_once(place: Place) -> None:
    async with place.peer(**STREAM) as one, place.peer(**STREAM) as two:
        await one.transport.publish_many([event(id=str(number)) for number in range(500)])
        boxes = [Box(1000), Box(1000)]
        async with asyncio.TaskGroup() as group:
            for peer, box in zip((one, two), boxes, strict=True):
                group.create_task(peer.transport.subscribe(events(start_from="first"), box))
        async with asyncio.timeout(10):
            while sum(map(len, boxes)) < 500:  # noqa: ASYNC110 - two boxes, either gets them
                await asyncio.sleep(0.01)
        ids_seen = [(await box.take()).message.id for box in boxes for _ in range(len(box))]
        assert sorted(ids_seen, key=int) == [str(number) for number in range(500)]


async def test_copy_that_was_broken_off_is_begun_anew(place: Place) -> None:
    async with place.peer(**STREAM) as peer:
        await peer.transport.publish(event(id="0"))
        session = await peer.transport._session()
        subscription = events(start_from="first")
        placement = peer.transport._layout.place(subscription, "x")
        await session.topology.declare(
            [peer.transport._layout.unfinished(placement.queues[0]), *placement.items]
        )
        box = await peer.handle(subscription)
        assert await ids(box, 1) == ["0"]
        await box.nothing(0.1)


async def test_shards_get_their_part_of_the_past(place: Place) -> None:
    async with place.peer(**STREAM) as peer:
        keys = [f"k{number}" for number in range(8)]
        await peer.transport.publish_many([event(id=key, key=key) for key in keys])
        box = await peer.handle(events(start_from="first", ordered=True, shards=3), 32)
        taken = [await box.take() for _ in keys]
    assert {delivery.message.id for delivery in taken} == set(keys)
    assert len({delivery.queue for delivery in taken}) > 1


async def test_history_that_no_stream_keeps_is_refused(place: Place) -> None:
    async with place.peer(streams=["user.*"]) as peer:
        with pytest.raises(UnsupportedOptionError, match="start_from"):
            peer.transport.check(events("user.>", start_from="first"))
        peer.transport.check(events("user.{id}", start_from="first"))
