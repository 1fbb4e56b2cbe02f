"""One arrival as RabbitMQ tells it, and what a handler sees of that."""

from wireloom.spi import Context
from wireloom_rabbitmq.delivery import RabbitMqDelivery

__all__ = ["RabbitMqContext"]


class RabbitMqContext(Context):
    """A call that came by RabbitMQ."""

    __slots__ = ()

    _delivery: RabbitMqDelivery

    @property
    def exchange(self) -> str:
        """Return the exchange that it came through last; empty when it was sent to the queue."""
        return self._delivery.exchange

    @property
    def routing_key(self) -> str:
        """Return the routing key it was published with."""
        return self._delivery.routing_key

    @property
    def queue(self) -> str:
        """Return the queue it was taken from."""
        return self._delivery.queue

    @property
    def delivery_tag(self) -> int:
        """Return the channel's number of this delivery."""
        return self._delivery.delivery_tag

    @property
    def priority(self) -> int:
        """Return the priority it was published with; 0 if without."""
        return self._delivery.priority

    @property
    def deliveries(self) -> int:
        """Return how often it was delivered, give-backs and crashes included."""
        return self._delivery.deliveries
