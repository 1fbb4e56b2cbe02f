"""Background tasks with an owner that hears of their end."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["Tasks"]

_log = logging.getLogger("wireloom.nats")


class Tasks:
    """Holds tasks until they end or are stopped together."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def start(
        self,
        work: Coroutine[Any, Any, None],
        name: str,
        again: Callable[[], Coroutine[Any, Any, None]] | None = None,
    ) -> "asyncio.Task[None]":
        """Run work. If it fails, that is logged, and `again` makes what is run next, if given."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._running.add(task)

        def ended(done: asyncio.Task[None]) -> None:
            self._running.discard(done)
            if done.cancelled() or done.exception() is None:
                return
            _log.error("%s failed", name, exc_info=done.exception())
            if again is not None:
                self.start(_after_a_pause(again), name, again)

        task.add_done_callback(ended)
        return task

    async def stop(self) -> None:
        """Cancel all and wait until they have ended."""
        tasks = [task for task in self._running if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


async def _after_a_pause(again: Callable[[], Coroutine[Any, Any, None]]) -> None:
    await asyncio.sleep(1.0)
    await again()
