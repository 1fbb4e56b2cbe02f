"""The clock that tests move."""

import asyncio

import pytest

from wireloom.testing import ManualClock, idle


async def test_time_stands_still_until_it_is_moved() -> None:
    clock = ManualClock(epoch=1000)
    await idle()
    assert (clock.monotonic(), clock.now()) == (0.0, 1000.0)
    await clock.advance(2.5)
    assert (clock.monotonic(), clock.now()) == (2.5, 1002.5)
    with pytest.raises(ValueError, match="does not go back"):
        await clock.advance(-1)


async def test_timers_run_in_order_each_at_its_time() -> None:
    clock = ManualClock()
    ran: list[tuple[str, float]] = []
    clock.call_at(2, lambda: ran.append(("late", clock.monotonic())))
    clock.call_at(1, lambda: ran.append(("early", clock.monotonic())))
    clock.call_at(1.5, lambda: ran.append(("cancelled", clock.monotonic()))).cancel()
    await clock.advance(5)
    assert ran == [("early", 1), ("late", 2)]
    assert clock.waiting == 0


async def test_what_a_timer_sets_off_settles_before_the_next_one() -> None:
    clock = ManualClock()
    ran: list[str] = []

    async def first() -> None:
        await clock.sleep(1)
        for _ in range(10):
            await asyncio.sleep(0)
        ran.append("first")
        await clock.sleep(0.5)
        ran.append("nested")

    clock.call_at(2, lambda: ran.append("second"))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(first())
        await clock.advance(2)
    assert ran == ["first", "nested", "second"]


async def test_a_call_that_is_due_already_runs_in_the_next_turn() -> None:
    clock = ManualClock()
    ran: list[int] = []
    clock.call_at(0, lambda: ran.append(1))
    assert ran == []
    await idle()
    assert ran == [1]


async def test_a_cancelled_sleep_leaves_no_timer() -> None:
    clock = ManualClock()
    task = asyncio.create_task(clock.sleep(5))
    await idle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert clock.waiting == 0
