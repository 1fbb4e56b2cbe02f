"""Deliveries of the memory transport."""

from collections.abc import Mapping
from typing import Protocol

from wireloom.errors import ConnectionLostError, TransportError
from wireloom.spi import Delivery, Message, Receive
from wireloom_memory.stream import Entry

__all__ = ["EventDelivery", "Holder", "RequestDelivery", "Reroute"]


class Holder(Protocol):
    """Who has a delivery in hand: a member of a queue."""

    async def settle(self) -> None:
        """Pass planted faults; to be awaited before anything is settled."""

    def done(self, delivery: "EventDelivery") -> None:
        """Let go of it for good."""

    def later(self, delivery: "EventDelivery", again: "EventDelivery", delay: float) -> None:
        """Let go of it, and queue its successor after so many seconds."""

    def back(self, delivery: "EventDelivery", again: "EventDelivery") -> None:
        """Let go of it, and queue its successor where it stood."""

    def bury(self, delivery: "EventDelivery", facts: Mapping[str, str]) -> None:
        """Store it as a dead letter, and let go of it."""


class EventDelivery(Delivery):
    """One arrival of an event at one queue."""

    __slots__ = ("entry", "holder", "lane", "lost")

    def __init__(self, entry: Entry, *, attempt: int = 1, replayed: bool = False) -> None:
        self.message = entry.message
        self.attempt = attempt
        self.deliveries = 1
        self.age = 0.0
        self.pending: int | None = None
        self.replayed = replayed
        self.lost = False
        self.entry = entry
        self.lane = 0
        """The queue's lane that it waits in."""
        self.holder: Holder | None = None
        """None while it waits, and once it is settled or taken away."""

    def again(self, attempt: int) -> "EventDelivery":
        """Return the next arrival of the same event."""
        other = EventDelivery(self.entry, attempt=attempt, replayed=self.replayed)
        other.deliveries = self.deliveries + 1
        return other

    async def ack(self) -> None:
        """Settle: done."""
        holder = await self._held()
        holder.done(self)

    async def retry(self, delay: float, attempt: int) -> None:
        """Settle: deliver to this queue again after `delay` seconds, as run `attempt`."""
        holder = await self._held()
        holder.later(self, self.again(attempt), delay)

    async def give_back(self) -> None:
        """Settle: it was not started; deliver it again in its old place, as the same run."""
        if self.lost:
            return
        holder = await self._held()
        holder.back(self, self.again(self.attempt))

    async def dead_letter(self, facts: Mapping[str, str]) -> None:
        """Settle: keep it among the subscription's dead letters."""
        holder = await self._held()
        holder.bury(self, facts)

    async def _held(self) -> Holder:
        if self.holder is not None:
            await self.holder.settle()
        if self.holder is None:
            raise ConnectionLostError("this delivery was taken away: it is delivered again")
        return self.holder


class Reroute(Protocol):
    """Finds another member for a request that was not started."""

    def __call__(self, message: Message) -> None:
        """Hand it over, or tell its requester that nobody is left. Never raises."""


class RequestDelivery(Delivery):
    """One request at the one member that runs it."""

    __slots__ = ("_inboxes", "_reroute")

    def __init__(self, message: Message, inboxes: Mapping[str, Receive], reroute: Reroute) -> None:
        self.message = message
        self.attempt = 1
        self.deliveries = 1
        self.age = 0.0
        self.pending: int | None = None
        self.replayed = False
        self._inboxes = inboxes
        self._reroute = reroute

    def try_reply(self, message: Message) -> bool:
        """Hand a message to the requester's inbox; one that is gone is no error."""
        receive = self._inboxes.get(message.address)
        if receive is not None:
            receive(message)
        return True

    async def reply(self, message: Message) -> None:
        """Hand a message to the requester's inbox; one that is gone is no error."""
        self.try_reply(message)

    async def give_back(self) -> None:
        """Let another member run it."""
        self._reroute(self.message)

    async def retry(self, delay: float, attempt: int) -> None:
        """Refuse: requests are never run again.

        :raises TransportError: always.
        """
        raise TransportError("a request is not retried")

    async def dead_letter(self, facts: Mapping[str, str]) -> None:
        """Refuse: a request's error goes to its requester.

        :raises TransportError: always.
        """
        raise TransportError("a request is not dead-lettered")
