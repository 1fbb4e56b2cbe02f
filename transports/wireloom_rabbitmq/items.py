"""Exchanges, queues and bindings, as they are declared."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiormq.abc import AbstractChannel

__all__ = ["Binding", "Exchange", "Item", "Queue", "declare", "look_up"]


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable exchange."""

    name: str
    type: str = "topic"
    arguments: Mapping[str, Any] = field(default_factory=dict)

    what = "exchange"


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue, durable unless it is exclusive."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    auto_delete: bool = False
    exclusive: bool = False

    what = "queue"


@dataclass(frozen=True, slots=True)
class Binding:
    """What an exchange passes on to a queue, or to another exchange."""

    source: str
    key: str
    target: str
    to_exchange: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)

    what = "binding"

    @property
    def name(self) -> str:
        """Return both ends and the key."""
        return f"{self.source} -> {self.target} ({self.key or self.arguments or 'all'})"


Item = Exchange | Queue | Binding


async def declare(channel: AbstractChannel, item: Item) -> None:
    """Declare one thing; the driver's errors come out as they are."""
    if isinstance(item, Exchange):
        await channel.exchange_declare(
            item.name, exchange_type=item.type, durable=True, arguments=dict(item.arguments)
        )
    elif isinstance(item, Queue):
        await channel.queue_declare(
            item.name,
            durable=not item.exclusive,
            exclusive=item.exclusive,
            auto_delete=item.auto_delete,
            arguments=dict(item.arguments),
        )
    elif item.to_exchange:
        await channel.exchange_bind(
            item.target, item.source, routing_key=item.key, arguments=dict(item.arguments)
        )
    else:
        await channel.queue_bind(
            item.target, item.source, routing_key=item.key, arguments=dict(item.arguments)
        )


async def look_up(channel: AbstractChannel, item: Exchange | Queue) -> None:
    """Ask for one thing that may not exist; the driver's errors come out as they are."""
    if isinstance(item, Exchange):
        await channel.exchange_declare(item.name, passive=True)
    else:
        await channel.queue_declare(item.name, passive=True)
