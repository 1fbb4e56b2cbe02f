"""Later runs and dead letters."""

import asyncio

import pytest

from tests.transports.rabbitmq.harness import Place, event, events
from wireloom.errors import PublishError, TransportError
from wireloom.spi import DeadLetter

FACTS = {"wl-dead-reason": "failed", "wl-dead-error": "ValueError", "wl-dead-attempts": "3"}


async def letters(transport, name: str = "g.Users.welcome") -> list[DeadLetter]:
    return [letter async for letter in transport.dead_letters.read(name)]


async def test_retried_event_comes_after_the_delay_as_the_next_run(place: Place) -> None:
    clock = asyncio.get_running_loop().time
    async with place.peer() as peer:
        box = await peer.handle(events())
        other = await peer.handle(events(name="other"))
        await peer.transport.publish(event(id="u", key="k", headers={"tenant": "a"}))
        began = clock()
        await (await box.take()).retry(0.7, 2)
        delivery = await box.take()
        waited = clock() - began
        await delivery.ack()
        await (await other.take()).ack()
        await other.nothing()
    assert 0.7 <= waited < 2
    assert (delivery.attempt, delivery.deliveries) == (2, 2)
    message = delivery.message
    assert (message.address, message.id, message.key) == ("user.created", "u", "k")
    assert message.headers == {"content-type": "application/json", "tenant": "a"}


async def test_retry_without_delay_comes_at_once(place: Place) -> None:
    async with place.peer() as peer:
        box = await peer.handle(events("user.*"))
        await peer.transport.publish(event("user.left"))
        await (await box.take()).retry(0.0, 2)
        delivery = await box.take(2)
        await delivery.ack()
    assert (delivery.attempt, delivery.message.address) == (2, "user.left")


async def test_delayed_event_reaches_all_who_match_and_is_still_run_one(place: Place) -> None:
    clock = asyncio.get_running_loop().time
    async with place.peer() as peer:
        boxes = [await peer.handle(events(name=name)) for name in ("one", "two")]
        wild = await peer.handle(events("user.>", name="wild"))
        began = clock()
        receipt = await peer.transport.publish(event(id="late", delay=0.5))
        for box in (*boxes, wild):
            delivery = await box.take()
            assert clock() - began >= 0.5
            assert (delivery.attempt, delivery.message.id) == (1, "late")
            assert delivery.message.address == "user.created"
            await delivery.ack()
    assert receipt.routed is None


async def test_delayed_event_for_nobody_does_not_stay_in_the_ladder(place: Place) -> None:
    async with place.peer() as peer:
        await peer.transport.publish(event("nobody.cares", delay=0.1))
        box = await peer.handle(events("somebody.cares"))
        await peer.transport.publish(event("somebody.cares", delay=0.1))
        await (await box.take()).ack()  # through the same rung, behind it


async def test_delay_beyond_the_ladder_is_refused(place: Place) -> None:
    async with place.peer() as peer:
        with pytest.raises(PublishError, match="longest"):
            await peer.transport.publish(event(delay=10_000_000.0))


async def test_dead_letter_keeps_bytes_headers_and_facts(place: Place) -> None:
    async with place.peer() as peer:
        box = await peer.handle(events())
        await peer.transport.publish(event(body=b"\xff", id="u", headers={"tenant": "a"}))
        await (await box.take()).dead_letter(FACTS)
        (letter,) = await letters(peer.transport)
        assert [again.id for again in await letters(peer.transport)] == [letter.id]
        await box.nothing()
    assert (letter.body, letter.message_id, letter.address) == (b"\xff", "u", "user.created")
    assert letter.headers == {"content-type": "application/json", "tenant": "a"}
    assert letter.facts == FACTS


async def test_replayed_letter_runs_again_in_its_subscription_alone(place: Place) -> None:
    async with place.peer() as peer:
        box = await peer.handle(events())
        other = await peer.handle(events(name="other"))
        await peer.transport.publish(event(id="u", headers={"tenant": "a"}))
        await (await other.take()).ack()
        first = await box.take()
        await first.dead_letter(FACTS)
        async for letter in peer.transport.dead_letters.read("g.Users.welcome"):
            await peer.transport.dead_letters.replay(letter)
        delivery = await box.take()
        await delivery.ack()
        await other.nothing()
        assert await letters(peer.transport) == []
    assert (delivery.attempt, delivery.message.id) == (1, "u")
    assert delivery.message.headers == first.message.headers
    assert delivery.message.address == "user.created"


async def test_replaying_twice_is_an_error_and_removing_twice_is_none(place: Place) -> None:
    async with place.peer() as peer:
        box = await peer.handle(events())
        await peer.transport.publish_many([event(id=str(number)) for number in range(3)])
        for _ in range(3):
            await (await box.take()).dead_letter(FACTS)
        one, two, three = await letters(peer.transport)
        await peer.transport.dead_letters.remove([one, three])
        await peer.transport.dead_letters.remove([one])
        assert [left.id for left in await letters(peer.transport)] == [two.id]
        await peer.transport.dead_letters.replay(two)
        with pytest.raises(TransportError):
            await peer.transport.dead_letters.replay(two)


async def test_subscription_without_dead_letters_has_none_to_read(place: Place) -> None:
    async with place.peer() as peer:
        assert await letters(peer.transport, "never.heard.of") == []


async def test_broadcast_subscription_retries_and_keeps_its_dead_letters(place: Place) -> None:
    async with place.peer() as peer:
        box = await peer.handle(events(broadcast=True))
        await peer.transport.publish(event(id="u"))
        await (await box.take()).retry(0.1, 2)
        again = await box.take()
        assert again.attempt == 2
        await again.dead_letter(FACTS)
        assert [letter.message_id for letter in await letters(peer.transport)] == ["u"]


async def test_sharded_letter_goes_back_to_its_shard(place: Place) -> None:
    async with place.peer() as peer:
        box = await peer.handle(events(ordered=True, shards=3))
        await peer.transport.publish(event(key="k"))
        first = await box.take()
        await first.dead_letter(FACTS)
        (letter,) = await letters(peer.transport)
        await peer.transport.dead_letters.replay(letter)
        assert (await box.take()).queue == first.queue
    assert letter.key == "k"
