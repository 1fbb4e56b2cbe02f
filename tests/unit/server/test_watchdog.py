"""The watchdog: it stops what is over its time, once, and sleeps while nothing runs."""

import asyncio

import pytest

from wireloom.server.watchdog import NEVER, Run, Watchdog
from wireloom.tasks import running_task
from wireloom.testing import ManualClock, idle


async def worker(run_of: list[Run], watchdog: Watchdog) -> None:
    run = Run(running_task())
    run_of.append(run)
    watchdog.watch(run)
    await asyncio.Event().wait()


async def test_run_is_stopped_when_its_time_is_up_and_the_watchdog_sleeps_again() -> None:
    clock, runs = ManualClock(), list[Run]()
    watchdog = Watchdog(clock)
    task = asyncio.ensure_future(worker(runs, watchdog))
    await idle()
    runs[0].until = 1.0
    watchdog.wake()
    await clock.advance(0.99)
    assert (runs[0].stopped, watchdog.awake) == (None, True)
    await clock.advance(0.05)
    assert (runs[0].stopped, runs[0].until, task.cancelled()) == ("timeout", NEVER, True)
    await clock.advance(1)
    assert (watchdog.awake, clock.waiting) == (False, 0)


async def test_run_that_ended_in_time_is_left_alone() -> None:
    clock, runs = ManualClock(), list[Run]()
    watchdog = Watchdog(clock)
    task = asyncio.ensure_future(worker(runs, watchdog))
    await idle()
    runs[0].until = 1.0
    watchdog.wake()
    await clock.advance(0.5)
    runs[0].until = NEVER
    await clock.advance(5)
    assert (runs[0].stopped, task.done(), watchdog.awake) == (None, False, False)
    task.cancel()


async def test_first_reason_to_stop_is_the_one_that_counts() -> None:
    clock, runs = ManualClock(), list[Run]()
    watchdog = Watchdog(clock)
    task = asyncio.ensure_future(worker(runs, watchdog))
    await idle()
    runs[0].stop("cancelled")
    runs[0].stop("silence")
    assert runs[0].stopped == "cancelled"
    with pytest.raises(asyncio.CancelledError):
        await task
