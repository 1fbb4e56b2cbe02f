"""What handlers see of a call that came by memory."""

from wireloom.spi import Context
from wireloom_memory.delivery import EventDelivery

__all__ = ["MemoryContext"]


class MemoryContext(Context):
    """A call that came by the memory transport."""

    __slots__ = ()

    @property
    def sequence(self) -> int | None:
        """Return the event's place among all events of its namespace, from 1; None for requests."""
        delivery = self._delivery
        return delivery.entry.sequence if isinstance(delivery, EventDelivery) else None

    @property
    def deliveries(self) -> int:
        """Return how often it was handed over, give-backs and lost connections included."""
        return self._delivery.deliveries
