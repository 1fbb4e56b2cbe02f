"""Batches: by size or time, each message settled apart."""

import asyncio
from typing import Annotated, Any

from pydantic import BaseModel

from tests.unit.apps import TOKEN, Seen, dead_letters, running, started, until
from wireloom import (
    Batch,
    BatchError,
    Call,
    Context,
    Dedup,
    EventPattern,
    Inject,
    Reject,
    Retry,
    fixed,
    on_error,
    provide,
)
from wireloom.spi import Kind, Message
from wireloom.testing import ManualClock, idle
from wireloom_memory import MemoryBroker
from wireloom_memory.stream import SeenIds


class Click(BaseModel):
    n: int


async def test_batch_is_full_by_size_or_due_by_time() -> None:
    clock, batches = ManualClock(), Seen()

    @EventPattern("e", batch=Batch(size=3, within=2.0), concurrency=1)
    async def handler(clicks: list[Click]) -> None:
        batches.add(([click.n for click in clicks], clock.monotonic()))

    async with running(handler, clock=clock) as bus:
        for number in range(5):
            await bus.emit("e", Click(n=number))
        await idle()
        assert batches == [([0, 1, 2], 0)]
        await clock.advance(1.9)
        assert len(batches) == 1
        await clock.advance(5)
    assert batches == [([0, 1, 2], 0), ([3, 4], 2.0)]


async def test_batches_run_side_by_side_up_to_concurrency() -> None:
    gate, begun = asyncio.Event(), Seen()

    @EventPattern("e", batch=Batch(size=2, within=60), concurrency=2)
    async def handler(numbers: list[int]) -> None:
        begun.add(numbers)
        await gate.wait()

    async with running(handler) as bus:
        await bus.emit_many("e", range(6))
        await idle()
        assert begun == [[0, 1], [2, 3]]
        gate.set()
        assert await begun.wait(3) == [[0, 1], [2, 3], [4, 5]]


async def test_items_that_failed_are_settled_apart() -> None:
    clock, batches = ManualClock(), Seen()

    @EventPattern("e", batch=Batch(size=3, within=1), retry=Retry(2, fixed(1), jitter=0))
    async def handler(numbers: list[int]) -> None:
        batches.add(list(numbers))
        bad: dict[int, Exception] = {
            position: Reject("never") if number == 1 else ValueError()
            for position, number in enumerate(numbers)
            if number > 0
        }
        raise BatchError(bad)

    async with started(handler, clock=clock) as app:
        await app.client(TOKEN).emit_many("e", range(3))
        await clock.advance(10)
        letters = await dead_letters(app, "svc.handler")
        assert batches == [[0, 1, 2], [2]]
        assert [(one.body, one.facts["wl-dead-attempts"]) for one in letters] == [
            (b"1", "1"),
            (b"2", "2"),
        ]


async def test_failure_of_the_whole_batch_is_that_of_each_item() -> None:
    runs = Seen()

    @EventPattern("e", batch=Batch(size=2, within=0.01), retry=Retry(2, fixed(0)))
    async def handler(numbers: list[int]) -> None:
        runs.add(sorted(numbers))
        raise LookupError

    async with started(handler) as app:
        await app.client(TOKEN).emit_many("e", [1, 2])
        await until(lambda: app.links[TOKEN].counters.dead_lettered == 2)
        assert sorted(number for run in runs for number in run) == [1, 1, 2, 2]


async def test_position_outside_the_batch_is_a_failure_and_no_silent_success() -> None:
    @EventPattern("e", batch=Batch(size=2, within=60), retry=Retry(1))
    async def handler(numbers: list[int]) -> None:
        raise BatchError({7: ValueError()})

    async with started(handler) as app:
        await app.client(TOKEN).emit_many("e", [1, 2])
        await until(lambda: app.links[TOKEN].counters.dead_lettered == 2)


async def test_invalid_item_is_dead_lettered_apart_and_its_neighbours_run() -> None:
    batches = Seen()

    @EventPattern("e", batch=Batch(size=3, within=60))
    async def handler(clicks: list[Click]) -> None:
        batches.add([click.n for click in clicks])

    async with started(handler) as app:
        await app.client(TOKEN).emit_many("e", [{"n": 1}, {"n": "x"}, {"n": 3}])
        assert await batches.wait() == [[1, 3]]
        (letter,) = await dead_letters(app, "svc.handler")
        assert letter.body == b'{"n":"x"}'


async def test_batch_without_a_valid_item_is_not_run() -> None:
    batches = Seen()

    @EventPattern("e", batch=Batch(size=2, within=60))
    async def handler(clicks: list[Click]) -> None:
        batches.add(clicks)

    async with started(handler) as app:
        await app.client(TOKEN).emit_many("e", ["x", "y"])
        await until(lambda: app.links[TOKEN].counters.dead_lettered == 2)
        assert batches == []


async def test_guards_see_each_message_and_middleware_the_one_call() -> None:
    log: list[Any] = []
    batches = Seen()

    def guard(context: Context) -> bool:
        log.append(("guard", context.body))
        return context.body != b"2"

    async def middleware(context: Context, call: Call) -> Any:
        log.append("in")
        return await call(context)

    @EventPattern("e", batch=Batch(size=3, within=60), guards=[guard], middleware=[middleware])
    async def handler(numbers: list[int]) -> None:
        batches.add(numbers)

    async with started(handler) as app:
        await app.client(TOKEN).emit_many("e", [1, 2, 3])
        assert await batches.wait() == [[1, 3]]
        assert len(await dead_letters(app, "svc.handler")) == 1
    assert log == [("guard", b"1"), ("guard", b"2"), ("guard", b"3"), "in"]


async def test_filters_convert_the_failure_of_a_batch() -> None:
    runs = Seen()
    filters = [on_error(LookupError, lambda error, context: Reject("converted"))]

    @EventPattern("e", batch=Batch(size=2, within=60), filters=filters)
    async def handler(numbers: list[int]) -> None:
        runs.add(numbers)
        raise LookupError

    async with started(handler) as app:
        await app.client(TOKEN).emit_many("e", [1, 2])
        await until(lambda: app.links[TOKEN].counters.dead_lettered == 2)
        assert runs == [[1, 2]]


async def test_batch_handler_out_of_time_is_a_failure_of_its_items() -> None:
    clock, runs = ManualClock(), Seen()

    @EventPattern("e", batch=Batch(size=2, within=1), timeout=2, retry=Retry(1))
    async def handler(numbers: list[int]) -> None:
        runs.add(numbers)
        await asyncio.Event().wait()

    async with started(handler, clock=clock) as app:
        await app.client(TOKEN).emit_many("e", [1, 2])
        await clock.advance(5)
        assert app.links[TOKEN].counters.dead_lettered == 2


async def test_expired_items_are_left_out() -> None:
    clock, batches = ManualClock(), Seen()

    @EventPattern("e", batch=Batch(size=5, within=3))
    async def handler(numbers: list[int]) -> None:
        batches.add(numbers)

    async with started(handler, clock=clock) as app:
        await app.client(TOKEN).emit("e", 1, ttl=1)
        await app.client(TOKEN).emit("e", 2)
        await clock.advance(5)
        assert (batches, app.links[TOKEN].counters.expired) == ([[2]], 1)


async def test_objects_of_the_application_are_given_to_batch_handlers() -> None:
    got = Seen()

    @EventPattern("e", batch=Batch(size=1))
    async def handler(numbers: list[int], base: Annotated[int, Inject("BASE")]) -> None:
        got.add([base + number for number in numbers])

    @EventPattern("e", batch=Batch(size=1), name="plain")
    def plain(numbers: list[int]) -> None:
        got.add(numbers)

    async with running(handler, plain, providers=[provide(10, token="BASE")]) as bus:
        await bus.emit("e", 5)
        assert sorted(await got.wait(2)) == [[5], [15]]


async def test_one_id_twice_in_a_batch_is_run_once(monkeypatch: Any) -> None:
    monkeypatch.setattr(SeenIds, "add", lambda *_: True)
    batches = Seen()

    @EventPattern("e", batch=Batch(size=3, within=0.01), dedup=Dedup())
    async def handler(numbers: list[int]) -> None:
        batches.add(numbers)

    async with started(handler) as app:
        transport = app.links[TOKEN].transport
        for id_ in ("same", "same", "other"):
            await transport.publish(Message(Kind.EVENT, "e", b"5", {}, id_))
        await until(lambda: app.health()["in_flight"] == 0 and len(batches) > 0)
        assert sum(map(len, batches)) == 2
        assert app.links[TOKEN].counters.duplicates == 1


async def test_what_waits_for_a_batch_is_given_back_when_the_application_stops() -> None:
    broker, got = MemoryBroker(), Seen()

    @EventPattern("e", batch=Batch(size=100, within=60), name="work")
    async def never(numbers: list[int]) -> None:
        raise AssertionError("it is not full")

    @EventPattern("e", name="work")
    async def handler(number: int) -> None:
        got.add(number)

    async with running(never, broker=broker) as bus:
        await bus.emit_many("e", [1, 2])
        await idle()
    async with running(handler, broker=broker):
        assert sorted(await got.wait(2)) == [1, 2]
