"""What a handler on NATS can see of a call."""

from wireloom.spi import Context
from wireloom_nats.delivery import NatsDelivery

__all__ = ["NatsContext"]


class NatsContext(Context):
    """One call that came by NATS. What is of a stream is None for requests and core NATS."""

    __slots__ = ()

    _delivery: NatsDelivery

    @property
    def subject(self) -> str:
        """Return the subject it arrived on, namespace and escapes included."""
        return self._delivery.subject

    @property
    def stream(self) -> str | None:
        """Return the stream that stores it."""
        return self._delivery.stream

    @property
    def stream_sequence(self) -> int | None:
        """Return its place in the stream."""
        return self._delivery.stream_sequence

    @property
    def consumer_sequence(self) -> int | None:
        """Return which delivery of its consumer this is, repeats counted."""
        return self._delivery.consumer_sequence

    @property
    def deliveries(self) -> int:
        """Return how often it was delivered, delays, give-backs and crashes included."""
        return self._delivery.deliveries

    @property
    def num_delivered(self) -> int:
        """Return the same under the broker's own name."""
        return self._delivery.deliveries
