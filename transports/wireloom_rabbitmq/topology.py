"""How exchanges, queues and bindings come to be on the broker."""

import asyncio
from collections.abc import Sequence

from aiormq.abc import AbstractChannel
from aiormq.exceptions import (
    ChannelClosed,
    ChannelLockedResource,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
)

from wireloom.errors import ConfigurationError
from wireloom_rabbitmq.drift import Difference, adopt, difference
from wireloom_rabbitmq.errors import access_refused, bounded
from wireloom_rabbitmq.items import Exchange, Item, Queue, declare, look_up
from wireloom_rabbitmq.link import Link

__all__ = ["Topologist"]


class Topologist:
    """Declares on one connection, each thing once."""

    def __init__(self, link: Link, timeout: float) -> None:
        self._link = link
        self._timeout = timeout
        self._done: set[str] = set()
        self._lock = asyncio.Lock()

    async def declare(self, items: Sequence[Item], *, again: bool = False) -> None:
        """Create what is missing, in this order.

        :raises ConfigurationError: if one exists otherwise, naming the setting, or may not be made.
        :raises TransportError: if the broker did not answer.
        """
        async with self._lock:
            missing = [item for item in items if again or repr(item) not in self._done]
            if missing:
                await self._declare_all(missing)

    async def _declare_all(self, items: Sequence[Item]) -> None:
        async with self._link.throw_away() as channel:
            for item in items:
                async with bounded(f"declare {item.what} {item.name!r}", self._timeout):
                    await self._declare(channel, item)
                self._done.add(repr(item))

    async def exists(self, item: Exchange | Queue) -> bool:
        """Tell whether there is something of this kind and name."""
        async with (
            self._link.throw_away() as channel,
            bounded(f"look up {item.what} {item.name!r}", self._timeout),
        ):
            try:
                await look_up(channel, item)
            except ChannelNotFoundEntity:
                return False
            return True

    async def claim(self, queue: Queue) -> bool:
        """Make an exclusive queue; return False if another connection has it."""
        async with (
            self._link.throw_away() as channel,
            bounded(f"claim {queue.name!r}", self._timeout),
        ):
            try:
                await declare(channel, queue)
            except ChannelLockedResource:
                return False
            return True

    async def delete(self, queue: Queue) -> None:
        """Delete a queue; one that is gone is no error."""
        async with (
            self._link.throw_away() as channel,
            bounded(f"delete {queue.name!r}", self._timeout),
        ):
            await channel.queue_delete(queue.name)
        self._done.discard(repr(queue))

    async def purge(self, queue: str) -> None:
        """Drop what waits in a queue."""
        async with (
            self._link.throw_away() as channel,
            bounded(f"purge {queue!r}", self._timeout),
        ):
            await channel.queue_purge(queue)

    async def differences(self, item: Exchange | Queue) -> list[Difference]:
        """Compare something that exists with what is wanted; change nothing."""
        found: list[Difference] = []
        while difference := await self._difference(item):
            found.append(difference)
            if len(found) > len(item.arguments) + 8:
                break
            item = adopt(item, difference)
        return found

    async def _difference(self, item: Exchange | Queue) -> Difference | None:
        async with (
            self._link.throw_away() as channel,
            bounded(f"compare {item.what} {item.name!r}", self._timeout),
        ):
            try:
                await declare(channel, item)
            except ChannelPreconditionFailed as error:
                return difference(error)
            return None

    async def _declare(self, channel: AbstractChannel, item: Item) -> None:
        try:
            await declare(channel, item)
        except ChannelPreconditionFailed as error:
            found = difference(error)
            raise ConfigurationError(
                f"{item.what} {item.name!r} exists with {found.setting}={found.old},"
                f" not {found.new}",
                remedy=f"delete the {item.what}, give the handler another name, or set it alike",
            ) from error
        except ChannelClosed as error:
            if access_refused(error):
                raise ConfigurationError(
                    f"{item.what} {item.name!r} may not be made by this user: {error}",
                    remedy="`wireloom topology apply` as one who may, and declare=False here",
                ) from error
            raise
