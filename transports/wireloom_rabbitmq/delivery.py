"""One arrival at a queue, and how it is settled."""

from collections.abc import Mapping
from typing import Protocol

from wireloom.spi import Delivery, Message

__all__ = ["Outlet", "RabbitMqDelivery", "Settling"]


class Settling(Protocol):
    """The channel that a delivery came by."""

    def ack(self, tag: int) -> None:
        """Settle: done."""

    def nack(self, tag: int, *, requeue: bool) -> None:
        """Settle: back into the queue, or dropped."""


class Outlet(Protocol):
    """Where messages that a delivery leads to are published. All raise TransportError."""

    async def retry(self, queue: str, message: Message, delay: float, attempt: int) -> None:
        """Return once the message is stored for this queue, due after `delay` seconds."""

    async def bury(self, queue: str, message: Message, headers: Mapping[str, str]) -> None:
        """Return once it is stored under the dead letters of this queue's subscription."""

    def try_answer(self, message: Message) -> bool:
        """Do what `answer` does without waiting, if that is possible now."""

    async def answer(self, message: Message) -> None:
        """Send a message to somebody's inbox."""


class RabbitMqDelivery(Delivery):
    """A message taken from a queue and not settled yet."""

    __slots__ = (
        "_lane",
        "_outlet",
        "delivery_tag",
        "exchange",
        "priority",
        "queue",
        "routing_key",
    )

    def __init__(
        self,
        message: Message,
        lane: Settling,
        outlet: Outlet,
        *,
        queue: str,
        tag: int,
        attempt: int = 1,
    ) -> None:
        super().__init__(message, attempt=attempt)
        self._lane = lane
        self._outlet = outlet
        self.queue = queue
        self.delivery_tag = tag
        self.exchange = ""
        self.routing_key = ""
        self.priority = 0

    async def ack(self) -> None:
        """Settle: done. AMQP does not answer; if this is lost, the message comes again."""
        self._lane.ack(self.delivery_tag)

    async def retry(self, delay: float, attempt: int) -> None:
        """Settle: store a copy that is due later, then drop this one."""
        await self._outlet.retry(self.queue, self.message, delay, attempt)
        self._lane.ack(self.delivery_tag)

    async def dead_letter(self, facts: Mapping[str, str]) -> None:
        """Settle: store a copy with the facts under the dead letters, then drop this one."""
        await self._outlet.bury(self.queue, self.message, facts)
        self._lane.ack(self.delivery_tag)

    async def give_back(self) -> None:
        """Settle: put it back where it was in the queue."""
        self._lane.nack(self.delivery_tag, requeue=True)

    def try_reply(self, message: Message) -> bool:
        """Send a message to the inbox that the request named, unless that takes waiting."""
        return self._outlet.try_answer(message)

    async def reply(self, message: Message) -> None:
        """Send a message to the inbox that the request named."""
        await self._outlet.answer(message)
