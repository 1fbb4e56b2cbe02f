"""Threads of our own for `def` handlers: daemons, so that a stuck one never holds up the exit."""

import asyncio
import contextvars
import itertools
import queue
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

__all__ = ["Threads"]

T = TypeVar("T")
Job = Callable[[], None]


class Threads:
    """Runs functions in threads that are started when all others are busy, up to a limit."""

    LIMIT: Final = 64

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._count = 0
        self._idle = 0
        self._names = itertools.count(1)
        self._lock = threading.Lock()

    async def run(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call the function in a thread, with the caller's context variables.

        Cancelling stops the waiting, not the thread: its result is then dropped.
        """
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[T] = loop.create_future()
        context = contextvars.copy_context()

        def job() -> None:
            if outcome.done():  # nobody waits any more, so nobody would know that it ran
                return
            try:
                result = context.run(function, *args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - it is the caller's, in its own task
                _deliver(loop, outcome, error=error)
            else:
                _deliver(loop, outcome, result=result)

        self._submit(job)
        return await outcome

    def close(self) -> None:
        """Let idle threads end. Busy ones end with their job, or with the process."""
        for _ in range(self._count):
            self._jobs.put(None)

    def _submit(self, job: Job) -> None:
        with self._lock:
            self._jobs.put(job)
            if self._idle < self._jobs.qsize() and self._count < self._limit:
                self._count += 1
                name = f"wireloom-handler-{next(self._names)}"
                threading.Thread(target=self._work, name=name, daemon=True).start()

    def _work(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
            job = self._jobs.get()
            with self._lock:
                self._idle -= 1
                if job is None:
                    self._count -= 1
                    return
            job()


def _deliver(
    loop: asyncio.AbstractEventLoop,
    outcome: "asyncio.Future[Any]",
    *,
    result: Any = None,
    error: BaseException | None = None,
) -> None:
    def settle() -> None:
        if outcome.done():
            return
        if error is None:
            outcome.set_result(result)
        elif isinstance(error, (StopIteration, asyncio.CancelledError)):
            # Neither can be set on a future: one would end the awaiting coroutine, the other
            # would look like a cancellation of it.
            outcome.set_exception(RuntimeError(f"the handler raised {type(error).__name__}"))
        else:
            outcome.set_exception(error)

    if not loop.is_closed():
        loop.call_soon_threadsafe(settle)
