"""Deadlines: never early, at most a tick late, disarmed by removing them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireloom.deadlines import TICKS_PER_SECOND, Deadlines
from wireloom.testing import ManualClock


class Entry:
    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.expired: list[float] = []

    def expire(self) -> None:
        self.expired.append(self._clock.monotonic())


class StillClock(ManualClock):
    """Calls what is due when it is told the time, without a loop."""

    def run_until(self, time: float) -> None:
        while self._timers and min(self._timers).when <= time:
            timer = min(self._timers)
            self._timers.remove(timer)
            self._time = max(self._time, timer.when)
            if timer.call is not None:
                timer.call()
        self._time = time


@given(st.lists(st.floats(0.001, 3), min_size=1, max_size=20))
def test_each_fires_once_never_early_and_at_most_a_tick_late(times: list[float]) -> None:
    clock = StillClock()
    deadlines = Deadlines(clock)
    entries = [(when, Entry(clock)) for when in times]
    for when, entry in entries:
        deadlines.add(entry, when)
    clock.run_until(4)
    for when, entry in entries:
        assert len(entry.expired) == 1
        assert when <= entry.expired[0] <= when + 1 / TICKS_PER_SECOND


def test_removed_entry_does_not_fire() -> None:
    clock = StillClock()
    deadlines = Deadlines(clock)
    kept, dropped = Entry(clock), Entry(clock)
    deadlines.add(kept, 1.0)
    deadlines.add(dropped, 1.0).pop(dropped)
    clock.run_until(2)
    assert (len(kept.expired), dropped.expired) == (1, [])


def test_deadlines_of_one_instant_share_one_timer() -> None:
    clock = StillClock()
    deadlines = Deadlines(clock)
    for _ in range(1000):
        deadlines.add(Entry(clock), 1.0)
    assert clock.waiting == 1


def test_entry_may_arm_itself_again_while_it_fires() -> None:
    clock = StillClock()
    deadlines = Deadlines(clock)

    class Again(Entry):
        def expire(self) -> None:
            super().expire()
            if len(self.expired) < 3:
                deadlines.add(self, clock.monotonic() + 1)

    entry = Again(clock)
    deadlines.add(entry, 1.0)
    clock.run_until(10)
    assert entry.expired == pytest.approx([1, 2, 3], abs=0.1)
