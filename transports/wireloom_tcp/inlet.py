"""Where what arrives for one subscription waits until the core has room for it."""

import asyncio
from collections import deque
from collections.abc import Callable

from wireloom.spi import Clock, Delivery, Intake, Timer
from wireloom_tcp.interest import Interest

__all__ = ["Arrival", "Inlet"]


class Arrival(Delivery):
    """A delivery on its way into an intake."""

    __slots__ = ()

    def queued(self, *, early: bool) -> None:
        """Note that there is no room for it yet; `early` that its sender need not wait for that."""

    def taken(self, *, queued: bool) -> None:
        """Note that the intake has it, and whether it was queued before."""

    def turn_away(self, *, queued: bool, delay: float = 0.0) -> None:
        """Send it back, because its subscription takes nothing more; `delay` seconds were left."""


class Inlet:
    """One subscription's own queue in front of its intake, first come first served.

    Up to `most` events and `most_bytes` of their bodies wait here accepted, beyond that unaccepted,
    so that their sender stops at its limit. `run` moves them on, and is a task that the node owns.
    """

    def __init__(
        self, interest: Interest, intake: Intake, clock: Clock, *, most: int, most_bytes: int
    ) -> None:
        self.interest = interest
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._intake = intake
        self._clock = clock
        self._waiting: deque[tuple[Arrival, float]] = deque()
        self._timers: dict[Arrival, tuple[Timer, float]] = {}
        self._arrived = asyncio.Event()
        self.stopped = False

    def __len__(self) -> int:
        return len(self._waiting) + len(self._timers)

    def put(self, delivery: Arrival) -> None:
        """Hand over, now or when there is room."""
        if not self._waiting and self._intake.room > 0 and not self.stopped:
            self._intake.put(delivery)
            delivery.taken(queued=False)
        elif self.stopped:
            delivery.turn_away(queued=False)
        else:
            self._waiting.append((delivery, self._clock.monotonic()))
            self._bytes += len(delivery.message.body)
            delivery.queued(
                early=len(self._waiting) <= self._most and self._bytes <= self._most_bytes
            )
            self._arrived.set()

    def put_later(self, delivery: Arrival, delay: float) -> None:
        """Hand over in so many seconds."""
        if self.stopped:
            delivery.turn_away(queued=False, delay=delay)
            return
        due = self._clock.monotonic() + delay
        self._timers[delivery] = (self._clock.call_at(due, self._due(delivery, delay)), due)

    def stop(self) -> None:
        """Take nothing more; send back what has not reached the intake."""
        self.stopped = True
        for delivery, _ in self._waiting:
            delivery.turn_away(queued=True)
        self._waiting.clear()
        now = self._clock.monotonic()
        for delivery, (timer, due) in self._timers.items():
            timer.cancel()
            delivery.turn_away(queued=False, delay=max(0.0, due - now))
        self._timers.clear()

    async def run(self) -> None:
        """Move what waits into the intake as it gets room, until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                self._move(await self._intake.wait_for_room())

    def _move(self, room: int) -> None:
        now = self._clock.monotonic()
        while room > 0 and self._waiting:
            delivery, since = self._waiting.popleft()
            delivery.age += now - since
            self._bytes -= len(delivery.message.body)
            self._intake.put(delivery)
            delivery.taken(queued=True)
            room -= 1

    def _due(self, delivery: Arrival, delay: float) -> Callable[[], None]:
        def due() -> None:
            del self._timers[delivery]
            delivery.age += delay
            self.put(delivery)

        return due
