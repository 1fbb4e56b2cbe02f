"""Deliveries of requests and events, wherever they came from."""

from collections.abc import Mapping
from typing import Protocol

from wireloom.spi import Message
from wireloom_tcp.dead_letters import DeadLetterStore
from wireloom_tcp.inlet import Arrival, Inlet

__all__ = ["Congestible", "EventDelivery", "RequestDelivery", "RequestSource", "Source"]


class Source(Protocol):
    """The sender's side of one event that arrived, which is told what becomes of it."""

    @property
    def remote_address(self) -> str | None:
        """Return the sender's address."""

    @property
    def principal(self) -> str | None:
        """Return who the sender is, by its certificate."""

    def queued(self) -> None:
        """Note that it waits for room."""

    def accepted(self, *, queued: bool) -> None:
        """Tell that it was taken."""

    def settled(self) -> None:
        """Tell that it is done with."""

    def attempt(self, attempt: int) -> None:
        """Tell that its next run is this one."""

    def returned(self, *, queued: bool, delay: float) -> None:
        """Send it back, to be delivered elsewhere in `delay` seconds."""


class EventDelivery(Arrival):
    """One event at one subscription."""

    __slots__ = ("_dead_letters", "_inlet", "_source")

    def __init__(
        self,
        message: Message,
        inlet: Inlet,
        source: Source,
        dead_letters: DeadLetterStore,
        *,
        attempt: int = 1,
        deliveries: int = 1,
        age: float = 0.0,
    ) -> None:
        super().__init__(message, attempt=attempt)
        self.deliveries = deliveries
        self.age = age
        self._inlet = inlet
        self._source = source
        self._dead_letters = dead_letters

    @property
    def remote_address(self) -> str | None:
        """Return the sender's address, None for this process."""
        return self._source.remote_address

    @property
    def principal(self) -> str | None:
        """Return who the sender is, by its certificate."""
        return self._source.principal

    async def ack(self) -> None:
        """Settle it."""
        self._source.settled()

    async def retry(self, delay: float, attempt: int) -> None:
        """Run it again here, later. Its sender learns the attempt, should this process be lost."""
        again = EventDelivery(
            self.message,
            self._inlet,
            self._source,
            self._dead_letters,
            attempt=attempt,
            deliveries=self.deliveries + 1,
            age=self.age,
        )
        self._source.attempt(attempt)
        self._inlet.put_later(again, delay)

    async def dead_letter(self, facts: Mapping[str, str]) -> None:
        """Keep it here under its subscription's dead letters, and settle it."""
        self._dead_letters.add(self._inlet.interest.name, self.message, facts)
        self._source.settled()

    async def give_back(self) -> None:
        """Send it back to its sender, which delivers it elsewhere."""
        self._source.returned(queued=False, delay=0.0)

    def queued(self, *, early: bool) -> None:
        """Note that it waits; tell the sender already, if it need not."""
        self._source.queued()
        if early:
            self._source.accepted(queued=False)

    def taken(self, *, queued: bool) -> None:
        """Tell the sender."""
        self._source.accepted(queued=queued)

    def turn_away(self, *, queued: bool, delay: float = 0.0) -> None:
        """Send it back."""
        self._source.returned(queued=queued, delay=delay)


class Congestible(Protocol):
    """Where answers are written to."""

    congested: bool

    async def drained(self) -> None:
        """Wait until it is not congested."""


class RequestSource(Protocol):
    """The caller's side of the requests that came by one connection."""

    remote_address: str | None
    principal: str | None

    @property
    def link(self) -> Congestible:
        """Return where answers are written to."""

    def queued(self, delivery: "RequestDelivery") -> None:
        """Note that a request waits for room."""

    def unqueued(self, delivery: "RequestDelivery") -> None:
        """Note that it waits no more."""

    def answer(self, delivery: "RequestDelivery", message: Message) -> None:
        """Send an answer, or a part of one."""

    def refuse(self, delivery: "RequestDelivery", code: str) -> None:
        """Tell the caller that it was not run."""

    def forsaken(self, stream: int) -> None:
        """Note that nobody will answer it. May be called from any thread."""


class RequestDelivery(Arrival):
    """One request. Its stream ends with its last answer, at the latest when nobody holds it."""

    __slots__ = ("_source", "stream", "streaming")

    def __init__(self, message: Message, source: RequestSource, stream: int) -> None:
        self.message = message
        self.attempt = self.deliveries = 1
        self.age = 0.0
        self.pending = None
        self.replayed = False
        self._source = source
        self.stream = stream
        """Where the answer goes; 0 once it was given."""
        self.streaming = False
        """Whether an item was sent already."""

    @property
    def remote_address(self) -> str | None:
        """Return the caller's address, None for this process."""
        return self._source.remote_address

    @property
    def principal(self) -> str | None:
        """Return who the caller is, by its certificate."""
        return self._source.principal

    def try_reply(self, message: Message) -> bool:
        """Send an answer if there is room for it now.

        :raises PayloadTooLargeError: if it is larger than the caller takes.
        """
        source = self._source
        if source.link.congested:
            return False
        source.answer(self, message)
        return True

    async def reply(self, message: Message) -> None:
        """Send an answer. A last one to a caller that is gone is dropped and counted.

        :raises ConnectionLostError: if the caller of a stream is gone.
        :raises PayloadTooLargeError: if it is larger than the caller takes.
        """
        source = self._source
        if source.link.congested:
            await source.link.drained()
        source.answer(self, message)

    async def give_back(self) -> None:
        """Tell the caller that it was not run, so that it is sent elsewhere."""
        self._source.refuse(self, "UNAVAILABLE")

    def queued(self, *, early: bool) -> None:
        """Note that it waits."""
        self._source.queued(self)

    def taken(self, *, queued: bool) -> None:
        """Note that it waits no more."""
        if queued:
            self._source.unqueued(self)

    def turn_away(self, *, queued: bool, delay: float = 0.0) -> None:
        """Tell the caller that it was not run."""
        if queued:
            self._source.unqueued(self)
        self._source.refuse(self, "UNAVAILABLE")

    def __del__(self) -> None:
        if self.stream:
            self._source.forsaken(self.stream)
