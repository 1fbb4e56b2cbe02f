"""What was published and is not settled: where it goes, and where it goes next."""

import asyncio
import logging
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Final

from wireloom.errors import PublishError, TransportError
from wireloom.spi import Clock, Message, Receipt
from wireloom_tcp.dead_letters import DeadLetterStore
from wireloom_tcp.outgoing import OVERHEAD, Outgoing, Publication
from wireloom_tcp.routes import Audience, Offer, Routes

__all__ = ["Outbox"]

_log = logging.getLogger("wireloom.tcp")
KIND: Final = "tcp"
AGAIN: Final = 1.0
"""Seconds before what a peer returned is offered to the same peer again."""
_FINAL: Final = frozenset({"PERMISSION_DENIED", "RESOURCE_EXHAUSTED"})

Key = tuple[str, str]


class Outbox:
    """The sender's side of events. It keeps each copy until it is settled, and sends it again, with
    the same id, when its connection is lost or it is returned. Bounded by `limit` bytes.

    A copy that cannot be sent now waits in the line of its audience, so that order is kept.
    """

    def __init__(
        self,
        routes: Routes,
        clock: Clock,
        dead_letters: DeadLetterStore,
        *,
        limit: int,
        accept_timeout: float,
    ) -> None:
        self._routes = routes
        self._clock = clock
        self._dead_letters = dead_letters
        self._limit = limit
        self._accept_timeout = accept_timeout
        self._unsettled: dict[Outgoing, None] = {}
        self._owners: dict[tuple[Key, int], tuple[str, int]] = {}
        self.waiting: dict[Key, deque[Outgoing]] = {}
        """Copies in line, by audience; only audiences that have some."""
        self.size = 0
        self.resent = 0
        """Copies that were sent more than once."""

    def __len__(self) -> int:
        return len(self._unsettled)

    def publish(self, message: Message) -> asyncio.Future[Receipt]:
        """Send a copy to each audience, in their lines; what is returned is done when all have
        accepted theirs. Cancelling it takes back what was not accepted.

        :raises TransportError: if there is no room for it, or it cannot be sent.
        """
        audiences = self._routes.audiences(message.address)
        publication = Publication(message.id, len(audiences))
        if not audiences:
            publication.done.set_result(Receipt(message.id, KIND, routed=False))
            return publication.done
        self._make_room((len(message.body) + OVERHEAD) * len(audiences))
        now = self._clock.monotonic()
        for audience in audiences:
            self._send_or_line_up(self._copy(message, audience, publication, now), audience)
        return publication.done

    def settled(self, outgoing: Outgoing) -> None:
        """Note that one copy is done with over there."""
        outgoing.accepted()
        self._forget(outgoing)

    def returned(self, outgoing: Outgoing, code: str, delay: float) -> None:
        """Offer a copy again that a peer has not run, after `delay` seconds."""
        self._release_owner(outgoing)
        if code in _FINAL and outgoing.publication is not None:
            outgoing.failed(PublishError(f"{outgoing.message.address!r} was not taken: {code}"))
            self._forget(outgoing)
        elif outgoing.each:
            self._give_up(outgoing)
        elif outgoing in self._unsettled:
            audience = self._routes.audience(outgoing.message.address, outgoing.key)
            if audience is not None and len(audience.offers) == 1:
                # The same peer is all there is: it gets its time.
                delay = max(delay, AGAIN)
            if delay:
                outgoing.not_before = self._clock.monotonic() + delay
                self._clock.call_at(outgoing.not_before, self.kick)
            self._line_up_again([outgoing])
            self.kick()

    def lost(self, copies: Sequence[Outgoing]) -> None:
        """Send what was on a lost connection to others, or keep it until one comes."""
        again = []
        for outgoing in copies:
            self._release_owner(outgoing)
            if outgoing.each or outgoing.abandoned:
                self._give_up(outgoing)
            elif outgoing in self._unsettled:
                again.append(outgoing)
        self._line_up_again(again)
        self.kick()

    def kick(self) -> None:
        """Send whatever waits in line and can be sent now."""
        for key in list(self.waiting):
            line = self.waiting.get(key)
            while line and self._send_first(line):
                pass
            if not line:
                self.waiting.pop(key, None)

    def expire(self) -> None:
        """Fail what nobody has accepted in time."""
        limit = self._clock.monotonic() - self._accept_timeout
        # They are kept in the order of publishing.
        for outgoing in [*takewhile(lambda each: each.since < limit, self._unsettled)]:
            if outgoing.abandoned:
                self._forget(outgoing)
            elif outgoing.publication is not None and not outgoing.message.delay:
                outgoing.failed(PublishError(f"nobody accepted {outgoing.message!r} in time"))
                self._forget(outgoing)

    async def flush(self, timeout: float) -> None:
        """Wait until all is accepted, so many seconds at most."""
        waiting = {
            outgoing.publication.done
            for outgoing in self._unsettled
            if outgoing.publication is not None
        }
        if waiting:
            await asyncio.wait(waiting, timeout=timeout)

    def close(self) -> None:
        """Fail what is not accepted; nothing is sent any more."""
        unsettled = list(self._unsettled)
        accepted = sum(outgoing.publication is None for outgoing in unsettled)
        for outgoing in unsettled:
            outgoing.failed(PublishError("it was closed before this event was accepted"))
            self._forget(outgoing)
        self.waiting.clear()
        if accepted:
            _log.info("closed with %d events that peers have accepted and not settled", accepted)

    def _send_or_line_up(self, outgoing: Outgoing, audience: Audience) -> None:
        offer = self._choose(audience, outgoing.shard)
        if offer.member.full or outgoing.key in self.waiting:
            self.waiting.setdefault(outgoing.key, deque()).append(outgoing)
        else:
            self._send(outgoing, offer)

    def _send_first(self, line: deque[Outgoing]) -> bool:
        """Send what is first in a line; tell whether the line is shorter for it."""
        outgoing = line[0]
        if outgoing not in self._unsettled or outgoing.abandoned:
            self._forget(line.popleft())
            return True
        audience = self._audience(outgoing)
        if audience is None and outgoing.each:
            self._give_up(line.popleft())
            return True
        if audience is None or outgoing.not_before > self._clock.monotonic():
            return False
        offer = self._choose(audience, outgoing.shard)
        if offer.member.full:
            return False
        line.popleft()
        try:
            self._send(outgoing, offer)
        except TransportError as error:
            outgoing.failed(error)
        return True

    def _send(self, outgoing: Outgoing, offer: Offer) -> None:
        outgoing.number = offer.number
        outgoing.deliveries += 1
        self.resent += outgoing.deliveries > 1
        if outgoing.shard is not None:
            _, count = self._owners.get((outgoing.key, outgoing.shard), ("", 0))
            self._owners[outgoing.key, outgoing.shard] = (offer.member.instance, count + 1)
        try:
            offer.member.event(outgoing)
        except ValueError as error:
            self._forget(outgoing)
            raise PublishError(f"{outgoing.message!r}: {error}") from None
        except TransportError:
            self._forget(outgoing)
            raise

    def _audience(self, outgoing: Outgoing) -> Audience | None:
        address = outgoing.message.address
        if not outgoing.each:
            return self._routes.audience(address, outgoing.key)
        for audience in self._routes.audiences(address):
            if audience.each and audience.key == outgoing.key:
                return audience
        return None

    def _choose(self, audience: Audience, shard: int | None) -> Offer:
        if shard is None:
            return self._routes.pick(audience.offers)
        # What is under way at one member is settled there before the shard moves to another.
        instance, count = self._owners.get((audience.key, shard), ("", 0))
        if count:
            for offer in audience.offers:
                if offer.member.instance == instance:
                    return offer
        return self._routes.owner(audience, shard)

    def _copy(
        self, message: Message, audience: Audience, publication: Publication, now: float
    ) -> Outgoing:
        shard = None
        if audience.shards:
            shard = zlib.crc32((message.key or "").encode()) % audience.shards
        outgoing = Outgoing(
            message,
            key=audience.key,
            each=audience.each,
            shard=shard,
            since=now,
            publication=publication,
        )
        self._unsettled[outgoing] = None
        self.size += outgoing.size
        return outgoing

    def _line_up_again(self, copies: Sequence[Outgoing]) -> None:
        """Put these before everything that was published after them."""
        for outgoing in sorted(copies, key=lambda each: each.since, reverse=True):
            line = self.waiting.setdefault(outgoing.key, deque())
            place = sum(1 for each in line if each.since < outgoing.since) if line else 0
            line.insert(place, outgoing)

    def _make_room(self, size: int) -> None:
        while self.size + size > self._limit:
            stranded = next(self._stranded(), None)
            if stranded is None:
                raise PublishError(
                    f"{self.size} bytes of events are not settled; pending_bytes={self._limit}"
                )
            facts = {"wl-dead-reason": "no member of its group came back"}
            self._dead_letters.add(stranded.key[1], stranded.message, facts)
            self._forget(stranded)

    def _stranded(self) -> Iterator[Outgoing]:
        """Go through what was accepted once and waits for a member to come back."""
        for line in self.waiting.values():
            for outgoing in line:
                if outgoing.publication is None and outgoing in self._unsettled:
                    yield outgoing

    def _give_up(self, outgoing: Outgoing) -> None:
        """Let go of a copy for an instance that is gone: nothing is kept for those."""
        outgoing.accepted()
        self._forget(outgoing)

    def _forget(self, outgoing: Outgoing) -> None:
        """Keep a copy no longer. In its line it is passed over."""
        if outgoing in self._unsettled:
            del self._unsettled[outgoing]
            self._release_owner(outgoing)
            self.size -= outgoing.size

    def _release_owner(self, outgoing: Outgoing) -> None:
        """Count one less at the owner of its shard, once for each time it was sent there."""
        if outgoing.shard is None or not outgoing.number:
            return
        outgoing.number = 0
        instance, count = self._owners.pop((outgoing.key, outgoing.shard), ("", 0))
        if count > 1:
            self._owners[outgoing.key, outgoing.shard] = (instance, count - 1)
