"""Tasks: owned, reported, ended."""

import asyncio

import pytest

from wireloom.tasks import Tasks, running_task


async def test_failed_task_is_reported_to_the_owner_and_ends_no_other() -> None:
    errors: list[BaseException] = []
    tasks = Tasks(errors.append)
    gate = asyncio.Event()

    async def fail() -> None:
        raise ValueError("x")

    async def wait() -> None:
        await gate.wait()

    tasks.start(fail(), "fails")
    other = tasks.start(wait(), "waits")
    await asyncio.wait([other], timeout=0.01)
    assert [type(error) for error in errors] == [ValueError]
    assert len(tasks) == 1
    gate.set()
    assert await tasks.wait(1.0)
    assert not other.cancelled()


async def test_closing_cancels_what_still_runs_and_waits_for_it() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("cleaned up")

    tasks = Tasks(lambda error: None)
    task = tasks.start(work(), "works")
    await asyncio.sleep(0)
    await tasks.close()
    assert (ended, task.cancelled(), len(tasks)) == (["cleaned up"], True, 0)


async def test_closing_gives_up_on_what_does_not_end() -> None:
    gate = asyncio.Event()

    async def stubborn() -> None:
        while not gate.is_set():
            try:
                await gate.wait()
            except asyncio.CancelledError:
                continue

    tasks = Tasks(lambda error: None)
    task = tasks.start(stubborn(), "stays")
    await asyncio.sleep(0)
    await tasks.close(timeout=0.01)
    assert not task.done()
    gate.set()
    await task


async def test_waiting_tells_whether_all_ended_in_time() -> None:
    tasks = Tasks(lambda error: None)
    assert await tasks.wait(0.0)
    gate = asyncio.Event()

    async def wait() -> None:
        await gate.wait()

    tasks.start(wait(), "waits")
    assert not await tasks.wait(0.01)
    gate.set()
    assert await tasks.wait(1.0)


async def test_running_task_is_the_one_that_asks() -> None:
    assert running_task() is asyncio.current_task()


def test_outside_a_task_there_is_none() -> None:
    with pytest.raises(RuntimeError):
        running_task()
