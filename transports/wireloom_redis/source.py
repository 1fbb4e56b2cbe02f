"""What one group reads from one stream."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from wireloom.spi import Delivery
from wireloom.spi.headers import ATTEMPT, SENT, bounded_int
from wireloom_redis.arrival import StreamDelivery
from wireloom_redis.entry import REPLAYED, Fields, milliseconds_of, place, to_message
from wireloom_redis.failures import RefusedError
from wireloom_redis.hub import Group, Hub
from wireloom_redis.scripts import COUNTS
from wireloom_redis.settling import Settlement

__all__ = ["GroupSource", "Put"]

_log = logging.getLogger("wireloom.redis")
_MAX_ATTEMPT = 1_000_000
_BEGIN = "0-0"

Entry = tuple[bytes, Fields | None]
Put = Callable[[Delivery], None]


class GroupSource:
    """Reads a stream for one consumer of a group: first what this consumer was given and never
    handed over (a reply that was lost), then what silent consumers hold, then what is new.
    """

    def __init__(
        self, hub: Hub, group: Group, key: str, born: str, rung: Callable[[], None]
    ) -> None:
        self.key = key
        self.hungry = True
        """Whether there may be something to read."""
        self.settlement = Settlement(hub, group, key)
        self._hub = hub
        self._group = group
        self._ours = key != group.stream
        self._born = place(born)
        self._rung = rung
        self._own: str | None = _BEGIN
        self._abandoned: str | None = None if group.ordered else _BEGIN
        self._last = born

    def ring(self) -> None:
        """Read again: there is news."""
        self.hungry = True
        self._rung()

    def recover(self) -> None:
        """Begin with what this consumer holds already: the connection is a new one."""
        self._own = _BEGIN
        self.ring()

    def reclaim(self) -> None:
        """Look for what silent consumers hold."""
        if self._abandoned is None:
            self._abandoned = _BEGIN
        self.ring()

    def close(self) -> None:
        """Read no more."""
        self.hungry = False
        self._hub.bell.disarm(self.key, self.ring)

    async def take(self, room: int, put: Put) -> None:
        """Read at most `room` entries.

        :raises TransportError: if that failed; reading goes on where it was.
        """
        self._hub.bell.disarm(self.key, self.ring)
        self.hungry = False
        try:
            if self._own is not None:
                await self._take_own(self._own, room, put)
            elif self._abandoned is not None:
                await self._take_abandoned(self._abandoned, room, put)
            else:
                await self._take_new(room, put)
        except RefusedError as error:
            self.hungry = True
            if error.code != "NOGROUP":
                raise
            await self._regroup()
        except BaseException:
            self.hungry = True
            raise

    async def _take_new(self, room: int, put: Put) -> None:
        entries = await self._read(room, ">")
        for raw, fields in entries:
            self._put(raw.decode(), fields or [], 1, put)
        if len(entries) >= room:
            self.hungry = True
        elif not self.hungry:  # nobody rang meanwhile
            after = self._last if entries else await self._delivered()
            self._hub.bell.arm(self.key, after, self.ring)

    async def _take_own(self, cursor: str, room: int, put: Put) -> None:
        await self.settlement.repeat_acks()
        entries = await self._read(room, cursor)
        await self._take_again(entries, put)
        self._own = entries[-1][0].decode() if entries else None
        self.hungry = True

    async def _take_abandoned(self, cursor: str, room: int, put: Put) -> None:
        wait = int(self._group.native.ack_wait * 1000)
        following, entries, *_ = await self._hub.session.call(
            *("XAUTOCLAIM", self.key, self._group.name, self._group.consumer, wait, cursor),
            *("COUNT", room),
        )
        if not self._group.native.keep_alive:  # then ours, too, are silent after so long
            for raw, _ in entries:
                self.settlement.forget(raw.decode())
        await self._take_again(entries, put)
        self._abandoned = None if following == _BEGIN.encode() else following.decode()
        self.hungry = True

    async def _take_again(self, entries: Sequence[Entry], put: Put) -> None:
        """Hand over what was delivered before, unless it is in work here."""
        found = {raw.decode(): fields for raw, fields in entries}
        for entry_id in [entry_id for entry_id, fields in found.items() if fields is None]:
            await self.settlement.drop(entry_id)  # trimmed or deleted since
        fresh = {
            entry_id: fields
            for entry_id, fields in found.items()
            if fields is not None and entry_id not in self.settlement.in_work
        }
        if fresh:
            counts = await COUNTS.run(self._hub.session, [self.key], self._group.name, *fresh)
            for (entry_id, fields), count in zip(fresh.items(), counts, strict=True):
                self._put(entry_id, fields, count, put)

    async def _read(self, room: int, after: str) -> Sequence[Entry]:
        group = self._group
        head = ("XREADGROUP", "GROUP", group.name, group.consumer, "COUNT", room)
        answer: dict[bytes, Any] | None
        answer = await self._hub.session.call(*head, "STREAMS", self.key, after)
        return next(iter(answer.values())) if answer else ()

    async def _delivered(self) -> str:
        """Return the last entry that anybody in the group was given."""
        name = self._group.name.encode()
        for facts in await self._hub.session.call("XINFO", "GROUPS", self.key):
            if facts[b"name"] == name:
                return str(facts[b"last-delivered-id"].decode())
        raise RefusedError(f"NOGROUP {self._group.name} of {self.key} is gone")

    async def _regroup(self) -> None:
        name = self._group.name
        _log.warning("group %s of %s was gone; it goes on after %s", name, self.key, self._last)
        try:
            await self._hub.session.call("XGROUP", "CREATE", self.key, name, self._last, "MKSTREAM")
        except RefusedError as error:
            if error.code != "BUSYGROUP":
                raise

    def _put(self, entry_id: str, fields: Fields, count: int, put: Put) -> None:
        message, own = to_message(self._group.address, fields)
        attempt = (self._ours and bounded_int(own.get(ATTEMPT), 1, _MAX_ATTEMPT)) or 1
        sent = (self._ours and bounded_int(own.get(SENT), 0, 1 << 53)) or 0
        delivery = StreamDelivery(message, self.settlement, entry_id, fields, attempt)
        delivery.sent_ms = sent or milliseconds_of(entry_id)
        delivery.age = max(0.0, (self._hub.clock.now_ms() - delivery.sent_ms) / 1000)
        delivery.deliveries = attempt - 1 + count
        delivery.stream, delivery.consumer = self.key, self._group.consumer
        if self._ours:
            delivery.replayed = REPLAYED in own
        else:
            delivery.replayed = place(entry_id) <= self._born
        self.settlement.begin(entry_id, delivery)
        self._last = entry_id
        put(delivery)
