"""Keeps streams within the limits of their events."""

import logging

from wireloom.spi import Clock, Limits
from wireloom_redis.declared import Declared
from wireloom_redis.failures import RefusedError
from wireloom_redis.names import Names
from wireloom_redis.scripts import TRIM
from wireloom_redis.session import Session

__all__ = ["Trimmer"]

_log = logging.getLogger("wireloom.redis")


class Trimmer:
    """Drops what is older or more than an event's limits allow, and every group has finished."""

    def __init__(
        self, session: Session, names: Names, declared: Declared, clock: Clock, every: float
    ) -> None:
        self._session = session
        self._names = names
        self._declared = declared
        self._clock = clock
        self._every = every
        self._held: set[tuple[str, str]] = set()

    async def run(self) -> None:
        """Trim now and then until cancelled.

        :raises TransportError: if the connection broke.
        """
        while True:
            await self._clock.sleep(self._every)
            await self._session.wait_up()
            for address, limits in self._declared.to_trim().items():
                await self.trim(self._names.stream(address), limits)

    async def trim(self, stream: str, limits: Limits) -> int:
        """Trim one stream; return how many entries were dropped."""
        age, messages = int((limits.age or 0) * 1000), limits.messages or 0
        if not age and not messages:
            return 0
        try:
            dropped, holder = await TRIM.run(self._session, [stream], age, messages)
        except RefusedError as error:
            _log.warning("%s cannot be trimmed: %s", stream, error)
            return 0
        if holder and (stream, holder.decode()) not in self._held:
            self._held.add((stream, holder.decode()))
            _log.warning("%s exceeds its limits: %s has not finished it", stream, holder.decode())
        return int(dropped)
