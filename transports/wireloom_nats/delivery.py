"""What is known of one arrival, apart from the driver."""

from wireloom.spi import Delivery, Message

__all__ = ["NatsDelivery"]


class NatsDelivery(Delivery):
    """One arrival, with what `NatsContext` shows of it. What is of a stream is None by default."""

    __slots__ = ("subject",)

    def __init__(self, message: Message, subject: str) -> None:
        super().__init__(message)
        self.subject = subject

    @property
    def stream(self) -> str | None:
        """Return the stream that stores it."""
        return None

    @property
    def stream_sequence(self) -> int | None:
        """Return its place in the stream."""
        return None

    @property
    def consumer_sequence(self) -> int | None:
        """Return which delivery of its consumer this is."""
        return None
