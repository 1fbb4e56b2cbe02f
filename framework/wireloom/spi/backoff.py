"""How long to wait before trying to connect again."""

import random
from dataclasses import dataclass, field

__all__ = ["FullJitter"]


@dataclass(slots=True)
class FullJitter:
    """Full-jitter exponential waits: a random time below a bound that doubles up to a cap, so that
    a fleet that lost its broker at one moment does not return at one moment.
    """

    first: float = 0.05
    """Seconds: the first bound."""
    cap: float = 5.0
    """Seconds: the largest bound."""
    _bound: float = field(default=0.0, init=False)

    def next(self) -> float:
        """Return how many seconds to wait now."""
        self._bound = min(self.cap, self._bound * 2 or self.first)
        return random.uniform(0.0, self._bound)  # noqa: S311 - jitter is no secret

    def reset(self) -> None:
        """Begin anew; to be called when a connection has been healthy for a while."""
        self._bound = 0.0
