"""Timeouts by the thousand: one timer of the loop for all that end in the same instant."""

from typing import Final, Protocol

from wireloom.spi import Clock

__all__ = ["Deadlines", "Expiring"]

TICKS_PER_SECOND: Final = 64


class Expiring(Protocol):
    """Something with a deadline."""

    def expire(self) -> None:
        """Called once when the deadline has passed, unless it was removed before. Never raises."""


class Deadlines:
    """Deadlines in buckets of 1/64 s, each armed once; an entry costs two dictionary accesses.

    It fires at most one tick late and never early. A loop timer for each call would cost ten times
    as much, and the loop keeps cancelled timers in its heap.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: dict[int, dict[Expiring, None]] = {}

    def add(self, entry: Expiring, when: float) -> dict[Expiring, None]:
        """Arm a deadline at clock time `when`; popping the entry from the result disarms it."""
        tick = int(when * TICKS_PER_SECOND) + 1
        bucket = self._buckets.get(tick)
        if bucket is None:
            bucket = self._buckets[tick] = {}
            self._clock.call_at(tick / TICKS_PER_SECOND, lambda: self._fire(tick))
        bucket[entry] = None
        return bucket

    def _fire(self, tick: int) -> None:
        bucket = self._buckets.pop(tick, {})
        while bucket:
            bucket.popitem()[0].expire()
