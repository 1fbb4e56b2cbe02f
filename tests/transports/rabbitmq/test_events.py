"""Events: topic exchange, a queue for each subscription, confirms."""

import pytest

from tests.transports.rabbitmq.harness import Place, event, events
from wireloom.errors import PayloadTooLargeError, PublishError
from wireloom.pattern import Pattern
from wireloom.spi import Declaration, Limits


async def test_event_arrives_as_it_was_published(place: Place) -> None:
    async with place.peer() as peer:
        box = await peer.handle(events())
        sent = event(body=b"\x00\xff", headers={"tenant": "größe"}, id="u-1", key="k")
        receipt = await peer.transport.publish(sent)
        delivery = await box.take()
        await delivery.ack()
    assert (receipt.id, receipt.routed, receipt.acknowledged) == ("u-1", True, True)
    message = delivery.message
    assert (message.body, message.id, message.key) == (b"\x00\xff", "u-1", "k")
    assert message.headers == {"content-type": "application/json", "tenant": "größe"}
    assert message.address == "user.created"
    assert (delivery.attempt, delivery.deliveries) == (1, 1)


async def test_event_that_nobody_handles_is_stored_nowhere_and_no_error(place: Place) -> None:
    async with place.peer() as peer:
        receipt = await peer.transport.publish(event("nobody.cares"))
    assert receipt.routed is False
    assert receipt.acknowledged


async def test_event_waits_for_a_group_that_is_away(place: Place) -> None:
    async with place.peer() as peer:
        await peer.handle(events())
    async with place.peer("emitter") as emitter:
        await emitter.transport.publish(event(id="while away"))
    async with place.peer() as peer:
        delivery = await (await peer.handle(events())).take()
        await delivery.ack()
    assert delivery.message.id == "while away"


async def test_unsettled_event_comes_again_after_its_consumer_died(place: Place) -> None:
    async with place.peer() as first:
        box = await first.handle(events())
        await first.transport.publish(event(id="again"))
        await box.take()
    async with place.peer() as second:
        delivery = await (await second.handle(events())).take()
        await delivery.ack()
    assert delivery.message.id == "again"
    assert (delivery.attempt, delivery.deliveries) == (1, 2)


async def test_two_names_get_a_copy_each_and_members_of_one_compete(place: Place) -> None:
    async with place.peer() as one, place.peer() as two:
        boxes = [await one.handle(events(), 1), await two.handle(events(), 1)]
        other = await one.handle(events(name="other.Users.welcome"))
        for number in range(2):
            await one.transport.publish(event(id=str(number)))
        taken = {(await box.take()).message.id for box in boxes}
        copies = {(await other.take()).message.id for _ in range(2)}
    assert taken == copies == {"0", "1"}


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("user.*", "user.created", "user.a.b"),
        ("user.>", "user.a.b", "user"),
        ("user.{id}.left", "user.7.left", "user.left"),
        ("a#b.*", "a#b.c", "axb.c"),
    ],
)
async def test_wildcards_match_what_they_say(
    place: Place, pattern: str, matching: str, other: str
) -> None:
    async with place.peer() as peer:
        box = await peer.handle(events(pattern))
        assert (await peer.transport.publish(event(other))).routed is False
        assert (await peer.transport.publish(event(matching))).routed is True
        assert (await box.take()).message.address == matching


async def test_every_instance_gets_a_broadcast_and_nothing_stays(place: Place) -> None:
    async with place.peer() as one, place.peer() as two:
        boxes = [await peer.handle(events(broadcast=True)) for peer in (one, two)]
        await one.transport.publish(event(id="to all"))
        assert {(await box.take()).message.id for box in boxes} == {"to all"}
    async with place.peer() as emitter:
        assert (await emitter.transport.publish(event())).routed is False


async def test_prefetch_is_what_the_intake_takes(place: Place) -> None:
    async with place.peer() as peer:
        box = await peer.handle(events(), 2)
        await peer.transport.publish_many([event(id=str(number)) for number in range(5)])
        first = await box.take()
        await box.take()
        await box.nothing()
        await first.ack()
        assert (await box.take()).message.id == "2"


async def test_stopped_subscriber_takes_nothing_more_and_can_still_settle(place: Place) -> None:
    async with place.peer() as peer:
        box = await peer.handle(events())
        await peer.transport.publish(event(id="taken"))
        delivery = await box.take()
        subscriber = peer.transport._consumers[0]
        await subscriber.stop()
        await subscriber.stop()
        await peer.transport.publish(event(id="later"))
        await box.nothing()
        await delivery.ack()
    async with place.peer() as peer:
        assert (await (await peer.handle(events())).take()).message.id == "later"


async def test_given_back_event_comes_again_as_the_same_run(place: Place) -> None:
    async with place.peer() as peer:
        box = await peer.handle(events())
        await peer.transport.publish(event())
        await (await box.take()).give_back()
        again = await box.take()
        await again.ack()
    assert (again.attempt, again.deliveries) == (1, 2)


async def test_many_are_published_in_order_with_a_receipt_each(place: Place) -> None:
    async with place.peer() as peer:
        box = await peer.handle(events(), 100)
        batch = [event(id=str(number)) for number in range(100)]
        receipts = await peer.transport.publish_many(batch)
        ids = [(await box.take()).message.id for _ in batch]
    assert [getattr(receipt, "id", None) for receipt in receipts] == ids
    assert ids == [str(number) for number in range(100)]


async def test_body_of_a_million_bytes_passes(place: Place) -> None:
    body = bytes(range(250)) * 4000
    async with place.peer() as peer:
        box = await peer.handle(events())
        await peer.transport.publish(event(body=body))
        assert (await box.take()).message.body == body


async def test_full_queue_refuses_the_event(place: Place) -> None:
    async with place.peer() as peer:
        await peer.handle(events(limits=Limits(messages=1)), 1)
        with pytest.raises(PublishError, match="full"):  # noqa: PT012 - it takes several
            for _ in range(50):  # a quorum queue tells its publishers only after some
                await peer.transport.publish(event())


async def test_message_over_the_declared_size_is_refused(place: Place) -> None:
    async with place.peer() as peer:
        await peer.transport.declare(
            [Declaration(pattern=Pattern("user.created"), limits=Limits(message_size=10))]
        )
        with pytest.raises(PayloadTooLargeError):
            await peer.transport.publish(event(body=b"x" * 11))


async def test_old_event_leaves_the_queue_and_arrives_as_expired(place: Place) -> None:
    subscription = events(limits=Limits(age=0.2))
    async with place.peer() as peer:
        box = await peer.handle(subscription, 1)
        await peer.transport.publish_many([event(id="first"), event(id="too old")])
        await box.take()
        expired = await box.take()
        await expired.ack()
    assert (expired.message.id, expired.message.address) == ("too old", "user.created")
    assert expired.message.headers["wl-deadline-ms"] == "0"


async def test_event_past_its_own_time_arrives_as_expired(place: Place) -> None:
    async with place.peer() as peer:
        box = await peer.handle(events("user.*"), 1)
        await peer.transport.publish(event(id="blocks"))
        first = await box.take()
        headers = {"wl-deadline-ms": "100"}
        await peer.transport.publish(event("user.late", id="late", headers=headers, key="k"))
        expired = await box.take()
        assert (expired.message.id, expired.message.address) == ("late", "user.late")
        assert expired.age >= 0.1
        await expired.dead_letter({"wl-dead-reason": "expired"})
        await first.ack()
        (letter,) = [x async for x in peer.transport.dead_letters.read("g.Users.welcome")]
        await peer.transport.dead_letters.replay(letter)
        again = await box.take()
    assert (again.message.id, again.queue) == ("late", f"{place.namespace}.g.Users.welcome")


async def test_event_delivered_too_often_is_handed_over_as_poison(place: Place) -> None:
    async with place.peer(delivery_limit=16) as peer:
        box = await peer.handle(events())
        await peer.transport.publish(event(id="poison"))
        for _ in range(17):
            await (await box.take()).give_back()
        poison = await box.take()
        await poison.ack()
    assert (poison.message.id, poison.attempt) == ("poison", 1)
    assert poison.deliveries > 16


async def test_key_travels_and_ordered_queue_has_one_active_consumer(place: Place) -> None:
    async with place.peer() as one, place.peer() as two:
        boxes = [await peer.handle(events(ordered=True)) for peer in (one, two)]
        for number in range(6):
            await one.transport.publish(event(id=str(number), key="k"))
        owner = boxes[0]
        assert [(await owner.take()).message.id for _ in range(6)] == list("012345")
        assert len(boxes[1]) == 0


async def test_event_that_is_not_durable_reaches_one_member_and_leaves_nothing(
    place: Place,
) -> None:
    fleeting = events(durable=False, ordered=True)
    async with place.peer() as one, place.peer() as two:
        boxes = [await peer.handle(fleeting) for peer in (one, two)]
        await one.transport.declare(
            [Declaration(pattern=fleeting.pattern, limits=Limits(), durable=False)]
        )
        for number in range(3):
            await one.transport.publish(event(id=str(number)))
        assert [(await boxes[0].take()).message.id for _ in range(3)] == list("012")
        assert len(boxes[1]) == 0
    async with place.peer() as emitter:
        assert (await emitter.transport.publish(event())).routed is False


async def test_shards_keep_a_key_together(place: Place) -> None:
    async with place.peer() as peer:
        box = await peer.handle(events(ordered=True, shards=4), 64)
        keys = [f"k{number}" for number in range(12)]
        await peer.transport.publish_many([event(key=key) for key in keys for _ in range(2)])
        await peer.transport.publish(event(id="no key"))
        taken = [await box.take() for _ in range(25)]
    queues: dict[str | None, set[str]] = {}
    for delivery in taken:
        queues.setdefault(delivery.message.key, set()).add(delivery.queue)
    assert all(len(used) == 1 for used in queues.values())
    assert len(set().union(*queues.values())) > 1
