"""What was delivered from a queue, as the core takes it."""

from collections.abc import Callable

from wireloom.spi import Clock, Kind, Subscription
from wireloom.spi.headers import DEADLINE, bounded_int
from wireloom_rabbitmq.delivery import Outlet, RabbitMqDelivery, Settling
from wireloom_rabbitmq.ladder import original_key
from wireloom_rabbitmq.lane import Delivered
from wireloom_rabbitmq.names import Names
from wireloom_rabbitmq.reading import (
    address_of,
    age_of,
    attempt_of,
    crashes_of,
    death_of,
    event_message,
    is_replayed,
    request_message,
)

__all__ = ["Arrivals"]

_LONGEST_MS = 10**12


class Arrivals:
    """Makes deliveries of one subscription."""

    def __init__(
        self, subscription: Subscription, names: Names, outlet: Outlet, clock: Clock, limit: int
    ) -> None:
        self._names = names
        self._outlet = outlet
        self._clock = clock
        self._limit = limit
        """Deliveries after which the broker gives a message up."""
        is_request = subscription.kind is Kind.REQUEST
        self._read: Callable[[Settling, str, Delivered], RabbitMqDelivery]
        self._read = self._request if is_request else self._event

    def of(self, lane: Settling, queue: str, delivered: Delivered) -> RabbitMqDelivery:
        """Return the delivery of a message that came from a queue."""
        delivery = self._read(lane, queue, delivered)
        delivery.exchange = delivered.exchange
        delivery.routing_key = delivered.key
        delivery.priority = delivered.properties.priority or 0
        delivery.deliveries = delivery.attempt + crashes_of(delivered)
        delivery.age = age_of(delivery.message, self._clock.now())
        return delivery

    def aside(self, lane: Settling, delivered: Delivered) -> RabbitMqDelivery | None:
        """Return the delivery of a message that the broker gave up: it expired, or was delivered
        too often. The core finds that out from it, and does what the handler's options say.
        """
        death = death_of(delivered)
        if death is None:
            return None
        delivered.exchange, delivered.key = death.exchange, death.key
        delivery = self.of(lane, death.queue, delivered)
        if death.reason == "expired":
            _expire(delivery)
        else:
            delivery.deliveries += self._limit
        return delivery

    def _request(self, lane: Settling, queue: str, delivered: Delivered) -> RabbitMqDelivery:
        address = self._names.address(Kind.REQUEST, delivered.key)
        message = request_message(address, delivered)
        return RabbitMqDelivery(message, lane, self._outlet, queue=queue, tag=delivered.tag)

    def _event(self, lane: Settling, queue: str, delivered: Delivered) -> RabbitMqDelivery:
        attempt = 1
        if delivered.exchange == self._names.events:
            address = self._names.address(Kind.EVENT, delivered.key)
        else:
            # From the ladder or straight into the queue: our headers say where from.
            address, attempt = self._first_address(delivered), attempt_of(delivered)
        message = event_message(address, delivered)
        delivery = RabbitMqDelivery(
            message, lane, self._outlet, queue=queue, tag=delivered.tag, attempt=attempt
        )
        delivery.replayed = is_replayed(delivered)
        return delivery

    def _first_address(self, delivered: Delivered) -> str:
        if (address := address_of(delivered)) is not None:
            return address
        key = delivered.key
        if self._names.is_ladder(delivered.exchange):
            key = original_key(key) or key
        return self._names.address(Kind.EVENT, key)


def _expire(delivery: RabbitMqDelivery) -> None:
    """Let a message be past its time by its own headers too."""
    headers = delivery.message.headers
    remaining = bounded_int(headers.get(DEADLINE), 0, _LONGEST_MS)
    if remaining is None:
        delivery.message.headers = {**headers, DEADLINE: "0"}
    else:
        delivery.age = max(delivery.age, remaining / 1000)
