"""Copies of stored events for this instance alone: broadcast and ephemeral subscriptions."""

from collections.abc import Callable, Mapping
from typing import Any

from wireloom.spi import Message, Timer
from wireloom_redis.delivery import RedisDelivery
from wireloom_redis.entry import (
    ADDRESS,
    Fields,
    fields_of,
    milliseconds_of,
    place,
    to_message,
    with_own,
)
from wireloom_redis.hub import Group, Hub
from wireloom_redis.source import Put

__all__ = ["Copies", "CopyDelivery", "CopySource"]


class Copies:
    """Settles copies: nothing is kept at the server for them, so what is to be run again waits
    here, and is gone with the process.
    """

    def __init__(self, hub: Hub, group: Group) -> None:
        self._hub = hub
        self._group = group
        self._put: Put | None = None
        self._timers: dict[int, Timer] = {}

    def open(self, put: Put) -> None:
        """Hand over what is due again by `put`."""
        self._put = put

    def close(self) -> None:
        """Drop what waits."""
        self._put = None
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def again(self, delivery: "CopyDelivery", delay: float, attempt: int) -> None:
        """Hand it over again once the delay is over."""
        following = delivery.copy(attempt)
        clock = self._hub.environment.clock
        due = clock.monotonic() + delay
        self._timers[id(following)] = clock.call_at(due, lambda: self._due(following))

    async def bury(self, delivery: "CopyDelivery", facts: Mapping[str, str]) -> None:
        """Add it to the subscription's dead letters."""
        own = {**facts, ADDRESS: delivery.message.address}
        kept = self._group.native.dead_letters
        trim = ("MAXLEN", "~", kept) if kept else ()
        fields = with_own(delivery.fields or fields_of(delivery.message), own)
        await self._hub.session.call("XADD", self._group.dead, *trim, "*", *fields)

    def _due(self, delivery: "CopyDelivery") -> None:
        self._timers.pop(id(delivery), None)
        if self._put is not None:
            self._put(delivery)


class CopyDelivery(RedisDelivery):
    """One instance's own copy."""

    __slots__ = ("_copies", "fields")

    def __init__(
        self, message: Message, copies: Copies, fields: Fields | None, attempt: int = 1
    ) -> None:
        super().__init__(message, attempt=attempt)
        self._copies = copies
        self.fields = fields

    def copy(self, attempt: int) -> "CopyDelivery":
        """Return the same arrival for a further run."""
        following = CopyDelivery(self.message, self._copies, self.fields, attempt)
        following.stream, following.entry_id = self.stream, self.entry_id
        following.replayed = self.replayed
        return following

    async def retry(self, delay: float, attempt: int) -> None:
        """Run it again here."""
        self._copies.again(self, delay, attempt)

    async def dead_letter(self, facts: Mapping[str, str]) -> None:
        """Store it with the subscription's dead letters."""
        await self._copies.bury(self, facts)

    async def give_back(self) -> None:
        """Drop it: nobody else has a use for this instance's copy."""


class CopySource:
    """Reads a stream for this instance alone, from a place that only it remembers."""

    def __init__(
        self, hub: Hub, group: Group, after: str, last: str, rung: Callable[[], None]
    ) -> None:
        self.hungry = True
        """Whether there may be something to read."""
        self.copies = Copies(hub, group)
        self._hub = hub
        self._group = group
        self._after = after
        self._last = place(last)
        self._rung = rung

    def ring(self) -> None:
        """Read again: there is news."""
        self.hungry = True
        self._rung()

    recover = ring

    def reclaim(self) -> None:
        """Do nothing: nobody else holds what is ours."""

    def close(self) -> None:
        """Read no more."""
        self.hungry = False
        self._hub.bell.disarm(self._group.stream, self.ring)

    async def take(self, room: int, put: Put) -> None:
        """Read at most `room` entries.

        :raises TransportError: if that failed; reading goes on where it was.
        """
        self._hub.bell.disarm(self._group.stream, self.ring)
        self.hungry = False
        try:
            answer: dict[bytes, Any] | None = await self._hub.session.call(
                "XREAD", "COUNT", room, "STREAMS", self._group.stream, self._after
            )
        except BaseException:
            self.hungry = True
            raise
        entries = next(iter(answer.values())) if answer else ()
        for raw, fields in entries:
            self._after = raw.decode()
            self._hand_over(self._after, fields, put)
        if len(entries) >= room:
            self.hungry = True
        elif not self.hungry:  # nobody rang meanwhile
            self._hub.bell.arm(self._group.stream, self._after, self.ring)

    def _hand_over(self, entry_id: str, fields: Fields, put: Put) -> None:
        message, _ = to_message(self._group.address, fields)
        delivery = CopyDelivery(message, self.copies, fields)
        sent = milliseconds_of(entry_id)
        delivery.age = max(0.0, (self._hub.clock.now_ms() - sent) / 1000)
        delivery.stream, delivery.entry_id = self._group.stream, entry_id
        delivery.replayed = place(entry_id) <= self._last
        put(delivery)
