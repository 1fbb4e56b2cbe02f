"""Moves what is due to the streams it waits for."""

import asyncio

from wireloom_redis.names import Names
from wireloom_redis.scripts import DUE
from wireloom_redis.session import Session

__all__ = ["Delays"]

_POLL = 0.5
"""Seconds at most between two looks: others may have something wait without telling us."""


class Delays:
    """Serves the streams that this process knows; so does every other process that knows them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._keys: dict[str, str] = {}
        self._sooner = asyncio.Event()

    def watch(self, stream: str) -> None:
        """Move what waits for a stream from now on."""
        self._keys.setdefault(self.waiting(stream), stream)

    @staticmethod
    def waiting(stream: str) -> str:
        """Return the sorted set of what waits for a stream."""
        return Names.of(stream, "delay")

    def added(self) -> None:
        """Look again soon: something was added here."""
        self._sooner.set()

    async def run(self) -> None:
        """Look and move until cancelled.

        :raises TransportError: if the connection broke.
        """
        while True:
            await self._session.wait_up()
            wait = await self._move()
            try:
                async with asyncio.timeout(wait):
                    await self._sooner.wait()
            except TimeoutError:
                continue

    async def _move(self) -> float:
        self._sooner.clear()
        if not self._keys:
            return _POLL
        keys = [key for pair in self._keys.items() for key in pair]
        nearest, *_ = await DUE.run(self._session, keys)
        return _POLL if nearest < 0 else min(_POLL, nearest / 1000)
