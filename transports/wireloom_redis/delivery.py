"""What all arrivals from Redis have in common."""

from wireloom.spi import Delivery, Message

__all__ = ["RedisDelivery"]


class RedisDelivery(Delivery):
    """One arrival. Those of requests and of pub/sub have no stream, entry or consumer."""

    __slots__ = ("consumer", "entry_id", "stream")

    def __init__(self, message: Message, *, attempt: int = 1) -> None:
        super().__init__(message, attempt=attempt)
        self.stream: str | None = None
        self.entry_id: str | None = None
        self.consumer: str | None = None
