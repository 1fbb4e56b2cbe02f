"""Time, as everything in Wireloom reads it, so that tests can move it."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

__all__ = ["Clock", "SystemClock", "Timer"]


class Timer(Protocol):
    """A call that is due later."""

    def cancel(self) -> None:
        """Drop the call; one that has run already is no error."""


class Clock(Protocol):
    """Monotonic time for every wait, wall time for what is shown or sent to others."""

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back; only differences mean anything."""

    def now(self) -> float:
        """Return seconds since the epoch. Never used to wait."""

    def call_at(self, when: float, call: Callable[[], object]) -> Timer:
        """Run `call` on the event loop once `monotonic()` reaches `when`."""

    async def sleep(self, seconds: float) -> None:
        """Wait so many seconds of this clock."""


class SystemClock:
    """The real time."""

    # The function itself: it is read several times a message, and a method around it costs more
    # than the reading.
    monotonic = staticmethod(time.monotonic)

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.time()

    def call_at(self, when: float, call: Callable[[], object]) -> Timer:
        """Run `call` on the running loop when the time reaches `when`."""
        return asyncio.get_running_loop().call_later(max(0.0, when - time.monotonic()), call)

    async def sleep(self, seconds: float) -> None:
        """Wait so many seconds."""
        await asyncio.sleep(seconds)
