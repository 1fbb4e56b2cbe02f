"""Runs that may be stopped: by a timeout, by their caller, by silence."""

import asyncio
from typing import Any, Final

from wireloom.spi import Clock

__all__ = ["NEVER", "Run", "Watchdog"]

NEVER: Final = float("inf")
INTERVAL: Final = 1 / 32


class Run:
    """What a worker runs at present. One object for a worker's whole life."""

    __slots__ = ("stopped", "task", "until")

    def __init__(self, task: "asyncio.Task[Any]") -> None:
        self.task = task
        self.until = NEVER
        """The clock's time at which what runs now is stopped."""
        self.stopped: str | None = None
        """Why it was stopped: "timeout", "cancelled", "silence"; None while it was not."""

    def stop(self, reason: str) -> None:
        """Cancel what runs now; the worker goes on with the next delivery."""
        if self.stopped is None:
            self.stopped = reason
            self.task.cancel()


class Watchdog:
    """Stops runs whose time is up, at most 1/32 s late.

    It looks at all runs at an interval, since there are never more than workers: arming a timer
    for each message would cost more than running a short handler. It sleeps while nothing runs.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._runs: set[Run] = set()
        self.ending = False
        """Whether the application ends: a run that is cancelled now is not to blame."""
        self.awake = False
        """Whether it is looking; a worker that sets `until` calls `wake` if it is not."""

    def watch(self, run: Run) -> None:
        """Begin to watch a worker's runs."""
        self._runs.add(run)

    def forget(self, run: Run) -> None:
        """The worker has ended."""
        self._runs.discard(run)

    def wake(self) -> None:
        """Look at the runs until none has an end."""
        self.awake = True
        self._clock.call_at(self._clock.monotonic() + INTERVAL, self._look)

    def _look(self) -> None:
        now = self._clock.monotonic()
        limited = False
        for run in self._runs:
            if run.until <= now:
                run.until = NEVER
                run.stop("timeout")
            limited = limited or run.until is not NEVER
        if limited:
            self.wake()
        else:
            self.awake = False
