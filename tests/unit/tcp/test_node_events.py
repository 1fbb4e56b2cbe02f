"""Events between nodes: shared, copied, run again, kept."""

import asyncio

import pytest

from tests.unit.tcp.nodes import BOUND, TestNode, ack, echo, listening
from tests.unit.tcp.test_nodes import calling
from wireloom.errors import PayloadTooLargeError, PublishError, TransportError
from wireloom.pattern import Pattern
from wireloom.spi import Declaration, Kind, Limits, Message, Receipt


async def test_members_share_and_groups_get_a_copy_each() -> None:
    async with (
        TestNode("a", listening()) as a,
        TestNode("b", calling(a.address)) as b,
        TestNode("c", calling(a.address)) as c,
    ):
        one, _ = await b.serve("news", ack, kind=Kind.EVENT, name="red.h", group="red")
        two, _ = await c.serve("news", ack, kind=Kind.EVENT, name="red.h", group="red")
        own, _ = await a.serve("news", ack, kind=Kind.EVENT, name="blue.h", group="blue")
        for number in range(20):
            receipt = await a.emit("news", b"%d" % number)
            assert receipt.routed
            assert receipt.acknowledged
        assert len(one.seen) == len(two.seen) == 10
        assert len(own.seen) == 20


async def test_broadcast_and_ephemeral_reach_every_instance() -> None:
    async with TestNode("a", listening()) as a, TestNode("b", calling(a.address)) as b:
        kinds = {"broadcast": True}, {"ephemeral": True}
        intakes = [
            (await node.serve("news", ack, kind=Kind.EVENT, name=f"n{n}", group="g", **more))[0]
            for node in (a, b)
            for n, more in enumerate(kinds)
        ]
        await a.emit("news")
        for intake in intakes:
            await intake.get(1)


async def test_wildcards_take_what_they_match() -> None:
    async with TestNode("a", listening()) as a, TestNode("b", calling(a.address)) as b:
        one, _ = await b.serve("user.*", ack, kind=Kind.EVENT)
        more, _ = await b.serve("user.>", ack, kind=Kind.EVENT)
        named, _ = await b.serve("user.{id}.made", ack, kind=Kind.EVENT)
        for address in ("user.x", "user.x.made", "other"):
            await a.emit(address)
        assert [delivery.message.address for delivery in one.seen] == ["user.x"]
        assert [delivery.message.address for delivery in more.seen] == ["user.x", "user.x.made"]
        assert [delivery.message.address for delivery in named.seen] == ["user.x.made"]


async def test_a_retry_comes_later_as_the_next_run() -> None:
    async with TestNode("a", listening()) as a, TestNode("b", calling(a.address)) as b:
        intake, _ = await b.serve("news", kind=Kind.EVENT)
        await a.emit("news", b"x", headers={"h": "v"}, key="k")
        (first,) = await intake.get(1)
        await first.retry(0.05, 2)
        second = (await intake.get(2))[1]
        assert (second.attempt, second.deliveries) == (2, 2)
        assert (second.message.body, second.message.key) == (b"x", "k")
        await second.ack()
        await b.transport.probe()
        await a.transport.probe()
        assert len(a.hub.outbox) == 0


async def test_what_an_instance_gives_back_goes_to_another() -> None:
    async with (
        TestNode("a", listening()) as a,
        TestNode("b", calling(a.address)) as b,
        TestNode("c", calling(a.address)) as c,
    ):
        one, subscriber = await b.serve("news", kind=Kind.EVENT, name="h", group="g")
        await a.emit("news", b"x")
        (delivery,) = await one.get(1)
        two, _ = await c.serve("news", ack, kind=Kind.EVENT, name="h", group="g")
        await subscriber.stop()
        await delivery.give_back()
        again = (await two.get(1))[0]
        assert (again.message.body, again.attempt) == (b"x", 1)


async def test_unsettled_events_are_run_elsewhere_when_their_instance_is_lost() -> None:
    async with TestNode("a", listening()) as a:
        async with TestNode("b", calling(a.address)) as b:
            lost, _ = await b.serve("news", kind=Kind.EVENT, name="h", group="g")
            for number in range(10):
                await a.emit("news", b"%d" % number)
            await lost.get(10)
        async with TestNode("c", calling(a.address)) as c:
            intake, _ = await c.serve("news", ack, kind=Kind.EVENT, name="h", group="g")
            again = await intake.get(10)
            assert [delivery.message.body for delivery in again] == [b"%d" % n for n in range(10)]
            assert {delivery.deliveries for delivery in again} == {2}
            assert {delivery.attempt for delivery in again} == {1}


async def test_a_reconnected_instance_does_not_run_twice_what_it_still_has() -> None:
    async with TestNode("a", listening()) as a, TestNode("b", calling(a.address)) as b:
        intake, _ = await b.serve("news", kind=Kind.EVENT)
        await a.emit("news", b"x")
        (delivery,) = await intake.get(1)
        for peer in a.transport.unwrap().peers:  # type: ignore[union-attr]
            peer.link.abort()
        async with asyncio.timeout(BOUND):
            while not a.hub.outbox.resent:
                await a.transport.unwrap().wait_for_news()  # type: ignore[union-attr]
        await a.transport.probe()
        assert len(intake.seen) == 1
        await delivery.ack()
        await b.transport.probe()
        assert len(a.hub.outbox) == 0


async def test_a_delayed_event_is_not_early_and_uses_no_attempt() -> None:
    async with TestNode("a", listening()) as a, TestNode("b", calling(a.address)) as b:
        for node in (a, b):
            intake, subscriber = await node.serve("news", ack, kind=Kind.EVENT)
            began = asyncio.get_running_loop().time()
            assert (await a.emit("news", delay=0.2)).acknowledged
            assert not intake.seen
            (delivery,) = await intake.get(1)
            assert asyncio.get_running_loop().time() - began >= 0.19
            assert delivery.attempt == 1
            assert delivery.age >= 0.19
            await subscriber.stop()


async def test_dead_letters_are_kept_replayed_and_removed() -> None:
    async with TestNode("a", listening()) as a, TestNode("b", calling(a.address)) as b:
        intake, _ = await b.serve("news", kind=Kind.EVENT, name="h")
        for number in range(2):
            await a.emit("news", b"%d" % number, headers={"h": "v"}, key="k")
        for delivery in await intake.get(2):
            await delivery.dead_letter({"wl-dead-reason": "tested"})
        letters = [letter async for letter in b.transport.dead_letters.read("h")]
        assert [letter.body for letter in letters] == [b"0", b"1"]
        assert dict(letters[0].headers) == {"h": "v"}
        assert letters[0].facts == {"wl-dead-reason": "tested"}
        assert letters[0].key == "k"
        await b.transport.dead_letters.replay(letters[0])
        again = (await intake.get(3))[2]
        assert (again.attempt, again.replayed, again.message.body) == (1, True, b"0")
        await b.transport.dead_letters.remove(letters[1:])
        assert [letter async for letter in b.transport.dead_letters.read("h")] == []


async def test_dead_letters_are_bounded_and_replay_needs_the_subscription() -> None:
    async with TestNode("a", listening(max_dead_letters=2)) as a:
        intake, subscriber = await a.serve("news", kind=Kind.EVENT, name="h")
        for number in range(3):
            await a.emit("news", b"%d" % number)
        for delivery in await intake.get(3):
            await delivery.dead_letter({})
        letters = [letter async for letter in a.transport.dead_letters.read("h")]
        assert [letter.body for letter in letters] == [b"1", b"2"]
        await subscriber.stop()
        with pytest.raises(TransportError, match="not subscribed"):
            await a.transport.dead_letters.replay(letters[0])
        assert len([letter async for letter in a.transport.dead_letters.read("h")]) == 2


async def test_a_dead_letter_larger_than_all_room_is_not_settled() -> None:
    async with TestNode("a", listening(pending_bytes=1000)) as a:
        intake, _ = await a.serve("news", kind=Kind.EVENT, name="h")
        await a.emit("news", b"x" * 600)
        (delivery,) = await intake.get(1)
        delivery.message.body = b"x" * 2000
        with pytest.raises(TransportError):
            await delivery.dead_letter({})
        assert len(a.hub.outbox) == 1


async def test_a_full_subscription_takes_no_more_than_its_room() -> None:
    async with TestNode("a", listening(max_queued=0)) as a, TestNode("b", calling(a.address)) as b:
        intake, _ = await a.serve("news", kind=Kind.EVENT, capacity=3)
        emitting = [asyncio.create_task(b.emit("news", b"%d" % n)) for n in range(10)]
        await intake.get(3)
        await b.transport.probe()
        assert len(intake.seen) == 3
        for count in range(3, 10):
            delivery = intake.seen[count - 3]
            await delivery.ack()
            intake.finish(delivery)
            await intake.get(count + 1)
        await asyncio.gather(*emitting)
        assert [delivery.message.body for delivery in intake.seen] == [b"%d" % n for n in range(10)]


async def test_requests_wait_for_room_too_and_their_age_tells() -> None:
    async with TestNode("a", listening()) as a, TestNode("b", calling(a.address)) as b:
        intake, _ = await a.serve("work", capacity=1)
        first, second = await b.send("work", b"1"), await b.send("work", b"2")
        (delivery,) = await intake.get(1)
        await b.transport.probe()
        assert len(intake.seen) == 1
        await echo(delivery)
        intake.finish(delivery)
        waited = (await intake.get(2))[1]
        assert waited.age > 0
        await echo(waited)
        async with asyncio.timeout(BOUND):
            assert [(await queue.get()).body for queue in (first, second)] == [b"1", b"2"]


async def test_ordered_events_of_one_key_go_to_one_member() -> None:
    async with (
        TestNode("a", listening()) as a,
        TestNode("b", calling(a.address)) as b,
        TestNode("c", calling(a.address)) as c,
    ):
        more = {"kind": Kind.EVENT, "name": "h", "group": "g", "ordered": True, "shards": 8}
        intakes = [(await node.serve("news", ack, **more))[0] for node in (b, c)]
        for number in range(10):
            for key in "abcdefgh":
                await a.emit("news", b"%d" % number, key=key)
        seen = [
            {
                key: [one.message.body for one in intake.seen if one.message.key == key]
                for key in "abcdefgh"
            }
            for intake in intakes
        ]
        for key in "abcdefgh":
            assert sorted([len(each[key]) for each in seen]) == [0, 10]
            assert [*seen[0][key], *seen[1][key]] == [b"%d" % n for n in range(10)]
        assert all(intake.seen for intake in intakes)


async def test_many_events_are_published_at_once_in_order() -> None:
    async with (
        TestNode("a", listening(max_in_flight=10)) as a,
        TestNode("b", calling(a.address)) as b,
    ):
        intake, _ = await a.serve("news", ack, kind=Kind.EVENT)
        messages = [Message(Kind.EVENT, "news", b"%d" % n, {}, f"e{n}") for n in range(500)]
        outcomes = await b.transport.publish_many(messages)
        assert all(isinstance(outcome, Receipt) and outcome.acknowledged for outcome in outcomes)
        assert [int(one.message.body) for one in intake.seen] == list(range(500))


async def test_one_failure_of_many_is_its_own() -> None:
    async with (
        TestNode("a", listening(max_payload=10)) as a,
        TestNode("b", calling(a.address)) as b,
    ):
        await a.serve("news", ack, kind=Kind.EVENT)
        bodies = b"x", b"x" * 11, b"y"
        messages = [Message(Kind.EVENT, "news", body, {}, f"e{n}") for n, body in enumerate(bodies)]
        outcomes = await b.transport.publish_many(messages)
        assert [type(outcome) for outcome in outcomes] == [Receipt, PayloadTooLargeError, Receipt]
        assert len(b.hub.outbox) == 0


async def test_a_publisher_that_gives_up_takes_its_event_back() -> None:
    options = listening(max_in_flight=1, max_queued=0)
    async with TestNode("a", options) as a, TestNode("b", calling(a.address)) as b:
        intake, _ = await a.serve("news", kind=Kind.EVENT, capacity=1)
        emitting = [asyncio.create_task(b.emit("news", b"%d" % n)) for n in range(4)]
        await intake.get(1)
        await b.transport.probe()
        emitting[2].cancel()
        await asyncio.wait([emitting[2]])
        for count in (1, 2):
            delivery = intake.seen[count - 1]
            await delivery.ack()
            intake.finish(delivery)
            await intake.get(count + 1)
        await asyncio.gather(*emitting, return_exceptions=True)
        assert [one.message.body for one in intake.seen] == [b"0", b"1", b"3"]


async def test_closing_fails_what_nobody_accepted() -> None:
    async with TestNode("a", listening(max_queued=0)) as a:
        options = calling(a.address, drain_timeout=0.1)
        async with TestNode("b", options) as b:
            await a.serve("news", kind=Kind.EVENT, capacity=1)
            await b.emit("news")
            waiting = asyncio.create_task(b.emit("news"))
            await b.transport.probe()
        with pytest.raises(PublishError, match="closed before"):
            await waiting


async def test_an_event_nobody_accepts_fails_in_time() -> None:
    a = TestNode("a", listening(max_queued=0))
    async with a, TestNode("b", calling(a.address, accept_timeout=0.2)) as b:
        await a.serve("news", kind=Kind.EVENT, capacity=1)
        await b.emit("news")
        with pytest.raises(PublishError, match="in time"):
            await b.emit("news")
        assert len(b.hub.outbox) == 1


async def test_a_declared_size_is_kept_to() -> None:
    async with TestNode("a", listening()) as a:
        await a.serve("news", ack, kind=Kind.EVENT)
        limits = Limits(message_size=10)
        await a.transport.declare([Declaration(pattern=Pattern("news"), limits=limits)])
        await a.emit("news", b"x" * 10)
        with pytest.raises(PayloadTooLargeError):
            await a.emit("news", b"x" * 11)


async def test_what_was_settled_while_the_connection_was_lost_is_not_run_again() -> None:
    async with TestNode("a", listening()) as a, TestNode("b", calling(a.address)) as b:
        intake, _ = await b.serve("news", kind=Kind.EVENT)
        await a.emit("news", b"x")
        (delivery,) = await intake.get(1)
        for peer in b.transport.unwrap().peers:  # type: ignore[union-attr]
            peer.link.abort()
        await delivery.ack()
        async with asyncio.timeout(BOUND):
            await a.transport.unwrap().wait_for_news()  # type: ignore[union-attr]
            while len(a.hub.outbox):
                await a.transport.probe()
        assert len(intake.seen) == 1
