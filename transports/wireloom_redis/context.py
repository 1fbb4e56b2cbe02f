"""What a handler sees of Redis."""

from wireloom.spi import Context
from wireloom_redis.delivery import RedisDelivery

__all__ = ["RedisContext"]


class RedisContext(Context):
    """One call that came by Redis. Requests and pub/sub have no stream, entry or consumer."""

    __slots__ = ()

    _delivery: RedisDelivery

    @property
    def stream(self) -> str | None:
        """Return the key of the stream it was read from."""
        return self._delivery.stream

    @property
    def entry_id(self) -> str | None:
        """Return its id there, such as "1526919030474-55"."""
        return self._delivery.entry_id

    @property
    def consumer(self) -> str | None:
        """Return the name under which this process reads the group."""
        return self._delivery.consumer

    @property
    def deliveries(self) -> int:
        """Return how often the server handed it to a consumer."""
        return self._delivery.deliveries
