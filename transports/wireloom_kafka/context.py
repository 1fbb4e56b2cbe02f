"""What handlers see of a call that came by Kafka."""

from typing import cast

from wireloom.spi import Context
from wireloom_kafka.delivery import KafkaDelivery

__all__ = ["KafkaContext"]


class KafkaContext(Context):
    """A call that came by the Kafka transport.

    Of a message that runs again, or was delayed, the place is the one where it was first published.
    """

    __slots__ = ()

    @property
    def topic(self) -> str:
        """Return the topic, by its name on the broker."""
        return self._kafka.source.place.topic

    @property
    def partition(self) -> int:
        """Return the partition's number."""
        return self._kafka.source.place.partition

    @property
    def offset(self) -> int:
        """Return the offset in that partition."""
        return self._kafka.source.place.offset

    @property
    def timestamp(self) -> int:
        """Return when it was stamped by the broker, or the producer, in ms since the epoch."""
        return self._kafka.source.place.timestamp

    @property
    def group(self) -> str | None:
        """Return the consumer group; None where every instance reads for itself."""
        return self._kafka.group

    @property
    def deliveries(self) -> int:
        """Return how often it was handed over, processes that died while they had it included."""
        return self._kafka.deliveries

    @property
    def _kafka(self) -> KafkaDelivery:
        return cast(KafkaDelivery, self._delivery)
