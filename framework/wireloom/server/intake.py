"""Where deliveries of one subscription wait, and the workers that take them from there."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from wireloom.server.watchdog import Run, Watchdog
from wireloom.spi import Clock, Delivery, Timer
from wireloom.tasks import Tasks, running_task

__all__ = ["LaneIntake", "Process", "WorkerIntake"]

BURST: Final = 64
"""Deliveries that a worker handles in a row before it lets the loop breathe."""
WAKES: Final = 2
"""Workers being woken at once: enough to double the awake ones each turn of the loop."""


Process = Callable[[Delivery, Run], Awaitable[float | None]]
"""Runs one delivery and settles it; or returns after how many seconds to run it again in place.
Raises nothing but CancelledError."""


class WorkerIntake:
    """An intake served by a pool of workers, started when needed, up to `concurrency`.

    A task for each message would cost a quarter of the throughput. A delivery that arrives wakes
    one worker; a worker that leaves some waiting wakes another before it runs its own, so that
    handlers which never wait are all run by one worker in one turn of the loop.
    """

    def __init__(
        self,
        *,
        concurrency: int,
        capacity: int,
        process: Process,
        tasks: Tasks,
        clock: Clock,
        watchdog: Watchdog,
    ) -> None:
        self.capacity = capacity
        self._concurrency = concurrency
        self._process = process
        self._tasks = tasks
        self._clock = clock
        self._monotonic = clock.monotonic
        self._watchdog = watchdog
        self._waiting: deque[Delivery] = deque()
        self._held: set[Delivery] = set()
        self._parked: dict[Delivery, Timer] = {}
        self._settled: Callable[[Delivery], None] | None = None
        """Called for each delivery that has ended, where something is kept in order behind it."""
        self._idle: list[asyncio.Future[None]] = []
        self._workers = 0
        self._waking = 0
        self._stopped = False
        self._changed: asyncio.Future[None] | None = None

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
            await self._change()
        return self.room

    def put(self, delivery: Delivery) -> None:
        """Take a delivery. Once stopped, it waits to be given back."""
        delivery.arrived = self._monotonic()
        self._held.add(delivery)
        self._waiting.append(delivery)
        if self._waking < WAKES and not self._stopped:
            self._wake()

    def stop(self) -> list[Delivery]:
        """Start nothing more; return what was not started, to be given back."""
        self._stopped = True
        for timer in self._parked.values():
            timer.cancel()
        unstarted = [*self._take_unstarted(), *self._parked]
        self._parked.clear()
        for delivery in unstarted:
            self._held.discard(delivery)
        return unstarted

    async def wait_until_empty(self) -> None:
        """Wait until everything that was taken is settled. The caller bounds it."""
        while self._held:
            await self._change()

    def _enqueue(self, delivery: Delivery) -> None:
        self._waiting.append(delivery)
        if self._waking < WAKES and not self._stopped:
            self._wake()

    def _take_unstarted(self) -> list[Delivery]:
        unstarted = list(self._waiting)
        self._waiting.clear()
        return unstarted

    def _wake(self) -> None:
        if self._idle:
            self._waking += 1
            self._idle.pop().set_result(None)
        elif self._workers < self._concurrency:
            self._workers += 1
            self._waking += 1
            self._tasks.start(self._work(), "wireloom worker")

    async def _work(self) -> None:
        run = Run(running_task())
        self._watchdog.watch(run)
        try:
            while True:
                self._waking -= 1
                await self._drain_waiting(run)
                if run.task.cancelling():
                    return
                idle = asyncio.get_running_loop().create_future()
                self._idle.append(idle)
                await idle
        finally:
            self._workers -= 1
            self._watchdog.forget(run)
            if self._waiting and not self._stopped:
                self._wake()

    async def _drain_waiting(self, run: Run) -> None:
        waiting, held, process, settled = self._waiting, self._held, self._process, self._settled
        burst = 0
        while waiting and not self._stopped:
            delivery = waiting.popleft()
            if waiting and self._waking < WAKES:
                self._wake()
            again = await process(delivery, run)
            if again is None:
                held.discard(delivery)
                if settled is not None:
                    settled(delivery)
                if self._changed is not None:
                    self._notify()
            else:
                self._park(delivery, again)
            if run.task.cancelling():
                return  # its handler cancelled it, or the loop is being closed: another goes on
            burst += 1
            if burst == BURST:
                burst = 0
                await asyncio.sleep(0)

    def _park(self, delivery: Delivery, delay: float) -> None:
        def ready() -> None:
            del self._parked[delivery]
            self._enqueue(delivery)

        self._parked[delivery] = self._clock.call_at(self._clock.monotonic() + delay, ready)

    async def _change(self) -> None:
        if self._changed is None:
            self._changed = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._changed)

    def _notify(self) -> None:
        changed, self._changed = self._changed, None
        if changed is not None and not changed.done():
            changed.set_result(None)


class LaneIntake(WorkerIntake):
    """An intake that runs the deliveries of one key one after another, keys side by side.

    What is to be run again waits in its lane, so that nothing of its key overtakes it.
    """

    def __init__(
        self,
        *,
        concurrency: int,
        capacity: int,
        process: Process,
        tasks: Tasks,
        clock: Clock,
        watchdog: Watchdog,
        key: Callable[[Delivery], str],
    ) -> None:
        super().__init__(
            concurrency=concurrency,
            capacity=capacity,
            process=process,
            tasks=tasks,
            clock=clock,
            watchdog=watchdog,
        )
        self._settled = self._next_in_lane
        self._key = key
        self._lanes: dict[str, deque[Delivery]] = {}
        self._key_of: dict[Delivery, str] = {}

    def put(self, delivery: Delivery) -> None:
        """Take a delivery; it runs when those of its key before it are settled."""
        key = self._key_of[delivery] = self._key(delivery)
        lane = self._lanes.get(key)
        if lane is None:
            self._lanes[key] = deque()
            super().put(delivery)
        else:
            delivery.arrived = self._monotonic()
            self._held.add(delivery)
            lane.append(delivery)

    def _next_in_lane(self, delivery: Delivery) -> None:
        key = self._key_of.pop(delivery)
        lane = self._lanes[key]
        if lane and not self._stopped:
            self._enqueue(lane.popleft())
        elif not lane:
            del self._lanes[key]

    def _take_unstarted(self) -> list[Delivery]:
        behind = [delivery for lane in self._lanes.values() for delivery in lane]
        for lane in self._lanes.values():
            lane.clear()
        return [*super()._take_unstarted(), *behind]
