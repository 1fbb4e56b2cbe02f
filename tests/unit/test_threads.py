"""Threads of `def` handlers."""

import asyncio
import contextvars
import threading

import pytest

from wireloom.threads import Threads

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


async def test_result_comes_back_to_the_loop() -> None:
    threads = Threads()
    assert await threads.run(lambda a, *, b: (a, b), 1, b=2) == (1, 2)
    threads.close()


async def test_loop_goes_on_while_a_thread_works() -> None:
    threads = Threads()
    gate = threading.Event()
    waiting = asyncio.ensure_future(threads.run(gate.wait, 5.0))
    assert await threads.run(lambda: "another") == "another"
    assert not waiting.done()
    gate.set()
    assert await waiting
    threads.close()


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt])
async def test_error_is_raised_to_whoever_waits(kind: type[BaseException]) -> None:
    threads = Threads()

    def fail() -> None:
        raise kind("x")

    outcome = asyncio.get_running_loop().create_task(_caught(threads.run(fail)))
    assert type(await outcome) is kind
    threads.close()


async def _caught(work: object) -> BaseException:
    try:
        await work  # type: ignore[misc]
    except BaseException as error:  # noqa: BLE001 - it is what the test looks at
        return error
    raise AssertionError("it did not fail")


@pytest.mark.parametrize("kind", [StopIteration, asyncio.CancelledError])
async def test_error_that_a_future_cannot_hold_is_an_ordinary_failure(
    kind: type[BaseException],
) -> None:
    threads = Threads()

    def fail() -> None:
        raise kind

    with pytest.raises(RuntimeError, match=kind.__name__):
        await threads.run(fail)
    threads.close()


async def test_context_variables_are_those_of_the_caller() -> None:
    threads = Threads()
    variable.set("mine")
    assert await threads.run(variable.get) == "mine"
    await threads.run(variable.set, "changed")
    assert variable.get() == "mine"
    threads.close()


async def test_threads_are_daemons_so_that_a_stuck_one_never_holds_up_the_exit() -> None:
    threads = Threads()
    assert await threads.run(lambda: threading.current_thread().daemon)
    threads.close()


async def test_idle_thread_is_used_again() -> None:
    threads = Threads()
    first = await threads.run(threading.get_ident)
    async with asyncio.timeout(5):
        while not threads._idle:
            await threads.run(lambda: None)
    assert first in [await threads.run(threading.get_ident) for _ in range(3)]
    threads.close()


async def test_no_more_threads_than_the_limit() -> None:
    threads = Threads(limit=2)
    gate, names = threading.Event(), set()

    def work() -> None:
        names.add(threading.get_ident())
        gate.wait(5)

    jobs = [asyncio.ensure_future(threads.run(work)) for _ in range(6)]
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(*jobs)
    assert len(names) <= 2
    threads.close()


async def test_job_that_was_cancelled_before_a_thread_was_free_is_not_run() -> None:
    threads = Threads(limit=1)
    gate, ran = threading.Event(), threading.Event()
    busy = asyncio.ensure_future(threads.run(gate.wait, 5.0))
    queued = asyncio.ensure_future(threads.run(ran.set))
    await asyncio.sleep(0)
    queued.cancel()
    await asyncio.wait([queued])
    gate.set()
    await busy
    await threads.run(lambda: None)
    assert not ran.is_set()
    threads.close()


async def test_result_of_a_cancelled_call_is_dropped() -> None:
    threads = Threads()
    gate = threading.Event()
    call = asyncio.ensure_future(threads.run(gate.wait, 5.0))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    gate.set()
    assert await threads.run(lambda: 1) == 1
    threads.close()


async def test_idle_threads_end_when_closed() -> None:
    threads = Threads()
    thread = await threads.run(threading.current_thread)
    threads.close()
    thread.join(5)
    assert not thread.is_alive()


def test_result_for_a_loop_that_is_gone_is_dropped() -> None:
    threads = Threads()
    begun, gate, left = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        gate.wait(5)

    async def main() -> None:
        call = asyncio.ensure_future(threads.run(work))
        await asyncio.sleep(0)
        assert begun.wait(5)
        call.cancel()

    asyncio.run(main())
    gate.set()
    threads._submit(left.set)
    assert left.wait(5)
    threads.close()
