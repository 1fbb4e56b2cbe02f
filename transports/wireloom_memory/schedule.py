"""The broker's time, and calls that are due later on it."""

import heapq
from collections.abc import Callable
from itertools import count

from wireloom.spi import Clock, Timer

__all__ = ["Schedule"]


class Schedule:
    """Time that goes on evenly although the clock behind it may be exchanged, and calls in the
    order in which they are due, with one timer armed for the first of them.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._offset = 0.0
        self._calls: list[tuple[float, int, Callable[[], object]]] = []
        self._order = count()
        self._timer: Timer | None = None

    def now(self) -> float:
        """Return seconds of the broker's time."""
        return self.clock.monotonic() + self._offset

    def after(self, seconds: float, call: Callable[[], object]) -> None:
        """Run `call` on the loop in so many seconds; 0 or less: in its next turn."""
        entry = (self.now() + seconds, next(self._order), call)
        heapq.heappush(self._calls, entry)
        if self._calls[0] is entry:
            self._arm()

    def pause(self) -> float:
        """Disarm, since the loop may end now; return the time, for `resume`."""
        self._disarm()
        return self.now()

    def resume(self, clock: Clock, since: float) -> None:
        """Go on by this clock from that time."""
        self.clock = clock
        self._offset = since - clock.monotonic()
        self._arm()

    def _arm(self) -> None:
        self._disarm()
        if self._calls:
            self._timer = self.clock.call_at(self._calls[0][0] - self._offset, self._fire)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        self._timer = None
        while self._calls and self._calls[0][0] <= self.now():
            heapq.heappop(self._calls)[2]()
        self._arm()
