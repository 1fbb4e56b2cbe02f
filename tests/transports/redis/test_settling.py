"""Retry, dead letters, give-back, and what happens to deliveries of those who die."""

import asyncio

import pytest
from redis.asyncio import Redis

from tests.transports.redis.conftest import Joins
from tests.transports.redis.harness import Peer, Taken, event, eventually
from wireloom.errors import TransportError
from wireloom.spi import DeadLetter, Status
from wireloom_redis import RedisHandlerOptions

FACTS = {"wl-dead-reason": "failed", "wl-dead-attempts": "3"}


async def letters(peer: Peer, subscription: str = "service.x") -> list[DeadLetter]:
    return [letter async for letter in peer.transport.dead_letters.read(subscription)]


async def test_acknowledged_event_is_not_delivered_again(join: Joins) -> None:
    peer = await join()
    intake = await peer.handle("x")
    await peer.emit("x", b"1")
    await intake.done()
    ((_, facts),) = (await _pending(peer)).items()
    assert facts == 0


async def test_failed_event_is_delivered_again_after_its_delay(join: Joins) -> None:
    one, two = await join(), await join()
    intake = Taken()
    for peer in (one, two):
        await peer.handle("x", intake=intake)
    other = await one.handle("x", name="audit.x")
    await one.emit("x", b"1", headers={"a": "b"}, key="k", id="u")
    begin = asyncio.get_running_loop().time()
    await (await intake.next()).retry(0.3, 2)
    again = await intake.next()
    assert 0.3 <= asyncio.get_running_loop().time() - begin < 1.5
    assert (again.attempt, again.deliveries) == (2, 2)
    assert (again.message.id, again.message.key) == ("u", "k")
    assert dict(again.message.headers) == {"a": "b"}
    assert again.age >= 0.3
    await again.retry(0, 3)
    third = await intake.done()
    assert third.attempt == 3
    assert await other.bodies(1) == [b"1"]
    assert await other.nothing()


async def test_event_that_is_given_back_comes_as_the_same_run(join: Joins) -> None:
    one, two = await join(), await join()
    first = await one.handle("x")
    await one.emit("x", b"1")
    delivery = await first.next()
    second = await two.handle("x")
    first.capacity = 0
    await delivery.give_back()
    assert (await second.next()).attempt == 1


async def test_dead_letter_holds_bytes_headers_and_facts(join: Joins) -> None:
    peer = await join()
    intake = await peer.handle("x")
    await peer.emit("x", b"\xff\x00", headers={"a": "b"}, key="k", id="u")
    await (await intake.next()).dead_letter(FACTS)
    (letter,) = await letters(peer)
    assert (letter.body, letter.address, letter.message_id, letter.key) == (
        b"\xff\x00",
        "x",
        "u",
        "k",
    )
    assert (dict(letter.headers), dict(letter.facts)) == ({"a": "b"}, FACTS)
    assert await _pending(peer) == {"x": 0}


async def test_replayed_dead_letter_reaches_its_own_handler_as_run_1(join: Joins) -> None:
    peer = await join()
    intake = await peer.handle("x")
    other = await peer.handle("x", name="audit.x")
    await peer.emit("x", b"1")
    await other.done()
    await (await (await _retried(intake)).next()).dead_letter(FACTS)
    (letter,) = await letters(peer)
    await peer.transport.dead_letters.replay(letter)
    again = await intake.done()
    assert (again.attempt, again.message.body, again.replayed) == (1, b"1", True)
    assert dict(again.message.headers) == {}
    assert await letters(peer) == []
    assert await other.nothing()
    with pytest.raises(TransportError, match="gone"):
        await peer.transport.dead_letters.replay(letter)


async def test_removed_dead_letters_are_gone(join: Joins) -> None:
    peer = await join()
    intake = await peer.handle("x", intake=Taken(500))
    for number in range(250):
        await peer.emit("x", b"%d" % number)
        await (await intake.next()).dead_letter(FACTS)
    found = await letters(peer)
    assert [letter.body for letter in found] == [b"%d" % number for number in range(250)]
    await peer.transport.dead_letters.remove(found[10:])
    assert len(await letters(peer)) == 10


async def test_dead_letter_of_nobody_cannot_be_replayed(join: Joins) -> None:
    peer = await join()
    intake = await peer.handle("x", broadcast=True)
    await peer.emit("x", b"1")
    await (await intake.next()).dead_letter(FACTS)
    (letter,) = await letters(peer)
    with pytest.raises(TransportError, match="nobody reads"):
        await peer.transport.dead_letters.replay(letter)
    assert len(await letters(peer)) == 1


async def test_what_a_dead_worker_held_goes_to_another(join: Joins) -> None:
    native = RedisHandlerOptions(ack_wait=0.6)
    dying, living = await join(), await join()
    first = await dying.handle("x", native=native)
    await living.emit("x", b"1")
    await first.next()
    second = await living.handle("x", native=native)
    await _die(dying)
    delivery = await second.done()
    assert (delivery.message.body, delivery.attempt, delivery.deliveries) == (b"1", 1, 2)


async def test_live_worker_keeps_what_it_works_on(join: Joins) -> None:
    native = RedisHandlerOptions(ack_wait=0.3)
    one, two = await join(), await join()
    first = await one.handle("x", native=native)
    await one.emit("x", b"1")
    delivery = await first.next()
    second = await two.handle("x", native=native)
    assert await second.nothing(1.2)
    await delivery.ack()


async def test_run_that_is_not_kept_alive_is_delivered_again(join: Joins) -> None:
    native = RedisHandlerOptions(ack_wait=0.3, keep_alive=False)
    peer = await join()
    intake = await peer.handle("x", native=native)
    await peer.emit("x", b"1")
    await intake.next()
    assert (await intake.next()).deliveries == 2


async def test_closed_worker_leaves_what_it_did_not_settle_to_others_at_once(join: Joins) -> None:
    one, two = await join(), await join()
    intake = Taken()
    subscriber = await one.transport.subscribe(event("x"), intake)
    await one.emit("x", b"1")
    await intake.next()
    await subscriber.close()
    assert await (await two.handle("x")).bodies(1) == [b"1"]


async def test_stopped_worker_takes_nothing_more_and_can_still_settle(join: Joins) -> None:
    one, two = await join(), await join()
    intake = Taken()
    subscriber = await one.transport.subscribe(event("x"), intake)
    await one.emit("x", b"1")
    delivery = await intake.next()
    await subscriber.stop()
    await subscriber.stop()
    await one.emit("x", b"2")
    assert await intake.nothing()
    await delivery.ack()
    await subscriber.close()
    assert await (await two.handle("x")).bodies(1) == [b"2"]
    info = await two.transport._hub.session.call(
        "XINFO", "CONSUMERS", two.transport._hub.names.stream("x"), "service.x"
    )
    assert [facts[b"name"].decode() for facts in info] == [two.transport.environment.instance]


async def test_what_was_done_while_the_connection_broke_is_not_done_again(
    join: Joins, raw: Redis
) -> None:
    peer = await join()
    intake = await peer.handle("x")
    await peer.emit("x", b"1")
    await peer.emit("x", b"2")
    done, working = await intake.next(), await intake.next()
    peer.transport._hub.session.link.abort(ConnectionError("planted"))
    with pytest.raises(TransportError):
        await done.ack()
    await peer.until(Status.CONNECTED)
    assert await intake.nothing()
    await working.ack()
    await eventually_pending(peer, 0)


async def test_entry_whose_delivery_was_lost_on_the_way_is_read_again(
    join: Joins, raw: Redis, namespace: str
) -> None:
    """The server counts it as delivered to us, and we never saw it."""
    peer = await join()
    intake = await peer.handle("x", intake=Taken(0))
    await peer.emit("x", b"1")
    consumer = peer.transport.environment.instance
    await raw.xreadgroup("service.x", consumer, {f"{namespace}.x": ">"})
    peer.transport._hub.session.link.abort(ConnectionError("planted"))
    await peer.until(Status.CONNECTED)
    intake.capacity = 10
    intake.free()
    assert (await intake.done()).message.body == b"1"


async def test_settling_an_entry_that_another_settled_changes_nothing(
    join: Joins, raw: Redis, namespace: str
) -> None:
    peer = await join()
    intake = await peer.handle("x")
    await peer.emit("x", b"1")
    delivery = await intake.next()
    await raw.xack(f"{namespace}.x", "service.x", delivery.entry_id or "")
    await delivery.dead_letter(FACTS)
    assert await letters(peer) == []


async def test_no_work_goes_on_after_close(join: Joins) -> None:
    peer = await join()
    await peer.handle("x")
    await peer.transport.close()
    await eventually(lambda: not _tasks())


def _tasks() -> set[str]:
    return {
        task.get_name()
        for task in asyncio.all_tasks()
        if task.get_name().startswith("wireloom-redis")
    }


async def _retried(intake: Taken) -> Taken:
    await (await intake.next()).retry(0, 2)
    return intake


async def _die(peer: Peer) -> None:
    """End a peer as SIGKILL would: without a word to the server."""
    hub = peer.transport._hub
    await hub.tasks.stop()
    await hub.session._tasks.stop()
    hub.session.link.abort(ConnectionError("planted"))


async def _pending(peer: Peer) -> dict[str, int]:
    hub = peer.transport._hub
    summary = await hub.session.call("XPENDING", hub.names.stream("x"), "service.x")
    return {"x": summary[0]}


async def eventually_pending(peer: Peer, count: int) -> None:
    async def pending() -> bool:
        return (await _pending(peer))["x"] == count

    await eventually(pending)
