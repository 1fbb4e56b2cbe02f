"""The real clock."""

import asyncio
import time

from wireloom.spi import SystemClock


def test_monotonic_time_never_goes_back() -> None:
    clock = SystemClock()
    times = [clock.monotonic() for _ in range(100)]
    assert times == sorted(times)


def test_wall_time_counts_from_the_epoch() -> None:
    assert abs(SystemClock().now() - time.time_ns() / 1e9) < 5


async def test_call_runs_when_it_is_due_and_not_if_it_is_cancelled() -> None:
    clock = SystemClock()
    due, past, never = asyncio.Event(), asyncio.Event(), asyncio.Event()
    began = clock.monotonic()
    clock.call_at(began + 0.02, due.set)
    clock.call_at(began - 5, past.set)
    clock.call_at(began + 0.01, never.set).cancel()
    async with asyncio.timeout(5):
        await past.wait()
        await due.wait()
    assert clock.monotonic() - began >= 0.02
    assert not never.is_set()


async def test_sleep_takes_its_time() -> None:
    clock = SystemClock()
    began = clock.monotonic()
    await clock.sleep(0.01)
    assert clock.monotonic() - began >= 0.009
