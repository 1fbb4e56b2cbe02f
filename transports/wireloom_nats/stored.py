"""Deliveries of JetStream's, and what the server is told of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from wireloom.errors import TransportError
from wireloom.spi import Message
from wireloom_nats.attempts import Attempts
from wireloom_nats.connection import Connection
from wireloom_nats.dead_letters import NatsDeadLetters
from wireloom_nats.delivery import NatsDelivery
from wireloom_nats.inbox import Inbox
from wireloom_nats.jetstream import NANOSECONDS, TIMEOUT

__all__ = ["Place", "Settling", "StoredDelivery", "nak", "place_of"]

ACK: Final = b"+ACK"
NAK: Final = b"-NAK"
TERM: Final = b"+TERM"
WORKING: Final = b"+WPI"


class Place(NamedTuple):
    """What an acknowledgement's subject tells of a delivery."""

    deliveries: int
    stream_sequence: int
    consumer_sequence: int
    stored: float
    """Seconds since the epoch, by the server's clock."""
    pending: int


def place_of(reply: str) -> Place | None:
    """Return what the subject tells, or None if it is none of JetStream's."""
    tokens = reply.split(".")
    if tokens[0] != "$JS" or len(tokens) < 9:
        return None
    first = 4 if len(tokens) == 9 else 6  # longer ones name domain and account before the stream
    try:
        deliveries, stream, consumer, stored, pending = map(int, tokens[first : first + 5])
    except ValueError:
        return None
    return Place(deliveries, stream, consumer, stored / NANOSECONDS, pending)


def nak(delay: float) -> bytes:
    """Return what asks for another delivery, after so many seconds."""
    return b'-NAK {"delay": %d}' % int(delay * NANOSECONDS) if delay > 0 else NAK


@dataclass(frozen=True, slots=True)
class Settling:
    """What settling needs, the same for all deliveries of one consumer."""

    connection: Connection
    inbox: Inbox
    attempts: Attempts
    dead_letters: NatsDeadLetters
    subscription: str
    stream: str
    consumer: str
    confirm: bool
    """Whether an acknowledgement waits until the server has it."""


class StoredDelivery(NatsDelivery):
    """One delivery of a stored event."""

    __slots__ = ("_place", "_reply", "_settled", "_settling")

    def __init__(
        self,
        message: Message,
        subject: str,
        reply: str,
        place: Place,
        settling: Settling,
        settled: Callable[["StoredDelivery"], None],
    ) -> None:
        super().__init__(message, subject)
        self._reply = reply
        self._place = place
        self._settling = settling
        self._settled = settled
        self.deliveries = place.deliveries
        self.pending = place.pending

    @property
    def stream(self) -> str:
        """Return the stream that stores it."""
        return self._settling.stream

    @property
    def stream_sequence(self) -> int:
        """Return its place in the stream."""
        return self._place.stream_sequence

    @property
    def consumer_sequence(self) -> int:
        """Return which delivery of its consumer this is."""
        return self._place.consumer_sequence

    async def ack(self) -> None:
        """Settle: done."""
        settling = self._settling
        self._settled(self)
        if settling.confirm:
            await settling.inbox.ask(self._reply, ACK, timeout=TIMEOUT)
        else:
            await settling.connection.send(self._reply, ACK)
        if self.attempt > 1:
            await self._forget()

    async def retry(self, delay: float, attempt: int) -> None:
        """Settle: store which run comes next, then have the server deliver it after the delay."""
        settling = self._settling
        self._settled(self)
        await settling.attempts.write(
            settling.stream, settling.consumer, self.stream_sequence, attempt
        )
        await settling.connection.send(self._reply, nak(delay))

    async def dead_letter(self, facts: Mapping[str, str]) -> None:
        """Settle: store it among the dead letters, and only then end it here."""
        settling = self._settling
        self._settled(self)
        await settling.dead_letters.store(settling.subscription, self, facts)
        await settling.inbox.ask(self._reply, TERM, timeout=TIMEOUT)
        if self.attempt > 1:
            await self._forget()

    async def give_back(self) -> None:
        """Settle: have it delivered again at once, as the same run."""
        self._settled(self)
        await self._settling.connection.send(self._reply, NAK)

    def abandon(self) -> None:
        """Have it delivered again, from where nothing can be awaited."""
        self._settling.connection.post(self._reply, NAK)

    async def keep_alive(self) -> None:
        """Start the server's patience anew."""
        await self._settling.connection.send(self._reply, WORKING)

    async def look_up(self) -> None:
        """Find out which run this is, of a message that was delivered before."""
        settling = self._settling
        self.attempt = await settling.attempts.read(
            settling.stream, settling.consumer, self.stream_sequence
        )

    async def _forget(self) -> None:
        settling = self._settling
        try:
            await settling.attempts.forget(settling.stream, settling.consumer, self.stream_sequence)
        except TransportError:  # it is settled; the number is dropped with age
            return
