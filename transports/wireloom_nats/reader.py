"""Makes deliveries of what a consumer sends, and keeps count of those that are unsettled."""

import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from wireloom.errors import TransportError
from wireloom.spi import Clock, Kind, Message
from wireloom.spi.headers import ID, KEY, bounded_int
from wireloom_nats.connection import Connection
from wireloom_nats.dead_letters import ADDRESS, MESSAGE_ID
from wireloom_nats.frames import Arrival
from wireloom_nats.jetstream import JetStream
from wireloom_nats.names import Names
from wireloom_nats.stored import ACK, NAK, Place, Settling, StoredDelivery, nak, place_of

__all__ = ["DELAY", "Reader", "Shard", "Source"]

DELAY: Final = "wl-delay-ms"
"""Milliseconds after storing before which an event is not to be handled."""
LONGEST: Final = 10 * 365 * 24 * 3600 * 1000
_ID: Final = MESSAGE_ID.lower()


@dataclass(frozen=True, slots=True)
class Shard:
    """One part of the keys."""

    number: int
    of: int

    def holds(self, key: str | None) -> bool:
        """Tell whether a key is in this part; what has no key is in the first."""
        return (zlib.crc32(key.encode()) if key else 0) % self.of == self.number


@dataclass(frozen=True, slots=True)
class Source:
    """Where deliveries come from."""

    stream: str
    consumer: str
    replays: str
    """The subject of dead letters that come back to this subscription alone."""
    began: float
    """When the consumer was created, in seconds since the epoch by the server's clock."""
    ack_wait: float
    keep_alive: bool
    shard: Shard | None


class Reader:
    """Reads what one consumer sends. Whatever is not for the handler it settles itself."""

    def __init__(
        self,
        connection: Connection,
        jetstream: JetStream,
        names: Names,
        clock: Clock,
        source: Source,
        settling: Settling,
    ) -> None:
        self._connection = connection
        self._jetstream = jetstream
        self._names = names
        self._clock = clock
        self._source = source
        self._settling = settling
        self._unsettled: dict[StoredDelivery, None] = {}
        self._seen = 0
        self._on_settled: Callable[[], None] | None = None

    def read(self, arrival: Arrival) -> StoredDelivery | None:
        """Return the delivery that an arrival means for the handler, or None."""
        place = place_of(arrival.reply)
        if place is None:  # not of the consumer's: anybody can write to an inbox
            return None
        self._seen = max(self._seen, place.stream_sequence)
        message = self._message(arrival, place)
        if message is None:
            self._connection.post(arrival.reply, ACK)
            return None
        age = self._jetstream.now() - place.stored
        delay = bounded_int(arrival.headers.pop(DELAY, None), 0, LONGEST)
        if delay is not None and delay / 1000 > age:
            self._connection.post(arrival.reply, nak(delay / 1000 - age))
            return None
        return self._delivery(message, arrival, place, max(0.0, age))

    def refuse(self, arrival: Arrival) -> None:
        """Have an arrival delivered again, at once."""
        if place_of(arrival.reply) is not None:
            self._connection.post(arrival.reply, NAK)

    def on_settled(self, call: Callable[[], None]) -> None:
        """Have this called whenever a delivery is settled."""
        self._on_settled = call

    def give_back_all(self) -> None:
        """Have all that is unsettled delivered again, at once: this process ends."""
        for delivery in self._unsettled:
            delivery.abandon()
        self._unsettled.clear()

    def resume_at(self) -> int:
        """Return from which sequence a lost consumer has to go on; 0 if nothing came yet."""
        unsettled = [delivery.stream_sequence for delivery in self._unsettled]
        return min(unsettled) if unsettled else self._seen and self._seen + 1

    async def pulse(self) -> None:
        """Tell the server now and then that what was taken is still worked on."""
        while self._source.keep_alive:
            await self._clock.sleep(self._source.ack_wait / 3)
            for delivery in list(self._unsettled):
                with suppress(TransportError):
                    await delivery.keep_alive()

    def _settled(self, delivery: StoredDelivery) -> None:
        self._unsettled.pop(delivery, None)
        if self._on_settled is not None:
            self._on_settled()

    def _message(self, arrival: Arrival, place: Place) -> Message | None:
        headers = arrival.headers
        key = headers.pop(KEY, None)
        if self._source.shard is not None and not self._source.shard.holds(key):
            return None
        address = self._address(arrival)
        if address is None:
            return None
        stored_as = headers.pop(_ID, "")
        identity = headers.pop(ID, "") or stored_as
        identity = identity or f"{self._source.stream}:{place.stream_sequence}"
        return Message(Kind.EVENT, address, arrival.body, headers, identity, key=key)

    def _address(self, arrival: Arrival) -> str | None:
        if arrival.subject == self._source.replays:
            return arrival.headers.pop(ADDRESS, "")
        if self._names.is_own(arrival.subject):  # a wide filter finds other subscriptions' too
            return None
        return self._names.address(Kind.EVENT, arrival.subject)

    def _delivery(
        self, message: Message, arrival: Arrival, place: Place, age: float
    ) -> StoredDelivery:
        delivery = StoredDelivery(
            message, arrival.subject, arrival.reply, place, self._settling, self._settled
        )
        delivery.age = age
        delivery.replayed = (
            place.stored < self._source.began or arrival.subject == self._source.replays
        )
        self._unsettled[delivery] = None
        return delivery
