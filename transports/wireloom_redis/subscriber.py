"""Live subscriptions to stored events."""

import logging
from typing import Any

from wireloom.errors import TransportError
from wireloom.spi import Intake, Subscriber
from wireloom_redis.copies import CopySource
from wireloom_redis.hub import Group, Hub
from wireloom_redis.reader import Reader
from wireloom_redis.scripts import LEAVE
from wireloom_redis.source import GroupSource

__all__ = ["CopySubscriber", "GroupSubscriber"]

_log = logging.getLogger("wireloom.redis")
_AT_ONCE = 500
_LONG_GONE = 3600 * 1000
"""Milliseconds: a live consumer looks for abandoned entries every few seconds."""


class GroupSubscriber(Subscriber):
    """A consumer of a group, which competes with the others."""

    def __init__(self, hub: Hub, group: Group, intake: Intake, born: str) -> None:
        self._hub = hub
        self._group = group
        self._reader = Reader(hub, group.name, intake)
        self._sources = [
            GroupSource(hub, group, key, first, self._reader.rung)
            for key, first in ((group.due, "0-0"), (group.stream, born))
        ]
        self._reader.start(self._sources)
        self._tending = hub.tasks.start(f"tending {group.name}", self._tend)
        hub.session.on_restore(self._recover)

    async def stop(self) -> None:
        """Read no more; what was read is kept ours until it is settled."""
        await self._reader.stop()

    async def close(self) -> None:
        """Stop, and leave the group; what is left unsettled is for others at once."""
        await self.stop()
        self._tending.cancel()
        self._hub.session.off_restore(self._recover)
        try:
            for source in self._sources:
                await self._claim(source, "IDLE", int(self._group.native.ack_wait * 1000))
                who = (self._group.name, self._group.consumer)
                await LEAVE.run(self._hub.session, [source.key], *who, _LONG_GONE)
        except TransportError as error:
            _log.debug("left %s without a word: %s", self._group.name, error)

    async def _recover(self) -> None:
        for source in self._sources:
            source.recover()

    async def _tend(self) -> None:
        """Show that what is in work here is, and look for what silent consumers hold."""
        while True:
            await self._hub.environment.clock.sleep(self._group.native.ack_wait / 3)
            for source in self._sources:
                if self._group.native.keep_alive:
                    await self._claim(source)
                source.reclaim()

    async def _claim(self, source: GroupSource, *how: str | int) -> None:
        """Show that what is in work here is ours."""
        entries = list(source.settlement.in_work)
        for at in range(0, len(entries), _AT_ONCE):
            claimed: tuple[Any, ...] = (*entries[at : at + _AT_ONCE], *how, "JUSTID")
            await self._hub.session.call(
                "XCLAIM", source.key, self._group.name, self._group.consumer, 0, *claimed
            )


class CopySubscriber(Subscriber):
    """A reader of its own copy."""

    def __init__(self, hub: Hub, group: Group, intake: Intake, after: str, last: str) -> None:
        self._hub = hub
        self._reader = Reader(hub, group.name, intake)
        self._source = CopySource(hub, group, after, last, self._reader.rung)
        self._source.copies.open(intake.put)
        self._reader.start([self._source])
        hub.session.on_restore(self._recover)

    async def stop(self) -> None:
        """Read no more."""
        await self._reader.stop()
        self._source.copies.close()
        self._hub.session.off_restore(self._recover)

    async def _recover(self) -> None:
        self._source.recover()
