"""What arrives by core NATS: requests, and events that nobody keeps."""

from collections.abc import Mapping
from typing import Final

from wireloom.spi import Clock, Intake, Kind, Message, Subscriber, Subscription, Timer
from wireloom.spi.headers import ID, KEY, SENT, bounded_int
from wireloom_nats.connection import Connection
from wireloom_nats.core import CoreLink
from wireloom_nats.dead_letters import NatsDeadLetters
from wireloom_nats.delivery import NatsDelivery
from wireloom_nats.frames import Arrival
from wireloom_nats.listener import Listener
from wireloom_nats.names import Names

__all__ = ["CoreSubscriber"]

SKEW: Final = 5.0
"""Seconds that the clocks of two machines may differ: a request counts as so much younger."""
_LATEST: Final = 1 << 53


class RequestDelivery(NatsDelivery):
    """One request. There is nothing to settle; the caller hears, or its time runs out."""

    __slots__ = ("_link",)

    def __init__(self, message: Message, subject: str, link: CoreLink) -> None:
        super().__init__(message, subject)
        self._link = link

    async def give_back(self) -> None:
        """Do nothing: nobody else was asked."""

    def try_reply(self, message: Message) -> bool:
        """Send a plain reply at once, if nothing is in the way."""
        return self._link.try_answer(message)

    async def reply(self, message: Message) -> None:
        """Send a message to the requester's inbox."""
        await self._link.answer(message)


class LooseDelivery(NatsDelivery):
    """One event that no stream keeps: at most once, and retried only here."""

    __slots__ = ("_subscriber",)

    def __init__(self, message: Message, subject: str, subscriber: "CoreSubscriber") -> None:
        super().__init__(message, subject)
        self._subscriber = subscriber

    async def retry(self, delay: float, attempt: int) -> None:
        """Settle: run it again in this process, if that lives so long."""
        self._subscriber.again(self, delay, attempt)

    async def dead_letter(self, facts: Mapping[str, str]) -> None:
        """Settle: store it among the dead letters."""
        await self._subscriber.dead_letter(self, facts)

    async def give_back(self) -> None:
        """Do nothing: it is lost with the process."""


class CoreSubscriber(Subscriber):
    """Hands over what arrives on one subject, from the driver's own callback."""

    def __init__(
        self,
        connection: Connection,
        link: CoreLink,
        names: Names,
        clock: Clock,
        dead_letters: NatsDeadLetters,
        subscription: Subscription,
        intake: Intake,
    ) -> None:
        self._connection = connection
        self._link = link
        self._names = names
        self._clock = clock
        self._dead_letters = dead_letters
        self._subscription = subscription
        self._intake = intake
        self._listener: Listener | None = None
        self._parked: dict[LooseDelivery, Timer] = {}

    async def start(self, queue: str) -> None:
        """Listen, as one of a queue group unless it is empty."""
        kind = self._subscription.kind
        subject = self._names.filter(kind, self._subscription.pattern)
        arrived = self._request if kind is Kind.REQUEST else self._event
        self._listener = await self._connection.listen(subject, arrived, queue)

    async def stop(self) -> None:
        """Take nothing more; what the server had sent already is still taken."""
        for timer in self._parked.values():
            timer.cancel()
        self._parked.clear()
        listener, self._listener = self._listener, None
        if listener is not None:
            await self._connection.ignore(listener)

    def again(self, delivery: LooseDelivery, delay: float, attempt: int) -> None:
        """Hand a delivery over once more, later."""

        def due() -> None:
            self._parked.pop(delivery, None)
            repeated = LooseDelivery(delivery.message, delivery.subject, self)
            repeated.attempt = repeated.deliveries = attempt
            self._intake.put(repeated)

        self._parked[delivery] = self._clock.call_at(self._clock.monotonic() + delay, due)

    async def dead_letter(self, delivery: LooseDelivery, facts: Mapping[str, str]) -> None:
        """Store a delivery among the subscription's dead letters."""
        await self._dead_letters.store(self._subscription.name, delivery, facts)

    def _request(self, arrival: Arrival) -> None:
        message = self._message(Kind.REQUEST, arrival)
        if self._link.is_inbox(arrival.reply):
            message.reply_to = arrival.reply
        delivery = RequestDelivery(message, arrival.subject, self._link)
        sent = arrival.headers.pop(SENT, None)
        if sent is not None:
            milliseconds = bounded_int(sent, 0, _LATEST)
            if milliseconds is not None:
                delivery.age = max(0.0, self._clock.now() - milliseconds / 1000 - SKEW)
        self._intake.put(delivery)

    def _event(self, arrival: Arrival) -> None:
        if not self._names.is_own(arrival.subject):
            message = self._message(Kind.EVENT, arrival)
            self._intake.put(LooseDelivery(message, arrival.subject, self))

    def _message(self, kind: Kind, arrival: Arrival) -> Message:
        headers = arrival.headers
        return Message(
            kind,
            self._names.address(kind, arrival.subject),
            arrival.body,
            headers,
            headers.pop(ID, ""),
            key=headers.pop(KEY, None),
        )
