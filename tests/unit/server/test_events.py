"""How events end: acknowledged, run again, dead-lettered, or counted as dropped."""

import asyncio
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from tests.unit.apps import TOKEN, Seen, dead_letters, memory, running, started, until
from wireloom import (
    ClientProxy,
    Context,
    Ctx,
    DeadLettering,
    Event,
    EventPattern,
    Inject,
    MessagePattern,
    PublishError,
    Reject,
    Retry,
    RetryLater,
    RpcError,
    fixed,
)
from wireloom.spi import Kind, Message
from wireloom.testing import ManualClock, idle
from wireloom_memory import MemoryBroker


class Reserved(BaseModel):
    order: int


AT_ONCE = Retry(3, backoff=fixed(0))


class TestRetry:
    async def test_failed_handler_is_run_again_with_its_attempt_after_its_backoff(self) -> None:
        clock, runs = ManualClock(), Seen()

        @EventPattern("e", retry=Retry(3, backoff=fixed(0.2, 0.4), jitter=0))
        async def handler(ctx: Annotated[Context, Ctx()]) -> None:
            runs.add((ctx.attempt, round(clock.monotonic(), 3)))
            if ctx.attempt < 3:
                raise ValueError

        async with started(handler, clock=clock) as app:
            await app.client(TOKEN).emit("e")
            await clock.advance(2)
            assert runs == [(1, 0.0), (2, 0.2), (3, 0.6)]
            assert app.links[TOKEN].counters.retried == 2
            assert await dead_letters(app, "svc.handler") == []

    async def test_used_up_attempts_are_a_dead_letter_with_original_bytes_and_facts(self) -> None:
        runs = Seen()

        @EventPattern("e", retry=AT_ONCE)
        async def handler(ctx: Context) -> None:
            runs.add(ctx.attempt)
            raise LookupError("s3cret")

        async with started(handler) as app:
            await app.client(TOKEN).emit("e", {"a": 1}, uid="u", headers={"tenant": "x"}, key="k")
            await until(lambda: app.links[TOKEN].counters.dead_lettered == 1)
            (letter,) = await dead_letters(app, "svc.handler")
        assert runs == [1, 2, 3]
        assert (letter.body, letter.headers["tenant"], letter.message_id, letter.key) == (
            b'{"a":1}',
            "x",
            "u",
            "k",
        )
        facts = letter.facts
        assert (facts["wl-dead-error"], facts["wl-dead-reason"]) == ("LookupError", "LookupError")
        assert (facts["wl-dead-attempts"], facts["wl-dead-source"]) == ("3", "e")
        assert int(facts["wl-dead-first-ms"]) <= int(facts["wl-dead-last-ms"])
        assert len(facts["wl-dead-stack"]) == 16
        assert "s3cret" not in repr(facts)

    @pytest.mark.parametrize(
        ("error", "runs"),
        [
            (ValueError(), 3),
            (RpcError("x"), 3),
            (RetryLater(0), 3),
            (SystemExit(), 3),
            (asyncio.CancelledError(), 3),
            (Reject("bad"), 1),
            (KeyError(), 1),
            (RpcError("x", "PERMISSION_DENIED"), 1),
        ],
    )
    async def test_error_decides_whether_it_is_run_again(
        self, error: BaseException, runs: int
    ) -> None:
        seen = Seen()

        @EventPattern("e", retry=Retry(3, backoff=fixed(0), never=(KeyError,)), concurrency=1)
        async def handler(number: int) -> None:
            seen.add(number)
            if number == 0:
                raise error

        async with started(handler) as app:
            await app.client(TOKEN).emit("e", 0)
            await app.client(TOKEN).emit("e", 1)
            await until(lambda: app.links[TOKEN].counters.dead_lettered == 1)
            await until(lambda: 1 in seen)
        assert seen.count(0) == runs

    async def test_retry_later_says_when_itself(self) -> None:
        clock, runs = ManualClock(), Seen()

        @EventPattern("e")
        async def handler(ctx: Context) -> None:
            runs.add(round(clock.monotonic(), 3))
            if ctx.attempt == 1:
                raise RetryLater(7)

        async with running(handler, clock=clock) as bus:
            await bus.emit("e")
            await clock.advance(10)
        assert runs == [0, 7]

    async def test_retry_reaches_the_failed_subscription_alone(self) -> None:
        ran = Seen()

        @EventPattern("e", retry=AT_ONCE)
        async def fails(ctx: Context) -> None:
            ran.add("fails")
            raise ValueError

        @EventPattern("e")
        async def works() -> None:
            ran.add("works")

        async with started(fails, works) as app:
            await app.client(TOKEN).emit("e")
            await until(lambda: app.links[TOKEN].counters.dead_lettered == 1)
        assert (ran.count("fails"), ran.count("works")) == (3, 1)

    async def test_handler_out_of_time_is_run_again(self) -> None:
        clock, runs = ManualClock(), Seen()

        @EventPattern("e", timeout=2, retry=AT_ONCE)
        async def handler(ctx: Context) -> None:
            runs.add(ctx.attempt)
            if ctx.attempt == 1:
                await asyncio.Event().wait()

        async with running(handler, clock=clock) as bus:
            await bus.emit("e")
            await clock.advance(3)
        assert runs == [1, 2]


class TestDeadLetters:
    @pytest.mark.parametrize("body", [b"{", b"\xff", b'{"order":"x"}', b""])
    async def test_body_that_is_invalid_is_dead_lettered_unrun_and_the_next_one_runs(
        self, body: bytes
    ) -> None:
        ran = Seen()

        @EventPattern("e")
        async def handler(order: Reserved) -> None:
            ran.add(order.order)

        async with started(handler) as app:
            transport = app.links[TOKEN].transport
            await transport.publish(Message(Kind.EVENT, "e", body, {}, "bad"))
            await app.client(TOKEN).emit("e", Reserved(order=2))
            await ran.wait()
            letters = await dead_letters(app, "svc.handler")
        assert [one.body for one in letters] == [body]
        assert letters[0].facts["wl-dead-attempts"] == "1"
        assert ran == [2]

    async def test_unwanted_dead_letters_are_counted_drops(self) -> None:
        @EventPattern("e", dead_letter=False)
        async def handler() -> None:
            raise Reject

        async with started(handler) as app:
            await app.client(TOKEN).emit("e")
            await until(lambda: app.links[TOKEN].counters.dropped == 1)
            assert await dead_letters(app, "svc.handler") == []

    async def test_failing_dead_letter_store_leaves_the_event_unsettled(self) -> None:
        broker, ran = MemoryBroker(), Seen()

        @EventPattern("e", name="work")
        async def handler() -> None:
            ran.add(1)
            raise Reject

        async with started(handler, broker=broker, grace=0.05) as app:
            broker.fail_dead_letters(PublishError("full"))
            await app.client(TOKEN).emit("e")
            await until(lambda: app.links[TOKEN].counters.settle_failures == 1)
            assert app.links[TOKEN].counters.dead_lettered == 0
        broker.fail_dead_letters(None)
        async with started(handler, broker=broker) as app:
            await ran.wait(2)
            await until(lambda: app.links[TOKEN].counters.dead_lettered == 1)


class TestTimeToLive:
    async def test_expired_event_is_not_run_and_counted(self) -> None:
        clock, ran = ManualClock(), Seen()

        @EventPattern("e", concurrency=1)
        async def handler(number: int) -> None:
            ran.add(number)
            if number == 0:
                await clock.sleep(5)

        async with started(handler, clock=clock) as app:
            bus = app.client(TOKEN)
            await bus.emit("e", 0)
            await bus.emit("e", 1, ttl=2)
            await bus.emit("e", 2, ttl=20)
            await clock.advance(10)
            assert (ran, app.links[TOKEN].counters.expired) == ([0, 2], 1)
            assert await dead_letters(app, "svc.handler") == []

    async def test_expired_event_is_a_dead_letter_if_asked(self) -> None:
        clock = ManualClock()

        @EventPattern("e", concurrency=1, dead_letter=DeadLettering(expired=True))
        async def handler(number: int) -> None:
            await clock.sleep(5)

        async with started(handler, clock=clock) as app:
            await app.client(TOKEN).emit("e", 0)
            await app.client(TOKEN).emit("e", 1, ttl=2)
            await clock.advance(10)
            (letter,) = await dead_letters(app, "svc.handler")
        assert (letter.body, letter.facts["wl-dead-reason"]) == (b"1", "expired")

    async def test_time_to_live_does_not_cut_a_handler_that_has_begun(self) -> None:
        clock, ended = ManualClock(), Seen()

        @EventPattern("e")
        async def handler() -> None:
            await clock.sleep(5)
            ended.add(clock.monotonic())

        async with running(handler, clock=clock) as bus:
            await bus.emit("e", ttl=1)
            await clock.advance(6)
        assert ended == [5]


class TestDelay:
    async def test_delayed_event_is_handled_once_when_it_is_due_as_run_1(self) -> None:
        clock, runs = ManualClock(), Seen()

        @EventPattern("e", retry=Retry(1))
        async def handler(ctx: Context) -> None:
            runs.add((ctx.attempt, clock.monotonic()))

        async with running(handler, clock=clock) as bus:
            await bus.emit("e", delay=2)
            await clock.advance(1.9)
            assert runs == []
            await clock.advance(5)
        assert runs == [(1, 2.0)]


class TestEmits:
    async def test_result_is_emitted_before_the_event_is_settled_and_none_is_not(self) -> None:
        got = Seen()
        reserved = Event("reserved", Reserved, key="order")

        @EventPattern("placed", emits=reserved)
        async def reserve(order: int) -> Reserved | None:
            return Reserved(order=order) if order else None

        @EventPattern(reserved)
        async def handler(one: Reserved, ctx: Context) -> None:
            got.add((one.order, ctx.key, ctx.correlation_id))

        async with running(reserve, handler) as bus:
            await bus.emit("placed", 0)
            await bus.emit("placed", 7, uid="first")
            assert await got.wait() == [(7, "7", "first")]
            await idle()
        assert len(got) == 1

    async def test_event_is_run_again_when_its_result_could_not_be_emitted(self) -> None:
        broker, got, runs = MemoryBroker(), Seen(), Seen()

        @EventPattern("placed", emits="reserved", retry=AT_ONCE)
        async def reserve(order: int, ctx: Context) -> int:
            runs.add(ctx.attempt)
            if ctx.attempt == 1:
                broker.fail_next_publish(PublishError("away"))
            return order

        @EventPattern("reserved")
        async def handler(order: int) -> None:
            got.add(order)

        async with running(reserve, handler, broker=broker) as bus:
            await bus.emit("placed", 5)
            assert await got.wait() == [5]
        assert runs == [1, 2]

    async def test_result_that_is_not_what_the_contract_says_is_a_failure(self) -> None:
        @EventPattern("placed", emits=Event("reserved", Reserved), retry=Retry(2, fixed(0)))
        async def reserve(order: int) -> Any:
            return "nonsense"

        async with started(reserve) as app:
            await app.client(TOKEN).emit("placed", 1)
            await until(lambda: app.links[TOKEN].counters.dead_lettered == 1)


class TestHeldEmits:
    async def test_held_emits_go_out_in_order_once_the_handler_has_succeeded(self) -> None:
        got, gate = Seen(), asyncio.Event()

        @EventPattern("in", hold_emits=True)
        async def handler(bus: Annotated[ClientProxy, Inject(TOKEN)]) -> None:
            receipt = await bus.emit("out", 1)
            assert not receipt.acknowledged
            await bus.emit_many("out", [2, 3])
            await gate.wait()

        @EventPattern("out", concurrency=1)
        async def out(number: int) -> None:
            got.add(number)

        async with running(handler, out) as bus:
            await bus.emit("in")
            await idle()
            assert got == []
            gate.set()
            assert await got.wait(3) == [1, 2, 3]

    async def test_held_emits_of_a_failed_run_are_dropped(self) -> None:
        got = Seen()

        @EventPattern("in", hold_emits=True, retry=AT_ONCE)
        async def handler(bus: Annotated[ClientProxy, Inject(TOKEN)], ctx: Context) -> None:
            await bus.emit("out", ctx.attempt)
            await bus.emit_many("out", [ctx.attempt * 10])
            if ctx.attempt < 3:
                raise ValueError

        @EventPattern("out", concurrency=1)
        async def out(number: int) -> None:
            got.add(number)

        async with running(handler, out) as bus:
            await bus.emit("in")
            assert await got.wait(2) == [3, 30]
            await idle()
        assert got == [3, 30]

    async def test_held_emits_leave_by_the_client_that_was_asked(self) -> None:
        got = Seen()

        @EventPattern("in", hold_emits=True, on=TOKEN)
        async def handler(other: Annotated[ClientProxy, Inject("other")]) -> None:
            await other.emit("out", 1)

        @EventPattern("out")
        async def out(number: int, ctx: Context) -> None:
            got.add(ctx.token)

        async with running(handler, out, transports={TOKEN: memory(), "other": memory()}) as bus:
            await bus.emit("in")
            assert await got.wait() == ["other"]

    async def test_emits_of_others_are_not_held(self) -> None:
        got, gate = Seen(), asyncio.Event()

        @EventPattern("in", hold_emits=True)
        async def handler() -> None:
            await gate.wait()

        @EventPattern("plain")
        async def plain(bus: Annotated[ClientProxy, Inject(TOKEN)]) -> None:
            await bus.emit("out", 1)

        @EventPattern("out")
        async def out(number: int) -> None:
            got.add(number)

        async with running(handler, plain, out) as bus:
            await bus.emit("in")
            await bus.emit("plain")
            assert await got.wait() == [1]
            gate.set()


class TestAtMostOnce:
    async def test_event_that_is_settled_before_it_runs_is_never_run_again(self) -> None:
        runs = Seen()

        @EventPattern("e", ack="before")
        async def handler() -> None:
            runs.add(1)
            raise ValueError

        async with started(handler) as app:
            await app.client(TOKEN).emit("e")
            await until(lambda: app.links[TOKEN].counters.dropped == 1)
            assert await dead_letters(app, "svc.handler") == []
        assert runs == [1]


class TestGroups:
    async def test_every_group_gets_each_event_and_one_member_of_it_runs_it(self) -> None:
        broker, ran = MemoryBroker(), Seen()

        def member(group: str, instance: int) -> Any:
            @EventPattern("e", group=group, name=f"{group}.handler")
            async def handler(number: int) -> None:
                ran.add((group, number, instance))

            return handler

        async with (
            running(member("a", 1), member("b", 1), broker=broker) as bus,
            running(member("a", 2), broker=broker),
        ):
            await bus.emit_many("e", range(10))
            await ran.wait(20)
        assert sorted((group, number) for group, number, _ in ran) == [
            *(("a", number) for number in range(10)),
            *(("b", number) for number in range(10)),
        ]
        assert {instance for group, _, instance in ran if group == "a"} == {1, 2}

    async def test_broadcast_reaches_every_instance(self) -> None:
        broker, ran = MemoryBroker(), Seen()

        @EventPattern("e", broadcast=True)
        async def handler(ctx: Context) -> None:
            ran.add(1)

        async with (
            running(handler, broker=broker) as bus,
            running(handler, broker=broker),
        ):
            await bus.emit("e")
            await ran.wait(2)


async def test_nested_call_of_an_event_without_a_deadline_is_not_limited() -> None:
    @EventPattern("e")
    async def handler(bus: Annotated[ClientProxy, Inject(TOKEN)]) -> None:
        got.add(await bus.send("get", response_type=int))

    @MessagePattern("get")
    async def get() -> int:
        return 1

    got = Seen()
    async with running(handler, get) as bus:
        await bus.emit("e")
        assert await got.wait() == [1]
