"""An intake that hands over several deliveries at once."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from wireloom.server.watchdog import Run, Watchdog
from wireloom.settings import Batch
from wireloom.spi import Clock, Delivery, Timer
from wireloom.tasks import Tasks, running_task

__all__ = ["BatchIntake", "ProcessBatch"]

ProcessBatch = Callable[[list[Delivery], Run], Awaitable[None]]
"""Runs and settles these. Raises nothing but CancelledError."""


class BatchIntake:
    """Collects up to `batch.size` deliveries, or what came within `batch.within` seconds of the
    first, and runs up to `concurrency` such batches at once.
    """

    def __init__(
        self,
        *,
        batch: Batch,
        concurrency: int,
        process: ProcessBatch,
        tasks: Tasks,
        clock: Clock,
        watchdog: Watchdog,
    ) -> None:
        self.capacity = batch.size * (concurrency + 1)
        self._batch = batch
        self._free = concurrency
        self._process = process
        self._tasks = tasks
        self._clock = clock
        self._watchdog = watchdog
        self._waiting: deque[Delivery] = deque()
        self._held: set[Delivery] = set()
        self._timer: Timer | None = None
        self._due = False
        self._stopped = False
        self._changed = asyncio.Event()

    @property
    def room(self) -> int:
        """Return how many more may be taken now."""
        return 0 if self._stopped else max(0, self.capacity - len(self._held))

    @property
    def held(self) -> set[Delivery]:
        """Return what was taken and is not settled."""
        return self._held

    async def wait_for_room(self) -> int:
        """Wait until there is room; return how much."""
        while not self.room:
            self._changed.clear()
            await self._changed.wait()
        return self.room

    def put(self, delivery: Delivery) -> None:
        """Take a delivery. Once stopped, it waits to be given back."""
        delivery.arrived = self._clock.monotonic()
        self._held.add(delivery)
        self._waiting.append(delivery)
        if self._stopped:
            return
        self._start_full()

    def stop(self) -> list[Delivery]:
        """Start nothing more; return what was not started, to be given back."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        unstarted = list(self._waiting)
        self._waiting.clear()
        for delivery in unstarted:
            self._held.discard(delivery)
        return unstarted

    async def wait_until_empty(self) -> None:
        """Wait until everything that was taken is settled. The caller bounds it."""
        while self._held:
            self._changed.clear()
            await self._changed.wait()

    def _time_is_up(self) -> None:
        self._timer = None
        self._due = True
        self._start_full()

    def _start_full(self) -> None:
        while self._free and self._waiting and not self._stopped:
            if len(self._waiting) < self._batch.size and not self._due:
                break
            self._due = False
            size = min(self._batch.size, len(self._waiting))
            self._free -= 1
            self._tasks.start(
                self._run([self._waiting.popleft() for _ in range(size)]), "wireloom batch"
            )
        self._arm()

    def _arm(self) -> None:
        """Keep a timer exactly while something waits that is not due yet."""
        wanted = bool(self._waiting) and not self._due and not self._stopped
        if wanted and self._timer is None:
            self._timer = self._clock.call_at(
                self._clock.monotonic() + self._batch.within, self._time_is_up
            )
        elif not wanted and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _run(self, deliveries: list[Delivery]) -> None:
        run = Run(running_task())
        self._watchdog.watch(run)
        try:
            await self._process(deliveries, run)
        finally:
            self._watchdog.forget(run)
        self._free += 1
        for delivery in deliveries:
            self._held.discard(delivery)
        self._changed.set()
        self._start_full()
