"""Log lines that anybody on the network can cause, kept few."""

import logging
from typing import Final

__all__ = ["Quiet"]

EVERY: Final = 10.0
"""Seconds between two lines of one kind."""


class Quiet:
    """One kind of warning, at most once in a while, with how many were left out."""

    def __init__(self, log: logging.Logger, what: str) -> None:
        self._log = log
        self._what = what
        self._last: float | None = None
        self._left_out = 0

    def say(self, detail: str, now: float) -> None:
        """Log it, unless that was done lately."""
        if self._last is not None and now - self._last < EVERY:
            self._left_out += 1
            return
        self._last = now
        more = f" (and {self._left_out} more)" if self._left_out else ""
        self._left_out = 0
        self._log.warning("%s: %s%s", self._what, detail, more)
