"""Shares the entries of an ordered subscription out over its shards, by key."""

import asyncio
from collections import deque
from zlib import crc32

from wireloom.errors import TransportError
from wireloom.spi import Delivery
from wireloom_redis.arrival import StreamDelivery

__all__ = ["Dispatch", "shard_of"]

_AT_ONCE = 256


class Dispatch:
    """An intake that moves what it is given to the shards, in the order it came."""

    capacity = _AT_ONCE

    def __init__(self, streams: list[str]) -> None:
        self._streams = streams
        self._waiting: deque[StreamDelivery] = deque()
        self._changed = asyncio.Event()
        self._moved = asyncio.Event()

    @property
    def room(self) -> int:
        """Return how many more may be taken now."""
        return _AT_ONCE - len(self._waiting)

    async def wait_for_room(self) -> int:
        """Wait until there is room; return how much."""
        while not self.room:
            self._moved.clear()
            await self._moved.wait()
        return self.room

    def put(self, delivery: Delivery) -> None:
        """Take an entry to be moved."""
        if isinstance(delivery, StreamDelivery):
            self._waiting.append(delivery)
            self._changed.set()

    async def run(self) -> None:
        """Move until cancelled. What could not be moved is read again by who owns it then.

        :raises TransportError: if the server did not answer.
        """
        while True:
            await self._changed.wait()
            self._changed.clear()
            batch = list(self._waiting)
            try:
                await asyncio.gather(*(self._move(delivery) for delivery in batch))
            except TransportError:
                for delivery in batch:
                    delivery.settlement.forget(delivery.id)
                raise
            finally:
                for _ in batch:
                    self._waiting.popleft()
                self._moved.set()

    async def _move(self, delivery: StreamDelivery) -> None:
        stream = self._streams[shard_of(delivery.message.key, len(self._streams))]
        await delivery.settlement.hand_on(delivery, stream)


def shard_of(key: str | None, shards: int) -> int:
    """Return the shard of a key; without one, all go one way."""
    return crc32(key.encode()) % shards if key else 0
