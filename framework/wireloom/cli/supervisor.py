"""`wireloom run --workers N`: processes that are kept running."""

import asyncio
import logging
from contextlib import suppress
from typing import Final

from wireloom.cli.child import Child, Command
from wireloom.cli.failures import FAILED, REFUSED
from wireloom.cli.signals import first_of, stop_requested
from wireloom.spi import FullJitter

__all__ = ["Supervisor", "supervise"]

log = logging.getLogger("wireloom.cli")
MARGIN: Final = 7.0
"""Seconds beyond the grace period: the 5 that a drain may take, and 2 for a busy machine."""
STEADY: Final = 10.0
"""Seconds after which a worker counts as having run well, so that its next restart is quick."""


def supervise(command: Command, workers: int, grace: float) -> int:
    """Keep so many workers running until a signal; return the exit code."""
    return asyncio.run(Supervisor(command, workers, grace).run())


class Supervisor:
    """Starts workers, starts those again that die, and drains all at the end."""

    def __init__(self, command: Command, workers: int, grace: float) -> None:
        """Describe the workers; `grace` is theirs, in seconds."""
        self._command = command
        self._workers = workers
        self._patience = grace + MARGIN
        self._children: dict[int, Child] = {}
        self._stopping = asyncio.Event()
        self._code = 0

    async def run(self) -> int:
        """Run until a signal or until a worker cannot start at all; return the exit code: 0 all
        drained, 1 one had to be killed, 2 one could not start.
        """
        self._stopping = stop_requested(self._kill)
        async with asyncio.TaskGroup() as group:
            for number in range(1, self._workers + 1):
                group.create_task(self._keep(number), name=f"worker {number}")
        return self._code

    def _kill(self) -> None:
        for child in self._children.values():
            child.kill()

    async def _keep(self, number: int) -> None:
        backoff = FullJitter(first=0.2, cap=10.0)
        loop = asyncio.get_running_loop()
        first = True
        while not self._stopping.is_set():
            began = loop.time()
            code = await self._one(number)
            if self._stopping.is_set():
                return
            if first and code == REFUSED:
                self._give_up()
                return
            first = False
            if loop.time() - began > STEADY:
                backoff.reset()
            wait = backoff.next()
            log.warning("worker %d ended with %d; starting it again in %.1f s", number, code, wait)
            await self._stopped_within(wait)

    async def _one(self, number: int) -> int:
        """Run one worker to its end, or drain it when it is time to stop."""
        child = self._children[number] = await Child.start(self._command)
        log.info("worker %d started as process %d", number, child.pid)
        try:
            await first_of(child.ended(), self._stopping.wait())
            return await self._drain(number, child) if child.code is None else child.code
        finally:
            del self._children[number]

    async def _drain(self, number: int, child: Child) -> int:
        log.info("worker %d: draining", number)
        code = await child.drain(self._patience)
        if code != 0:
            log.error("worker %d did not drain: it ended with %d", number, code)
            self._code = self._code or FAILED
        return code

    def _give_up(self) -> None:
        self._code = REFUSED
        self._stopping.set()

    async def _stopped_within(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
