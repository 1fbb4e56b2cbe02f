"""Ordered subscriptions: each shard of one is read by its one owner, others stand by."""

import asyncio
import logging
from dataclasses import dataclass

from wireloom.errors import ConfigurationError, ConnectionLostError, TransportError
from wireloom.spi import Intake, Subscriber, Subscription
from wireloom_redis.dispatch import Dispatch
from wireloom_redis.failures import RefusedError
from wireloom_redis.hub import Group, Hub
from wireloom_redis.leases import Leases
from wireloom_redis.names import Names
from wireloom_redis.reader import Reader
from wireloom_redis.source import GroupSource

__all__ = ["LEASE_LASTS", "OrderedSubscriber"]

_log = logging.getLogger("wireloom.redis")
LEASE_LASTS = 6.0
"""Seconds after which a silent owner's shard is another's."""
_ROUND = 1.5
"""Seconds between two rounds of keeping leases and of looking for free ones."""


@dataclass(slots=True)
class _Part:
    """What the owner of one lease reads."""

    reader: Reader
    sources: list[GroupSource]
    reading: bool = False

    @property
    def idle(self) -> bool:
        """Whether nothing of it is in work here."""
        return not any(source.settlement.in_work for source in self.sources)

    def start(self) -> None:
        """Read, beginning with what the owner before left unsettled."""
        self.reading = True
        for source in self.sources:
            source.recover()
        self.reader.start(self.sources)

    async def stop(self) -> None:
        """Read no more."""
        self.reading = False
        await self.reader.stop()


class OrderedSubscriber(Subscriber):
    """Reads the shards that it owns, and gives up more than its share when others come."""

    def __init__(
        self, hub: Hub, group: Group, intake: Intake, born: str, shards: list[str]
    ) -> None:
        self._hub = hub
        self._group = group
        self._stopped = False
        self._heard = hub.environment.clock.monotonic()
        whole = [(group.due, "0-0"), (group.stream, born)]
        self._leases = [Leases(hub, group, map(str, range(len(shards) or 1)), LEASE_LASTS)]
        self._parts: dict[str, _Part] = {}
        if shards:
            dispatch = Dispatch(shards)
            self._moving = hub.tasks.start(f"sharing out {group.name}", dispatch.run)
            self._leases.append(Leases(hub, group, ["dispatch"], LEASE_LASTS))
            self._parts["dispatch"] = self._part(dispatch, whole)
            for number, shard in enumerate(shards):
                self._parts[str(number)] = self._part(intake, [(shard, "0-0")])
        else:
            self._parts["0"] = self._part(intake, whole)
        self._tending = hub.tasks.start(f"owning {group.name}", self._tend)
        hub.session.on_restore(self._recover)

    @classmethod
    async def open(
        cls, hub: Hub, group: Group, subscription: Subscription, intake: Intake, born: str
    ) -> "OrderedSubscriber":
        """Begin to own; live at the server on return.

        :raises ConfigurationError: if other shards than these still hold something.
        """
        shards = await _shards(hub, group, subscription)
        subscriber = cls(hub, group, intake, born, shards)
        await subscriber._round()
        return subscriber

    async def stop(self) -> None:
        """Read no more; what is owned stays so until it is settled."""
        self._stopped = True
        for part in self._parts.values():
            await part.stop()

    async def close(self) -> None:
        """Stop, and let others own."""
        await self.stop()
        self._hub.session.off_restore(self._recover)
        self._tending.cancel()
        if len(self._leases) > 1:
            self._moving.cancel()
        try:
            for leases in self._leases:
                await leases.release(set(leases.held), leave=True)
        except TransportError as error:
            _log.debug("left %s without a word: %s", self._group.name, error)

    def _part(self, intake: Intake, streams: list[tuple[str, str]]) -> _Part:
        reader = Reader(self._hub, self._group.name, intake)
        return _Part(
            reader,
            [GroupSource(self._hub, self._group, *stream, reader.rung) for stream in streams],
        )

    async def _recover(self) -> None:
        for part in self._parts.values():
            if part.reading:
                for source in part.sources:
                    source.recover()

    async def _tend(self) -> None:
        while True:
            await self._hub.environment.clock.sleep(_ROUND)
            try:
                await self._round()
            except ConnectionLostError:
                await self._silent()

    async def _round(self) -> None:
        for leases in self._leases:
            excess = await leases.renew()
            for name in list(leases.held):
                if name not in excess and not self._parts[name].reading and not self._stopped:
                    self._parts[name].start()
            for name in excess:
                await self._give_up(leases, name)
        self._heard = self._hub.environment.clock.monotonic()
        held = set().union(*(leases.held for leases in self._leases))
        for name, part in self._parts.items():
            if part.reading and name not in held:
                await self._lose(part)

    async def _give_up(self, leases: Leases, name: str) -> None:
        """Let another have a part, once nothing of it is in work here."""
        part = self._parts[name]
        if part.reading:
            await part.stop()
        if part.idle:
            await leases.release([name])

    async def _silent(self) -> None:
        """Own nothing any more once the leases have run out unrenewed."""
        if self._hub.environment.clock.monotonic() - self._heard > LEASE_LASTS:
            for part in self._parts.values():
                if part.reading:
                    await self._lose(part)

    async def _lose(self, part: _Part) -> None:
        await part.stop()
        for source in part.sources:
            source.settlement.lose()


async def _shards(hub: Hub, group: Group, subscription: Subscription) -> list[str]:
    """Return the streams of the shards, or none where there is one shard only.

    :raises ConfigurationError: if another number of them still holds something.
    """
    facts, field = hub.names.registry("groups"), f"{group.name} shards"
    wanted = subscription.shards
    known = int(await hub.session.call("HGET", facts, field) or wanted)
    if known != wanted:
        lengths = await asyncio.gather(
            *(hub.session.call("XLEN", stream) for stream in _streams(group, known))
        )
        if any(lengths):
            raise ConfigurationError(
                f"shards={wanted}, but {sum(lengths)} events wait in its {known} shards",
                where=subscription.where,
                remedy=f"let shards={known} finish them first",
            )
    await hub.session.call("HSET", facts, field, wanted)
    streams = _streams(group, wanted)
    for stream in streams:
        try:
            await hub.session.call("XGROUP", "CREATE", stream, group.name, "0", "MKSTREAM")
        except RefusedError as error:
            if error.code != "BUSYGROUP":
                raise
    return streams


def _streams(group: Group, shards: int) -> list[str]:
    return (
        [Names.of(group.due, f"shard.{number}") for number in range(shards)] if shards > 1 else []
    )
