"""Commits what is finished, in rounds: many settled deliveries share one exchange."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping

from aiokafka import TopicPartition

from wireloom.errors import ClosedError, TransportError
from wireloom_kafka.share import Share

__all__ = ["Committer"]

Commit = Callable[[Mapping[TopicPartition, tuple[int, str]]], Awaitable[None]]
"""Sends offsets with their metadata. Raises TransportError."""

logger = logging.getLogger("wireloom.kafka")


class Committer:
    """One consumer's commits. `run` is the round, held by the reader."""

    def __init__(self, commit: Commit, shares: Callable[[], Iterable[Share]], every: float) -> None:
        self._commit = commit
        self._shares = shares
        self._every = every
        self._touched = asyncio.Event()
        self._hurry = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []

    def touch(self) -> None:
        """Tell that something was finished; it is committed soon."""
        self._touched.set()

    async def flush(self) -> None:
        """Return when everything that is finished now is committed.

        :raises TransportError: if that failed.
        """
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._touched.set()
        self._hurry.set()
        await waiter

    async def run(self) -> None:
        """Commit now and then until cancelled, then fail those that still wait."""
        try:
            while True:
                await self._touched.wait()
                await self._pause()
                await self._round()
        finally:
            self._answer(self._waiting, ClosedError("the subscription was closed"))

    async def now(self) -> None:
        """Commit what is new.

        :raises TransportError: if that failed; a later round tries again.
        """
        dirty = {share: share.snapshot() for share in self._shares() if share.is_dirty}
        if not dirty:
            return
        await self._commit({share.partition: snapshot for share, snapshot in dirty.items()})
        for share, snapshot in dirty.items():
            share.committed(snapshot)

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._every):
                await self._hurry.wait()
        except TimeoutError:
            return

    async def _round(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._touched.clear()
        self._hurry.clear()
        try:
            await self.now()
        except TransportError as error:
            logger.warning("offsets were not committed, to be tried again: %s", error)
            self._touched.set()
            self._answer(waiting, error)
        except asyncio.CancelledError:
            self._answer(waiting, ClosedError("the subscription was closed"))
            raise
        else:
            self._answer(waiting, None)

    @staticmethod
    def _answer(waiting: Iterable["asyncio.Future[None]"], error: TransportError | None) -> None:
        for waiter in waiting:
            if waiter.done():
                continue
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)
