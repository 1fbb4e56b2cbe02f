"""One arrival of a message, and what its handler may know of it."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from wireloom.spi import Clock, Context, Delivery, Kind, Message
from wireloom_sqlite import schema
from wireloom_sqlite.store import Store

__all__ = ["SqliteContext", "SqliteDelivery", "message_of"]


def message_of(row: Any) -> Message:
    """Return the message in a row that was taken."""
    _, kind, address, body, headers, uid, reply_to, key, *_ = row
    return Message(Kind(kind), address, body, json.loads(headers), uid, reply_to=reply_to, key=key)


class SqliteDelivery(Delivery):
    """One row that we have taken."""

    __slots__ = ("_clock", "_row", "_store", "_subscription", "_wake")

    def __init__(
        self, store: Store, clock: Clock, wake: Callable[[], None], subscription: str, row: Any
    ) -> None:
        super().__init__(message_of(row), attempt=row[9])
        self.deliveries = row[10]
        self.age = max(0.0, clock.now() - row[8])
        self._row: int = row[0]
        self._store = store
        self._clock = clock
        self._wake = wake
        self._subscription = subscription

    @property
    def row(self) -> int:
        """Return the message's row in the file."""
        return self._row

    async def ack(self) -> None:
        """Settle: done."""
        self._store.settle(schema.FORGET, self._row)

    async def retry(self, delay: float, attempt: int) -> None:
        """Settle: again, `delay` seconds from now."""
        self._store.settle(schema.SETTLE_LATER, self._clock.now() + delay, attempt, self._row)
        self._wake()

    async def give_back(self) -> None:
        """Settle: it was not started."""
        await self.retry(0.0, self.attempt)

    async def dead_letter(self, facts: Mapping[str, str]) -> None:
        """Settle: keep it as a dead letter."""
        self._store.bury(self._subscription, self._row, facts)

    async def reply(self, message: Message) -> None:
        """Answer."""
        self._store.publish([message])
        self._wake()


class SqliteContext(Context):
    """One call that came through a file."""

    __slots__ = ()

    @property
    def row(self) -> int:
        """Return the message's row in the file."""
        delivery = self._delivery
        assert isinstance(delivery, SqliteDelivery)
        return delivery.row

    @property
    def deliveries(self) -> int:
        """Return how often it was taken, crashes and give-backs included."""
        return self._delivery.deliveries
