"""Intake and workers: bounded, woken, and never idle while something waits."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.apps import TOKEN, Seen, running, started
from wireloom import EventPattern, MessagePattern
from wireloom.testing import idle
from wireloom_memory import MemoryBroker


@pytest.mark.parametrize("concurrency", [1, 4, 16])
async def test_runs_at_once_reach_concurrency_and_never_pass_it(concurrency: int) -> None:
    active, most, gate, done = 0, 0, asyncio.Event(), Seen()

    @EventPattern("e", concurrency=concurrency)
    async def handler(number: int) -> None:
        nonlocal active, most
        active += 1
        most = max(most, active)
        if number < 100:
            await gate.wait()
        active -= 1
        done.add(number)

    async with running(handler) as bus:
        for number in range(200):
            await bus.emit("e", number)
        await idle()
        assert (most, active) == (concurrency, concurrency)
        gate.set()
        await done.wait(200)
    assert most == concurrency


async def test_no_more_is_taken_than_can_be_held_while_handlers_are_blocked() -> None:
    broker, gate = MemoryBroker(), asyncio.Event()

    @EventPattern("e", concurrency=4, name="work")
    async def handler(number: int) -> None:
        await gate.wait()

    async with started(handler, broker=broker) as app:
        await app.client(TOKEN).emit_many("e", range(100))
        await idle()
        queue = broker.queue("work")
        assert queue is not None
        assert (queue.unsettled, queue.backlog) == (8, 92)
        assert app.health()["in_flight"] == 8
        gate.set()


async def test_handlers_that_never_wait_still_let_the_loop_breathe() -> None:
    beats = 0

    @EventPattern("e", concurrency=1)
    async def handler(number: int) -> None:
        assert beats >= 0

    async def beat() -> None:
        nonlocal beats
        while True:
            beats += 1
            await asyncio.sleep(0)

    async with started(handler) as app:
        heart = asyncio.ensure_future(beat())
        await app.client(TOKEN).emit_many("e", range(2000))
        before = beats
        while app.health()["in_flight"]:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert beats - before > 5
        heart.cancel()


@settings(max_examples=20)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(1, 5))
def test_everything_that_arrives_is_run_however_it_interleaves(
    waits: list[int], concurrency: int
) -> None:
    async def main() -> list[int]:
        done = Seen()

        @EventPattern("e", concurrency=concurrency)
        async def handler(number: int) -> None:
            for _ in range(waits[number]):
                await asyncio.sleep(0)
            done.add(number)

        async with running(handler) as bus:
            for number in range(len(waits)):
                await bus.emit("e", number)
                if number % 3 == 0:
                    await asyncio.sleep(0)
            return await done.wait(len(waits))

    assert sorted(asyncio.run(main())) == list(range(len(waits)))


async def test_foreign_cancellation_ends_no_worker() -> None:
    tasks: list[asyncio.Task[None] | None] = []

    @MessagePattern("get", concurrency=1)
    async def get(number: int) -> int:
        tasks.append(asyncio.current_task())
        if number == 0:
            await asyncio.Event().wait()
        return number

    async with running(get) as bus:
        call = asyncio.ensure_future(bus.send("get", 0))
        await idle()
        assert tasks[0] is not None
        tasks[0].cancel()
        with pytest.raises(Exception, match="INTERNAL"):
            await call
        assert await bus.send("get", 5) == 5
