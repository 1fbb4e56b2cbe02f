"""The server's clock, which all who share it can agree on."""

from wireloom.spi import Clock
from wireloom_redis.session import Session

__all__ = ["ServerClock"]

_DRIFT = 0.05
"""Seconds within which a slower sample does not replace a quicker one."""


class ServerClock:
    """The server's time, read from our own monotonic clock by the difference between them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = 0.0
        self._spread = float("inf")

    def now_ms(self) -> float:
        """Return the server's milliseconds since the epoch; good to half a round trip."""
        return (self._clock.monotonic() + self._offset) * 1000

    async def compare(self, session: Session) -> None:
        """Ask the server for its time."""
        asked = self._clock.monotonic()
        seconds, micros = await session.call("TIME")
        answered = self._clock.monotonic()
        spread = (answered - asked) / 2
        offset = int(seconds) + int(micros) / 1e6 - asked - spread
        if spread <= self._spread or abs(offset - self._offset) > spread + _DRIFT:
            self._offset, self._spread = offset, spread
