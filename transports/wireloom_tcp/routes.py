"""Who takes what, over this node and all its peers, and which of them is next."""

import hashlib
from collections.abc import Sequence
from typing import Any, Protocol

from wireloom.pattern import PatternIndex
from wireloom.spi import Kind, Message
from wireloom_tcp.interest import Interest
from wireloom_tcp.outgoing import Outgoing

__all__ = ["Audience", "Member", "Offer", "Routes"]


class Member(Protocol):
    """Somebody who takes requests and events: a peer on one connection, or this node itself."""

    @property
    def instance(self) -> str:
        """Return whose process it is."""

    @property
    def load(self) -> int:
        """Return how much was sent there and is not answered or accepted."""

    @property
    def full(self) -> bool:
        """Tell whether nothing more may be sent there for now."""

    async def wait_for_room(self) -> bool:
        """Wait for a turn to send one thing at once; False if the connection was lost instead."""

    def request(self, message: Message, offer: "Offer", *, waited: bool = False) -> bool:
        """Send a request to one of the member's subscriptions; False if there is no room. Whoever
        has `waited` for its turn has room.
        """

    def event(self, outgoing: Outgoing) -> None:
        """Send an event; `outgoing.number` tells to which subscription."""


class Offer:
    """One member's subscription."""

    __slots__ = ("address", "block", "headers", "interest", "member", "number")

    def __init__(self, member: Member, interest: Interest) -> None:
        self.member = member
        self.interest = interest
        self.number = interest.number
        self.address = ""
        self.headers: object = None
        """The address and headers of the last request to it, of which `block` is the header block:
        callers use one mapping for all requests that are alike."""
        self.block = b""


class Audience:
    """The members of which one gets a copy of an event."""

    __slots__ = ("each", "key", "offers", "shards")

    def __init__(self, offers: tuple[Offer, ...]) -> None:
        interest = offers[0].interest
        self.offers = offers
        self.key = interest.key
        self.each = interest.each
        self.shards = max(offer.interest.shards for offer in offers)


class Routes:
    """All offers, looked up by concrete address. One look-up is one dictionary access."""

    _REMEMBERED = 10_000

    def __init__(self) -> None:
        self._requests: PatternIndex[Offer] = PatternIndex()
        self._events: PatternIndex[Offer] = PatternIndex()
        self._offers: dict[tuple[Member, int], Offer] = {}
        self._to: dict[str, tuple[Offer, ...]] = {}
        self._audiences: dict[str, tuple[Audience, ...]] = {}
        self._turn = 0

    def add(self, member: Member, interest: Interest) -> None:
        """Add what a member takes; the same number again replaces it."""
        self.remove(member, interest.number)
        offer = self._offers[member, interest.number] = Offer(member, interest)
        self._index(interest.kind).add(interest.pattern, offer)
        self._changed()

    def remove(self, member: Member, number: int) -> None:
        """Remove one subscription of a member; an unknown one is no error."""
        offer = self._offers.pop((member, number), None)
        if offer is not None:
            self._index(offer.interest.kind).remove(offer.interest.pattern, offer)
            self._changed()

    def drop(self, member: Member) -> None:
        """Remove everything of a member."""
        for owner, number in list(self._offers):
            if owner is member:
                self.remove(member, number)

    def requests(self, address: str) -> tuple[Offer, ...]:
        """Return who handles requests to this address, one offer for each instance."""
        found = self._to.get(address)
        if found is None:
            found = _nearest(self._requests.find(address))
            self._room(self._to)
            self._to[address] = found
        return found

    def audiences(self, address: str) -> tuple[Audience, ...]:
        """Return who gets copies of an event of this address."""
        found = self._audiences.get(address)
        if found is None:
            found = _grouped(self._events.find(address))
            self._room(self._audiences)
            self._audiences[address] = found
        return found

    def audience(self, address: str, key: tuple[str, str]) -> Audience | None:
        """Return the one with this group and name, if anybody of it is there."""
        for audience in self.audiences(address):
            if audience.key == key and not audience.each:
                return audience
        return None

    def pick(self, offers: Sequence[Offer]) -> Offer:
        """Return the offer of the least busy member; equally busy ones take turns."""
        if len(offers) == 1:
            return offers[0]
        self._turn += 1
        count = len(offers)
        start = self._turn % count
        best = offers[start]
        least = best.member.load
        for step in range(1, count):
            offer = offers[(start + step) % count]
            load = offer.member.load
            if load < least:
                best, least = offer, load
        return best

    def owner(self, audience: Audience, shard: int) -> Offer:
        """Return who owns a shard: every sender that sees the same members finds the same one."""
        return max(
            audience.offers,
            key=lambda offer: _weight(f"{shard}:{audience.key}:{offer.member.instance}"),
        )

    def _index(self, kind: Kind) -> PatternIndex[Offer]:
        return self._requests if kind is Kind.REQUEST else self._events

    def _changed(self) -> None:
        self._to.clear()
        self._audiences.clear()

    def _room(self, remembered: dict[str, Any]) -> None:
        if len(remembered) >= self._REMEMBERED:
            remembered.clear()


def _nearest(offers: Sequence[Offer]) -> tuple[Offer, ...]:
    """Keep those with the very address, if any has it, and one connection for each instance."""
    concrete = [offer for offer in offers if offer.interest.pattern.is_concrete]
    return _one_each(concrete or offers)


def _one_each(offers: Sequence[Offer]) -> tuple[Offer, ...]:
    found: dict[str, Offer] = {}
    for offer in offers:
        found.setdefault(offer.member.instance, offer)
    return tuple(found.values())


def _grouped(offers: Sequence[Offer]) -> tuple[Audience, ...]:
    competing: dict[tuple[str, str], list[Offer]] = {}
    single: dict[tuple[str, int], Offer] = {}
    for offer in offers:
        if offer.interest.each:
            single.setdefault((offer.member.instance, offer.number), offer)
        else:
            competing.setdefault(offer.interest.key, []).append(offer)
    return (
        *(Audience(_one_each(members)) for members in competing.values()),
        *(Audience((offer,)) for offer in single.values()),
    )


def _weight(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=8).digest()
