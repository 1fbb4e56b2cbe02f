"""The loop that reads streams for one subscription."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from wireloom.errors import ConnectionLostError
from wireloom.spi import Intake
from wireloom_redis.hub import Hub
from wireloom_redis.source import Put

__all__ = ["Reader", "Source"]

_STOP_TIMEOUT = 2.0
"""Seconds for the read that is under way: what it brings would else wait for its consumer's end."""


class Source(Protocol):
    """One stream, as a reader reads it."""

    @property
    def hungry(self) -> bool:
        """Whether there may be something to read."""

    async def take(self, room: int, put: Put) -> None:
        """Read at most so many entries."""

    def recover(self) -> None:
        """Take notice of a new connection."""

    def reclaim(self) -> None:
        """Look for what others left behind."""

    def close(self) -> None:
        """Read no more."""


class Reader:
    """Reads its sources in turn, for as much as the intake has room for."""

    def __init__(self, hub: Hub, name: str, intake: Intake) -> None:
        self._hub = hub
        self._name = name
        self._intake = intake
        self._sources: Sequence[Source] = ()
        self._rung = asyncio.Event()
        self._between = asyncio.Event()
        self._between.set()
        self._task: asyncio.Task[None] | None = None

    @property
    def sources(self) -> Sequence[Source]:
        """Return what is being read."""
        return self._sources

    def rung(self) -> None:
        """Read: a source has news."""
        self._rung.set()

    def start(self, sources: Sequence[Source]) -> None:
        """Begin to read these."""
        self._sources = sources
        self._rung.set()
        self._task = self._hub.tasks.start(f"reading {self._name}", self._run)

    async def stop(self) -> None:
        """Read no more; what was read by then has been handed over."""
        task, self._task = self._task, None
        if task is None:
            return
        try:
            async with asyncio.timeout(_STOP_TIMEOUT):
                await self._between.wait()
        except TimeoutError:
            pass  # the connection is frozen; another consumer will claim what it brings
        task.cancel()
        await asyncio.wait({task}, timeout=_STOP_TIMEOUT)
        for source in self._sources:
            source.close()

    async def _run(self) -> None:
        while self._task is not None:
            await self._rung.wait()
            await self._hub.session.wait_up()
            room = await self._intake.wait_for_room()
            source = next((source for source in self._sources if source.hungry), None)
            if source is None:
                self._rung.clear()
            elif self._task is not None:
                await self._take(source, room)

    async def _take(self, source: Source, room: int) -> None:
        self._between.clear()
        try:
            await source.take(room, self._intake.put)
        except ConnectionLostError:
            await asyncio.sleep(0)  # it goes on when the connection is back
        finally:
            self._between.set()
