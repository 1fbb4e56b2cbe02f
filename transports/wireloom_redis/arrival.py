"""One arrival of an entry at a group."""

from collections.abc import Mapping
from typing import Protocol

from wireloom.spi import Message
from wireloom_redis.delivery import RedisDelivery
from wireloom_redis.entry import Fields

__all__ = ["Settles", "StreamDelivery"]


class StreamDelivery(RedisDelivery):
    """Settled at the group that it was read for."""

    __slots__ = ("fields", "id", "lost", "sent_ms", "settlement")

    def __init__(
        self, message: Message, settlement: "Settles", entry_id: str, fields: Fields, attempt: int
    ) -> None:
        super().__init__(message, attempt=attempt)
        self.settlement = settlement
        self.entry_id = self.id = entry_id
        self.fields = fields
        self.sent_ms = 0
        self.lost = False

    async def ack(self) -> None:
        """Acknowledge the entry."""
        await self.settlement.ack(self)

    async def retry(self, delay: float, attempt: int) -> None:
        """Move it to the subscription's own stream, once the delay is over."""
        await self.settlement.again(self, delay, attempt)

    async def dead_letter(self, facts: Mapping[str, str]) -> None:
        """Move it to the dead letters."""
        await self.settlement.bury(self, facts)

    async def give_back(self) -> None:
        """Let another consumer of the group have it."""
        await self.settlement.give_back(self)


class Settles(Protocol):
    """Who settles an arrival."""

    async def ack(self, delivery: StreamDelivery) -> None:
        """It is done."""

    async def again(self, delivery: StreamDelivery, delay: float, attempt: int) -> None:
        """It is to be delivered again."""

    async def bury(self, delivery: StreamDelivery, facts: Mapping[str, str]) -> None:
        """It is a dead letter."""

    async def give_back(self, delivery: StreamDelivery) -> None:
        """It was not started."""

    async def hand_on(self, delivery: StreamDelivery, stream: str) -> None:
        """It belongs to another stream of the subscription."""

    def forget(self, entry_id: str) -> None:
        """It may be handed over again."""
