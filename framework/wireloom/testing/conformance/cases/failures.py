"""C7–C11, C18, C21, C28: what becomes of events that are not simply handled."""

import asyncio
from typing import Annotated, Any

import pytest

from wireloom import Context, Ctx, EventPattern, Reject, Retry, RetryLater, fixed
from wireloom.settings import DeadLettering
from wireloom.testing.conformance.base import Conformance, needs, needs_site
from wireloom.testing.conformance.cluster import TOKEN, Cluster
from wireloom.testing.conformance.record import WITHIN, Record, eventually
from wireloom.testing.conformance.spy import spy_on_settling

__all__ = ["FailureCases"]

QUICK = Retry(attempts=3, backoff=fixed(0.05), jitter=0)
DEAD_FACTS = ("reason", "error", "attempts", "first-ms", "last-ms", "source", "stack")


class Odd(BaseException):
    """What no handler should raise: no Exception, and none of asyncio's."""


class FailureCases(Conformance):
    """Failed, invalid, late and repeated events."""

    @needs("retry")
    async def test_c07_a_failed_event_is_redelivered_and_counts_its_runs(
        self, cluster: Cluster
    ) -> None:
        """Attempt 1, 2, 3, with the waits between them, and no dead letter."""
        seen = Record[tuple[int, float]]()

        @EventPattern("fails", retry=Retry(attempts=5, backoff=fixed(0.2, 0.4), jitter=0))
        async def handle(ctx: Annotated[Context, Ctx()]) -> None:
            seen.add((ctx.attempt, asyncio.get_running_loop().time()))
            if ctx.attempt < 3:
                raise ValueError("planted")

        app = await cluster.start(handle)
        await (await cluster.client()).emit("fails", 1)
        (first, at1), (second, at2), (third, at3) = await seen.reach(3)
        assert (first, second, third) == (1, 2, 3)
        assert at2 - at1 >= 0.2
        assert at3 - at2 >= 0.4
        await seen.stays(3)
        assert not await cluster.letters(app, "service.handle", 0)

    @needs("retry")
    async def test_c07_two_handlers_of_one_event_settle_apart(self, cluster: Cluster) -> None:
        """One fails and is retried; the other runs once."""
        seen = Record[str]()

        @EventPattern("twice", retry=QUICK)
        async def good(number: int) -> None:
            seen.add("good")

        @EventPattern("twice", retry=QUICK)
        async def bad(number: int, ctx: Annotated[Context, Ctx()]) -> None:
            seen.add(f"bad {ctx.attempt}")
            if ctx.attempt < 3:
                raise ValueError("planted")

        await cluster.start(good, bad)
        await (await cluster.client()).emit("twice", 1)
        await seen.reach(4)
        await seen.stays(4)
        assert sorted(seen) == ["bad 1", "bad 2", "bad 3", "good"]

    @needs("retry")
    async def test_c07_a_handler_may_say_when_it_wants_to_run_again(self, cluster: Cluster) -> None:
        """RetryLater(after)."""
        seen = Record[float]()

        @EventPattern("later", retry=Retry(attempts=2, backoff=fixed(60), jitter=0))
        async def handle() -> None:
            seen.add(asyncio.get_running_loop().time())
            if len(seen) == 1:
                raise RetryLater(0.2)

        await cluster.start(handle)
        await (await cluster.client()).emit("later")
        first, second = await seen.reach(2)
        assert 0.2 <= second - first < WITHIN

    @needs("dead_letter")
    async def test_c08_an_event_that_never_succeeds_becomes_one_dead_letter(
        self, cluster: Cluster
    ) -> None:
        """With original bytes and headers, and the facts of its failure; replay handles it."""
        seen = Record[int]()
        broken = True

        @EventPattern("never", retry=QUICK)
        async def handle(payload: dict[str, int], ctx: Annotated[Context, Ctx()]) -> None:
            seen.add(ctx.attempt)
            if broken:
                raise ValueError("planted")

        app = await cluster.start(handle)
        client = await cluster.client()
        await client.emit("never", {"n": 1}, uid="u-1", headers={"tenant": "t"})
        await seen.reach(3)
        (letter,) = await cluster.letters(app, "service.handle", 1)
        assert letter.body == b'{"n":1}'
        assert letter.headers["tenant"] == "t"
        assert letter.message_id == "u-1"
        assert letter.address == "never"
        assert all(letter.facts.get(f"wl-dead-{fact}") for fact in DEAD_FACTS), letter.facts
        assert letter.facts["wl-dead-attempts"] == "3"
        assert "ValueError" in letter.facts["wl-dead-error"]
        await seen.stays(3)
        broken = False
        await cluster.dead_letters(app).replay(letter)
        assert (await seen.reach(4))[-1] == 1
        assert not await cluster.letters(app, "service.handle", 0)

    @needs("dead_letter")
    async def test_c08_a_rejected_event_is_a_dead_letter_at_once(self, cluster: Cluster) -> None:
        """Reject uses up no further run."""
        seen = Record[int]()

        @EventPattern("rejected", retry=QUICK)
        async def handle(ctx: Annotated[Context, Ctx()]) -> None:
            seen.add(ctx.attempt)
            raise Reject("it is no good")

        app = await cluster.start(handle)
        await (await cluster.client()).emit("rejected")
        (letter,) = await cluster.letters(app, "service.handle", 1)
        assert "it is no good" in letter.facts["wl-dead-reason"]
        await seen.stays(1)

    @needs_site("publish_foreign")
    @needs("dead_letter")
    async def test_c09_what_cannot_be_read_is_a_dead_letter_and_the_next_is_handled(
        self, cluster: Cluster
    ) -> None:
        """A foreign producer's malformed bytes: no run, no retry, consumer alive."""
        seen = Record[int]()

        @EventPattern("foreign", retry=QUICK)
        async def handle(payload: dict[str, int]) -> None:
            seen.add(payload["n"])

        app = await cluster.start(handle)
        client = await cluster.client()
        await cluster.site.publish_foreign("foreign", b'{"n": \xff')
        await cluster.site.publish_foreign("foreign", b'{"n": 7}')
        await client.emit("foreign", "no object at all")
        await client.emit("foreign", {"n": 8})
        assert sorted(await seen.reach(2)) == [7, 8]
        letters = await cluster.letters(app, "service.handle", 2)
        assert {letter.body for letter in letters} == {b'{"n": \xff', b'"no object at all"'}

    @needs("dead_letter")
    async def test_c10_while_the_dead_letter_cannot_be_written_nothing_is_acknowledged(
        self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The message is still there afterwards."""
        seen = Record[int]()

        @EventPattern("unwritten", retry=Retry(attempts=1))
        async def handle(number: int) -> None:
            seen.add(number)
            raise ValueError("planted")

        app = await cluster.start(handle)
        client = await cluster.client()
        settling = spy_on_settling(monkeypatch)
        settling.fail_dead_letters = True
        await client.emit("unwritten", 1, uid="u-1")
        await seen.reach(1)
        await eventually(lambda: "u-1" in settling.dead)
        assert "u-1" not in settling.acked
        assert not await cluster.letters(app, "service.handle", 0)
        settling.fail_dead_letters = False
        if self.transport.capabilities.durable:
            await cluster.stop(app)
            again = await cluster.start(handle)
            (letter,) = await cluster.letters(again, "service.handle", 1)
            assert letter.message_id == "u-1"

    async def test_c11_nothing_is_acknowledged_before_its_handler_has_ended(
        self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """1,000 events that take random time."""
        ended: set[str] = set()
        early: list[str] = []
        acked = Record[str]()

        @EventPattern("slow", concurrency=64)
        async def handle(number: int, ctx: Annotated[Context, Ctx()]) -> None:
            for _ in range(number * 7919 % 13):
                await asyncio.sleep(0)
            ended.add(ctx.message_id)

        await cluster.start(handle)
        client = await cluster.client()
        settling = spy_on_settling(monkeypatch)

        def on_ack(delivery: Any) -> None:
            acked.add(delivery.message.id)
            if delivery.message.id not in ended:
                early.append(delivery.message.id)

        settling.on_ack = on_ack
        for start in range(0, 1000, 100):
            await client.emit_many("slow", range(start, start + 100))
        await acked.reach(1000)
        assert not early
        assert len(ended) == 1000

    @pytest.mark.parametrize(
        "error",
        [asyncio.CancelledError(), Odd(), SystemExit(3)],
        ids=lambda error: type(error).__name__,
    )
    async def test_c18_whatever_a_handler_raises_the_next_event_is_handled(
        self, cluster: Cluster, error: BaseException
    ) -> None:
        """It counts as a failure of the handler."""
        seen = Record[int]()

        @EventPattern("raises", retry=Retry(attempts=2, backoff=fixed(0.01)), concurrency=1)
        async def handle(number: int) -> None:
            seen.add(number)
            if number == 0:
                raise error

        app = await cluster.start(handle)
        client = await cluster.client()
        await client.emit("raises", 0)
        await client.emit("raises", 1)
        await seen.reach(3)
        assert sorted(seen) == [0, 0, 1]
        await cluster.letters(app, "service.handle", 1)

    async def test_c18_a_handler_that_cancels_itself_stops_nobody_else(
        self, cluster: Cluster
    ) -> None:
        """`task.cancel()` inside a handler."""
        seen = Record[int]()

        @EventPattern("cancels", retry=Retry(attempts=1), concurrency=1)
        async def handle(number: int) -> None:
            seen.add(number)
            task = asyncio.current_task()
            if number == 0 and task is not None:
                task.cancel()
                await asyncio.sleep(0)

        app = await cluster.start(handle)
        client = await cluster.client()
        for number in range(3):
            await client.emit("cancels", number)
        assert sorted(await seen.reach(3)) == [0, 1, 2]
        await cluster.letters(app, "service.handle", 1)

    @pytest.mark.parametrize("asked", [False, True])
    async def test_c21_an_event_past_its_time_is_not_handled_but_counted(
        self, cluster: Cluster, asked: bool
    ) -> None:
        """And dead-lettered if asked."""
        seen = Record[int]()
        gate = asyncio.Event()

        @EventPattern("expires", concurrency=1, dead_letter=DeadLettering(expired=asked))
        async def handle(number: int) -> None:
            seen.add(number)
            await gate.wait()

        app = await cluster.start(handle)
        client = await cluster.client()
        await client.emit("expires", 0)
        await seen.reach(1)
        await client.emit("expires", 1, ttl=0.05)
        await client.emit("expires", 2)
        # The allowance for clocks that differ is the transport's; what is past it is past all.
        await asyncio.sleep(0.1)
        gate.set()
        if asked:
            (letter,) = await cluster.letters(app, "service.handle", 1)
            assert letter.body == b"1"
        await seen.reach(2)
        assert [*await seen.stays(2)] == [0, 2]
        assert app.links[TOKEN].counters.expired == 1

    @needs("dedup")
    async def test_c28_an_id_that_comes_twice_is_handled_once(self, cluster: Cluster) -> None:
        """By address and id; natively the second receipt says so."""
        seen = Record[str]()

        @EventPattern("once")
        async def once(payload: str) -> None:
            seen.add(payload)

        @EventPattern("other")
        async def other(payload: str) -> None:
            seen.add(payload)

        await cluster.start(once, other)
        client = await cluster.client()
        first = await client.emit("once", "first", uid="x")
        await seen.reach(1)
        second = await client.emit("once", "second", uid="x")
        await client.emit("other", "third", uid="x")
        await seen.reach(2)
        assert sorted(await seen.stays(2)) == ["first", "third"]
        native = self.transport.capabilities.native_dedup
        assert (first.duplicate, second.duplicate) == ((False, True) if native else (None, None))
