"""How the entries of one group on one stream are settled."""

import logging
from collections.abc import Mapping

from wireloom.spi.headers import ATTEMPT, SENT
from wireloom_redis.acks import Acks
from wireloom_redis.arrival import StreamDelivery
from wireloom_redis.delays import Delays
from wireloom_redis.entry import ADDRESS, REPLAYED, with_own
from wireloom_redis.hub import Group, Hub
from wireloom_redis.scripts import AGAIN, DEAD

__all__ = ["Settlement"]

_log = logging.getLogger("wireloom.redis")


class Settlement:
    """Knows what is in work here, so that a broken connection neither repeats nor loses it."""

    def __init__(self, hub: Hub, group: Group, key: str) -> None:
        self._hub = hub
        self._group = group
        self._key = key
        self._forget = key != group.stream
        self._acks = Acks(hub.session, key, group.name, forget=self._forget)
        self._in_work: dict[str, StreamDelivery] = {}

    def begin(self, entry_id: str, delivery: StreamDelivery) -> None:
        """Remember that an entry is in work."""
        self._in_work[entry_id] = delivery

    @property
    def in_work(self) -> Mapping[str, StreamDelivery]:
        """Return what was handed over and is not settled, by entry."""
        return self._in_work

    def forget(self, entry_id: str) -> None:
        """Let an entry be handed over again."""
        self._in_work.pop(entry_id, None)

    def lose(self) -> None:
        """Another owner will be given all this; what was not started here must not be."""
        for delivery in self._in_work.values():
            delivery.lost = True
        self._in_work.clear()

    async def repeat_acks(self) -> None:
        """Acknowledge what was finished when a connection broke."""
        await self._acks.repeat()

    async def drop(self, entry_id: str) -> None:
        """Acknowledge an entry that does not exist any more."""
        await self._acks.add(entry_id)

    async def ack(self, delivery: StreamDelivery) -> None:
        """Acknowledge: done."""
        self.forget(delivery.id)
        await self._acks.add(delivery.id)

    async def again(self, delivery: StreamDelivery, delay: float, attempt: int) -> None:
        """Move it to the subscription's own stream, once the delay is over."""
        await self._move(delivery, self._group.due, delay, attempt)
        if delay:
            self._hub.delays.added()

    async def hand_on(self, delivery: StreamDelivery, stream: str) -> None:
        """Move it to one of the subscription's shards."""
        await self._move(delivery, stream, 0.0, delivery.attempt)

    async def bury(self, delivery: StreamDelivery, facts: Mapping[str, str]) -> None:
        """Move it to the dead letters."""
        group = self._group
        own = {**facts, ADDRESS: delivery.message.address}
        settled = await DEAD.run(
            self._hub.session,
            [self._key, group.dead],
            *(group.name, delivery.id, int(self._forget), group.native.dead_letters or 0),
            *with_own(delivery.fields, own),
        )
        self._end(delivery, settled)

    async def _move(
        self, delivery: StreamDelivery, stream: str, delay: float, attempt: int
    ) -> None:
        own = {ATTEMPT: str(attempt), SENT: str(delivery.sent_ms)}
        if delivery.replayed:
            own[REPLAYED] = "1"
        settled = await AGAIN.run(
            self._hub.session,
            [self._key, stream, Delays.waiting(stream)],
            *(self._group.name, delivery.id, int(self._forget), int(delay * 1000)),
            *with_own(delivery.fields, own),
        )
        self._end(delivery, settled)

    async def give_back(self, delivery: StreamDelivery) -> None:
        """Let another consumer have it now; in order, let the next owner find it in its place."""
        if self._group.ordered:
            self.forget(delivery.id)
        else:
            await self.again(delivery, 0.0, delivery.attempt)

    def _end(self, delivery: StreamDelivery, settled: int) -> None:
        self.forget(delivery.id)
        if not settled:
            _log.warning(
                "entry %s of %s was settled by another consumer of %s meanwhile",
                *(delivery.id, self._key, self._group.name),
            )
