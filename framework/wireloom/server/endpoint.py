"""One handler on one token, compiled: what a runner needs for each delivery, and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from wireloom.binding import BoundHandler
from wireloom.link import Link
from wireloom.middleware import Call
from wireloom.routing import Route
from wireloom.server.watchdog import Watchdog
from wireloom.spi import Origin, Subscription
from wireloom.spi.headers import DEADLINE, bounded_int

__all__ = ["Endpoint", "seconds_left"]

LONGEST_MS: Final = 366 * 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Everything that is the same for each call."""

    route: Route
    subscription: Subscription
    link: Link
    watchdog: Watchdog
    origin: Origin
    handler: BoundHandler
    call: Call
    """The handler with its layers around it."""

    @property
    def timeout(self) -> float | None:
        """Return the seconds that a run may take."""
        return self.route.mark.timeout


def seconds_left(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a message had left when it was published; None without a deadline.

    The header is anybody's: what is no sane number of milliseconds is no deadline.
    """
    text = headers.get(DEADLINE)
    if text is None:
        return None
    known = _KNOWN.get(text)
    if known is not None:
        return known
    remaining = bounded_int(text, 0, LONGEST_MS)
    if remaining is None:
        return None
    if len(_KNOWN) < 256:  # few timeouts are in use, and any number of others is a peer's choice
        _KNOWN[text] = remaining / 1000
    return remaining / 1000


_KNOWN: Final[dict[str, float]] = {}
