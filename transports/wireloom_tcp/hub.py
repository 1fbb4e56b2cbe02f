"""What all connections of one node share."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from wireloom.errors import TransportError
from wireloom.spi import Environment, Intake, Kind, Message, Receive, Subscription
from wireloom_tcp.dead_letters import DeadLetterStore
from wireloom_tcp.headers import Fields, HeaderBlocks
from wireloom_tcp.inlet import Inlet
from wireloom_tcp.interest import Interest
from wireloom_tcp.link import Link
from wireloom_tcp.options import TcpOptions
from wireloom_tcp.outbox import Outbox
from wireloom_tcp.routes import Member, Offer, Routes

__all__ = ["Caller", "Counters", "Holding", "Hub", "Movable", "Pending", "Sender"]


@dataclass(slots=True)
class Counters:
    """What happened on a node since it was made."""

    connections: int = 0
    refused_connections: int = 0
    protocol_errors: int = 0
    slow_consumers: int = 0
    dead_peers: int = 0
    floods: int = 0
    late_answers: int = 0
    """Answers that nobody waited for any more."""
    unheard_answers: int = 0
    """Answers to callers that were gone."""
    lost_requests: int = 0
    """Requests whose connection was lost before their answer."""
    rerouted_requests: int = 0
    """Requests that were refused or not written, and went to another member."""
    unknown_targets: int = 0
    """Requests and events for subscriptions that are not, or no longer, here."""
    forbidden: int = 0


class Caller(Protocol):
    """Where a pending request was sent."""

    def cancel(self, stream: int, message: Message) -> None:
        """Tell that nobody waits for its answer any more."""

    def credit(self, stream: int, message: Message) -> None:
        """Tell that more items are welcome."""


class Holding(Protocol):
    """A connection that reading was stopped on."""

    link: Link

    def ease(self) -> None:
        """Go on reading if there is room for it now."""


class Sender(Holding, Protocol):
    """The connection that an event came by."""

    hub: "Hub"
    remote_address: str | None
    principal: str | None

    def buffer(self, size: int) -> None:
        """Count a body that waits for room."""

    def unbuffer(self, size: int) -> None:
        """Count it no more."""

    def event_taken(self) -> None:
        """Note that an event was taken, or sent back."""

    def event_ended(self, stream: int) -> None:
        """Note that an event's sender needs to hear nothing more."""


class Movable(Protocol):
    """An event whose sender may come back on another connection."""

    def move(self, sender: Sender, stream: int) -> None:
        """Tell this connection from now on."""


Pending = tuple[Caller, int]

_REMEMBERED: Final = 4096
_SETTLED: Final = 10_000


def _unheard(_: Message) -> None:
    """Drop what comes for an inbox that was never opened."""


class Hub:
    """The node's own subscriptions and what it awaits, apart from any connection."""

    def __init__(
        self, options: TcpOptions, environment: Environment, dead_letters: DeadLetterStore
    ) -> None:
        self.options = options
        self.environment = environment
        self.clock = environment.clock
        self.loop = asyncio.get_running_loop()
        self.counters = Counters()
        self.blocks = HeaderBlocks()
        self.routes = Routes()
        self.inbox = f"inbox.{environment.instance}"
        self.receive: Receive = _unheard
        self.requests: dict[str, Pending] = {}
        """Where each pending request was sent, by its id."""
        self.in_flight = 0
        """Requests and events received, over all connections, and not answered or taken."""
        self.inlets: dict[int, Inlet] = {}
        self.dead_letters = dead_letters
        self.outbox = Outbox(
            self.routes,
            self.clock,
            self.dead_letters,
            limit=options.pending_bytes,
            accept_timeout=options.accept_timeout,
        )
        self.unsettled: dict[tuple[str, int, str], Movable] = {}
        """Events that came from peers and are not settled, by sender, subscription and id."""
        self.held: set[Holding] = set()
        """Connections that are not read from until there is room."""
        self._numbers = 0
        self.targets: dict[Kind, dict[bytes, tuple[Inlet, Fields]]] = {
            Kind.REQUEST: {},
            Kind.EVENT: {},
        }
        """The subscriptions that header blocks mean, as seen lately; see `target`."""
        self._settled: OrderedDict[tuple[str, int, str], None] = OrderedDict()

    def open_inlet(self, subscription: Subscription, intake: Intake) -> Inlet:
        """Give a subscription a number and a place for what arrives."""
        self._numbers += 1
        inlet = Inlet(
            Interest.of(subscription, self._numbers),
            intake,
            self.clock,
            most=self.options.max_queued,
            most_bytes=self.options.max_buffered // 4,
        )
        self.inlets[self._numbers] = inlet
        return inlet

    def close_inlet(self, inlet: Inlet) -> None:
        """Let nothing more in."""
        self.inlets.pop(inlet.interest.number, None)
        for targets in self.targets.values():
            targets.clear()
        inlet.stop()

    def target(self, kind: Kind, block: bytes) -> tuple[Inlet, Fields] | None:
        """Return the subscription that a header block means, or None if it is not here.

        :raises ProtocolError: if it is no header block.
        """
        found = self.targets[kind].get(block)
        return self._find(kind, block) if found is None else found

    def remember_settled(self, key: tuple[str, int, str]) -> None:
        """Note that an event was settled and its sender could not be told."""
        self._settled[key] = None
        if len(self._settled) > _SETTLED:
            self._settled.popitem(last=False)

    def was_settled(self, key: tuple[str, int, str]) -> bool:
        """Tell whether a sender sends again what is settled here, which it learns now."""
        return self._settled.pop(key, self) is None

    def hold(self, holding: Holding) -> None:
        """Stop reading from a connection until there is room."""
        self.held.add(holding)
        holding.link.hold()

    def ease(self) -> None:
        """Go on reading wherever there is room for it now."""
        for holding in list(self.held):
            holding.ease()
            if not holding.link.held:
                self.held.discard(holding)

    def refused(self, message: Message, by: Member, code: str) -> None:
        """Send a request that a member has not run to another one, or fail it."""
        self.requests.pop(message.id, None)
        offers = self.routes.requests(message.address)
        others = [offer for offer in offers if offer.member is not by]
        if offers and not others and code == "UNIMPLEMENTED":
            code = "UNAVAILABLE"
        elif not offers and code == "UNAVAILABLE":
            code = "UNIMPLEMENTED"
        self.reroute(message, others, code)

    def reroute(self, message: Message, offers: Sequence[Offer], code: str) -> None:
        """Send a request that was not run to one of these, or fail it with this code."""
        try:
            sent = bool(offers) and any(
                offer.member.request(message, offer)
                for offer in sorted(offers, key=lambda offer: offer.member.load)
            )
        except (TransportError, ValueError):
            self.fail(message, "RESOURCE_EXHAUSTED")
            return
        if sent:
            self.counters.rerouted_requests += 1
        else:
            self.fail(message, code)

    def fail(self, message: Message, code: str, *, lost: bool = False) -> None:
        """Give a pending request an error for an answer."""
        self.requests.pop(message.id, None)
        headers = {"wl-error": code, **({"wl-lost": "1"} if lost else {})}
        self.receive(Message(Kind.ERROR, self.inbox, b"", headers, message.id))

    def _find(self, kind: Kind, block: bytes) -> tuple[Inlet, Fields] | None:
        fields = self.blocks.decode(block)
        inlet = self.inlets.get(fields.to)
        if inlet is None or inlet.interest.kind is not kind:
            return None
        if not inlet.interest.pattern.matches(fields.address):
            return None
        targets = self.targets[kind]
        if len(targets) >= _REMEMBERED:
            targets.clear()
        if len(block) <= HeaderBlocks.SMALL:
            targets[block] = (inlet, fields)
        return inlet, fields
