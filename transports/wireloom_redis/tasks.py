"""Background work with an owner."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from wireloom.errors import TransportError
from wireloom.spi import FullJitter

__all__ = ["Tasks"]

_log = logging.getLogger("wireloom.redis")
_STOP_TIMEOUT = 2.0
_HEALTHY = 10.0
"""Seconds after which work counts as good, and its next failure is followed by a short wait."""


class Tasks:
    """Tasks that end with their owner. One whose work fails begins anew after a jittered wait."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def start(self, name: str, work: Callable[[], Awaitable[None]]) -> "asyncio.Task[None]":
        """Run `work` until it returns; begin anew when it fails."""
        task = asyncio.create_task(_supervised(name, work), name=f"wireloom-redis {name}")
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("%s ended for good", task.get_name(), exc_info=error)

    async def stop(self) -> None:
        """Cancel all and wait until they have ended, two seconds at most."""
        tasks = self._running - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_STOP_TIMEOUT)


async def _supervised(name: str, work: Callable[[], Awaitable[None]]) -> None:
    jitter = FullJitter()
    clock = asyncio.get_running_loop()
    while True:
        began = clock.time()
        try:
            await work()
        except TransportError as error:
            _log.debug("%s begins anew: %s", name, error)
        else:
            return
        if clock.time() - began > _HEALTHY:
            jitter.reset()
        await asyncio.sleep(jitter.next())
