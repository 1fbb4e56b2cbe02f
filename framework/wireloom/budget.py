"""One bound on the time of several steps, of which each may hang."""

import asyncio
from typing import Final

__all__ = ["Budget"]

RESERVE: Final = 0.3
"""Seconds that are kept for each step that is still to come."""


class Budget:
    """Hands out what is left of a number of seconds, keeping something for the steps behind."""

    def __init__(self, seconds: float, steps: int) -> None:
        self._until = asyncio.get_running_loop().time() + seconds
        self._steps = steps

    def next(self) -> float:
        """Return the seconds that the next step may take."""
        self._steps -= 1
        left = self._until - asyncio.get_running_loop().time()
        return max(RESERVE, left - RESERVE * max(0, self._steps))

    def extend(self, seconds: float) -> None:
        """Add seconds that a step is allowed beyond the budget."""
        self._until += seconds
