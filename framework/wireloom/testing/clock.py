"""A clock that stands still until a test moves it."""

import asyncio
import heapq
from collections.abc import Callable
from itertools import count

from wireloom.testing.loop import idle

__all__ = ["ManualClock"]


class _ManualTimer:
    """A call that is due when the clock is moved there."""

    __slots__ = ("call", "order", "when")

    def __init__(self, when: float, order: int, call: Callable[[], object]) -> None:
        self.when = when
        self.order = order
        self.call: Callable[[], object] | None = call

    def cancel(self) -> None:
        """Drop the call; one that has run already is no error."""
        self.call = None

    def __lt__(self, other: "_ManualTimer") -> bool:
        return (self.when, self.order) < (other.when, other.order)


class ManualClock:
    """Time for `Application(..., clock=ManualClock())`, which passes in `advance` alone."""

    def __init__(self, *, epoch: float = 1_700_000_000.0) -> None:
        """Begin at 0 of the monotonic time, which is `epoch` in seconds since 1970."""
        self._time = 0.0
        self._epoch = epoch
        self._timers: list[_ManualTimer] = []
        self._order = count()

    def monotonic(self) -> float:
        """Return the seconds by which the clock was moved so far."""
        return self._time

    def now(self) -> float:
        """Return seconds since the epoch."""
        return self._epoch + self._time

    def call_at(self, when: float, call: Callable[[], object]) -> _ManualTimer:
        """Run `call` on the event loop once the clock is moved to `when`, or now if it was."""
        timer = _ManualTimer(when, next(self._order), call)
        if when <= self._time:
            asyncio.get_running_loop().call_soon(_run, timer)
        else:
            heapq.heappush(self._timers, timer)
        return timer

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock was moved so far; without seconds, for one turn of the loop."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        awake = asyncio.Event()
        timer = self.call_at(self._time + seconds, awake.set)
        try:
            await awake.wait()
        finally:
            timer.cancel()

    async def advance(self, seconds: float) -> None:
        """Move the clock: run what falls due, in order, each at its time and when the loop has
        settled after the one before.

        :raises ValueError: if `seconds` is negative.
        """
        if seconds < 0:
            raise ValueError("a monotonic clock does not go back")
        end = self._time + seconds
        await idle()
        while self._timers and self._timers[0].when <= end:
            timer = heapq.heappop(self._timers)
            if timer.call is not None:
                self._time = max(self._time, timer.when)
                asyncio.get_running_loop().call_soon(_run, timer)
                await idle()
        self._time = end
        await idle()

    @property
    def waiting(self) -> int:
        """Return how many calls are due later."""
        return sum(timer.call is not None for timer in self._timers)


def _run(timer: _ManualTimer) -> None:
    call, timer.call = timer.call, None
    if call is not None:
        call()
