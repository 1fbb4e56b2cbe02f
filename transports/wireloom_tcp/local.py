"""This node as a member of its own groups: no socket, the same meaning."""

from wireloom.spi import Kind, Message
from wireloom_tcp.deliveries import Congestible, EventDelivery, RequestDelivery
from wireloom_tcp.hub import Hub
from wireloom_tcp.outgoing import Outgoing
from wireloom_tcp.routes import Offer

__all__ = ["Here", "Replayed"]


class _Free:
    """What stands for a connection where none is needed: never congested."""

    congested = False

    async def drained(self) -> None:
        """Return at once."""


class Here:
    """What this process sent to its own subscriptions and that is not answered or accepted."""

    remote_address: str | None = None
    principal: str | None = None

    def __init__(self, hub: Hub) -> None:
        self.link: Congestible = _Free()
        self.instance = hub.environment.instance
        self._hub = hub
        self._streams = 0
        self._requests: dict[int, Message] = {}
        self._events = 0

    @property
    def load(self) -> int:
        """Return how much is not answered or accepted."""
        return len(self._requests) + self._events

    @property
    def full(self) -> bool:
        """Tell whether it takes no more: what waits here is bounded by who waits for it."""
        return False

    async def wait_for_room(self) -> bool:
        """Return at once."""
        return True

    def request(self, message: Message, offer: Offer, *, waited: bool = False) -> bool:
        """Deliver a request. There is always room."""
        self._streams += 1
        stream = self._streams
        arrived = Message(
            Kind.REQUEST,
            message.address,
            message.body,
            message.headers,
            message.id,
            reply_to=self._hub.inbox,
        )
        self._requests[stream] = message
        self._hub.requests[message.id] = (self, stream)
        self._hub.inlets[offer.number].put(RequestDelivery(arrived, self, stream))
        return True

    def event(self, outgoing: Outgoing) -> None:
        """Deliver an event."""
        self._events += 1
        outgoing.counted = True
        inlet = self._hub.inlets[outgoing.number]
        delivery = EventDelivery(
            outgoing.message,
            inlet,
            _Own(self, self._hub, outgoing),
            self._hub.dead_letters,
            attempt=outgoing.attempt,
            deliveries=outgoing.attempt + outgoing.deliveries - 1,
        )
        delay = outgoing.message.delay - (self._hub.clock.monotonic() - outgoing.since)
        if delay > 0:
            self.uncount(outgoing)
            outgoing.accepted()
            inlet.put_later(delivery, delay)
        else:
            inlet.put(delivery)

    def uncount(self, outgoing: Outgoing) -> None:
        """Count an event no more."""
        if outgoing.counted:
            outgoing.counted = False
            self._events -= 1

    def cancel(self, stream: int, message: Message) -> None:
        """Stop a request's handler."""
        if self._requests.pop(stream, None) is not None:
            self._hub.requests.pop(message.id, None)
            self._hub.receive(Message(Kind.CANCEL, self._hub.inbox, b"", {}, message.id))

    def credit(self, stream: int, message: Message) -> None:
        """Allow a handler more items."""
        self._hub.receive(Message(Kind.CREDIT, self._hub.inbox, message.body, {}, message.id))

    def answer(self, delivery: RequestDelivery, message: Message) -> None:
        """Hand over an answer, or an item of one."""
        if message.kind is not Kind.ITEM:
            stream, delivery.stream = delivery.stream, 0
            if self._requests.pop(stream, None) is None:
                self._hub.counters.late_answers += 1
                return
            self._hub.requests.pop(message.id, None)
        self._hub.receive(
            Message(
                message.kind,
                self._hub.inbox,
                message.body,
                message.headers,
                delivery.message.id,
                reply_to=self._hub.inbox if message.kind is Kind.ITEM else None,
            )
        )

    def refuse(self, delivery: RequestDelivery, code: str) -> None:
        """Send a request that was not run to another member, or fail it."""
        stream, delivery.stream = delivery.stream, 0
        message = self._requests.pop(stream, None)
        if message is not None:
            self._hub.refused(message, self, code)

    def forsaken(self, stream: int) -> None:
        """End a request that nobody will answer."""
        if not self._hub.loop.is_closed():
            self._hub.loop.call_soon_threadsafe(self._end_forsaken, stream)

    def queued(self, delivery: RequestDelivery) -> None:
        """Note that a request waits: its caller bounds how many do."""

    def unqueued(self, delivery: RequestDelivery) -> None:
        """Note that it waits no more."""

    def _end_forsaken(self, stream: int) -> None:
        message = self._requests.pop(stream, None)
        if message is not None:
            self._hub.fail(message, "CANCELLED")


class _Own:
    """The sender's side of an event that this process sent to itself."""

    __slots__ = ("_here", "_hub", "_outgoing")

    remote_address: str | None = None
    principal: str | None = None

    def __init__(self, here: Here, hub: Hub, outgoing: Outgoing) -> None:
        self._here = here
        self._hub = hub
        self._outgoing = outgoing

    def queued(self) -> None:
        """Note that it waits for room."""

    def accepted(self, *, queued: bool) -> None:
        """Note that it was taken."""
        self._here.uncount(self._outgoing)
        self._outgoing.accepted()

    def settled(self) -> None:
        """Note that it is done with."""
        self._here.uncount(self._outgoing)
        self._hub.outbox.settled(self._outgoing)

    def attempt(self, attempt: int) -> None:
        """Note which run is next."""
        self._outgoing.attempt = attempt

    def returned(self, *, queued: bool, delay: float) -> None:
        """Deliver it elsewhere."""
        self._here.uncount(self._outgoing)
        self._hub.outbox.returned(self._outgoing, "UNAVAILABLE", delay)


class Replayed:
    """The sender's side of a dead letter: there is none, so what is returned is kept again."""

    remote_address: str | None = None
    principal: str | None = None

    def __init__(self, hub: Hub, subscription: str, message: Message) -> None:
        self._hub = hub
        self._subscription = subscription
        self._message = message

    def queued(self) -> None:
        """Note that it waits for room."""

    def accepted(self, *, queued: bool) -> None:
        """Note that it was taken."""

    def settled(self) -> None:
        """Note that it is done with."""

    def attempt(self, attempt: int) -> None:
        """Note which run is next."""

    def returned(self, *, queued: bool, delay: float) -> None:
        """Keep it again."""
        facts = {"wl-dead-reason": "given back while it was replayed"}
        self._hub.dead_letters.add(self._subscription, self._message, facts)
