"""One arrival of a Kafka record."""

from collections.abc import Mapping
from typing import Protocol

from wireloom.spi import Message
from wireloom_kafka.records import Source
from wireloom_kafka.share import Share, SharedDelivery

__all__ = ["Home", "KafkaDelivery"]


class Home(Protocol):
    """Where a delivery came from and is settled. Its methods are those of Delivery."""

    async def ack(self, delivery: "KafkaDelivery") -> None:
        """Finish it."""

    async def retry(self, delivery: "KafkaDelivery", delay: float, attempt: int) -> None:
        """Have it arrive again later."""

    async def dead_letter(self, delivery: "KafkaDelivery", facts: Mapping[str, str]) -> None:
        """Give it up, durably."""

    async def give_back(self, delivery: "KafkaDelivery") -> None:
        """Have it arrive again, here or elsewhere."""

    async def reply(self, message: Message) -> None:
        """Send it to an inbox."""


class KafkaDelivery(SharedDelivery):
    """A record that was read, and is nobody else's while its partition is ours."""

    __slots__ = ("_home", "group", "offset", "share", "source")

    def __init__(
        self, source: Source, home: Home, group: str | None, share: Share | None, offset: int
    ) -> None:
        super().__init__(source.message, attempt=source.attempt)
        self._home = home
        self.source = source
        self.group = group
        """The consumer group; None where every instance reads for itself."""
        self.share = share
        """The partition that it was read from this time; None where nothing is committed."""
        self.offset = offset
        """Its offset there."""

    async def ack(self) -> None:
        """Mark it as done; commits follow."""
        await self._home.ack(self)

    async def retry(self, delay: float, attempt: int) -> None:
        """Write it to the subscription's delay topic, then mark it as done."""
        await self._home.retry(self, delay, attempt)

    async def dead_letter(self, facts: Mapping[str, str]) -> None:
        """Write it to the subscription's dead letters, then mark it as done."""
        await self._home.dead_letter(self, facts)

    async def give_back(self) -> None:
        """Leave it to whoever owns the partition next, or hand it over again."""
        await self._home.give_back(self)

    async def reply(self, message: Message) -> None:
        """Send a message to the inbox of the request that this is."""
        await self._home.reply(message)
