"""Tasks with an owner."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["Tasks", "running_task"]


class Tasks:
    """A group of background tasks that its owner closes. Unlike a task group it lives beside the
    code that starts tasks, and one failing task does not end the others: it is reported.
    """

    def __init__(self, on_error: Callable[[BaseException], None]) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._on_error = on_error

    def start(self, work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
        """Run it in the background until it ends or `close` is called."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def __len__(self) -> int:
        return len(self._tasks)

    async def wait(self, timeout: float) -> bool:
        """Wait until all have ended; tell whether they did within so many seconds."""
        if not self._tasks:
            return True
        _, running = await asyncio.wait(set(self._tasks), timeout=timeout)
        return not running

    async def close(self, timeout: float = 5.0) -> None:
        """Cancel all that still run and wait for them, so many seconds at most."""
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=timeout)

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_error(error)


def running_task() -> "asyncio.Task[Any]":
    """Return the task that this code runs in.

    :raises RuntimeError: if it runs in none.
    """
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("this runs inside a task only")
    return task
