"""Who serves requests: live channels by pattern, as the server lists them."""

import random
from dataclasses import dataclass, field

from wireloom.errors import TransportError
from wireloom.pattern import Pattern
from wireloom.spi import Clock
from wireloom_redis.clock import ServerClock
from wireloom_redis.names import Names
from wireloom_redis.session import Session
from wireloom_redis.tasks import Tasks

__all__ = ["Members", "Ring"]

FRESH = 1.0
"""Seconds after which a list is asked for again, in the background, when it is next used."""
_REMEMBERED = 10_000


@dataclass(slots=True)
class Ring:
    """The channels that serve one address, taken in turn."""

    channels: list[str]
    asked: float
    asking: bool = False
    _next: int = field(default_factory=lambda: random.randrange(1 << 16))  # noqa: S311

    def turn(self) -> list[str]:
        """Return the channels, beginning with the one whose turn it is."""
        channels = self.channels
        if len(channels) < 2:
            return channels.copy()
        self._next += 1
        at = self._next % len(channels)
        return channels[at:] + channels[:at]

    def drop(self, channel: str) -> None:
        """Forget a channel that nobody listens to."""
        if channel in self.channels:
            self.channels.remove(channel)


class Members:
    """Remembers the channels of each address for a second, then asks again."""

    def __init__(
        self, session: Session, names: Names, server: ServerClock, clock: Clock, tasks: Tasks
    ) -> None:
        self._session = session
        self._names = names
        self._server = server
        self._clock = clock
        self._tasks = tasks
        self._rings: dict[str, Ring] = {}

    def known(self, address: str) -> Ring | None:
        """Return the channels of an address if they are known and there is one."""
        ring = self._rings.get(address)
        if ring is None or not ring.channels:
            return None
        if self._clock.monotonic() - ring.asked > FRESH and not ring.asking:
            ring.asking = True
            self._tasks.start(f"asking who serves {address}", lambda: self._refresh(address))
        return ring

    async def ask(self, address: str) -> Ring:
        """Return the channels of an address as the server lists them now.

        :raises TransportError: if it did not answer.
        """
        now = int(self._server.now_ms())
        link = self._session.link
        exact = link.call("ZRANGE", self._names.members(address), now, "+inf", "BYSCORE")
        wild = link.call("ZRANGE", self._names.wild_members, now, "+inf", "BYSCORE")
        channels = [raw.decode() for raw in await exact]
        if not channels:
            channels = [raw.decode() for raw in await wild if self._serves(raw.decode(), address)]
        else:
            wild.cancel()
        if len(self._rings) >= _REMEMBERED:
            self._rings.clear()
        ring = self._rings[address] = Ring(channels, self._clock.monotonic())
        return ring

    def forget(self) -> None:
        """Forget everything: the connection is a new one."""
        self._rings.clear()

    async def _refresh(self, address: str) -> None:
        try:
            await self.ask(address)
        except TransportError:
            self._rings.pop(address, None)

    def _serves(self, member: str, address: str) -> bool:
        return Pattern(self._names.served(member)).matches(address)
