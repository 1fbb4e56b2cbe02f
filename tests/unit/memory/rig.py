"""A broker in process and what stands at both ends of it, without the core."""

import asyncio
from dataclasses import dataclass, field

from wireloom.pattern import Pattern
from wireloom.spi import (
    Clock,
    Delivery,
    Environment,
    Kind,
    Message,
    Receipt,
    Status,
    Subscription,
    SystemClock,
)
from wireloom_memory import MemoryBroker, MemoryOptions
from wireloom_memory.transport import MemoryTransport


class Basket:
    """An intake that keeps what it gets."""

    def __init__(self, capacity: int = 100) -> None:
        self.capacity = capacity
        self.arrived: list[Delivery] = []
        self._changed = asyncio.Event()

    @property
    def room(self) -> int:
        return self.capacity - len(self.arrived)

    async def wait_for_room(self) -> int:
        return self.room

    def put(self, delivery: Delivery) -> None:
        self.arrived.append(delivery)
        self._changed.set()

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.arrived) < count:
                self._changed.clear()
                await self._changed.wait()

    def take(self) -> Delivery:
        return self.arrived.pop(0)

    @property
    def bodies(self) -> list[bytes]:
        return [delivery.message.body for delivery in self.arrived]


@dataclass
class Rig:
    """Transports on one broker that is nobody else's."""

    clock: Clock = field(default_factory=SystemClock)
    broker: MemoryBroker = field(default_factory=MemoryBroker)
    statuses: list[tuple[str, Status]] = field(default_factory=list)

    async def transport(
        self, instance: str = "a", *, group: str = "g", namespace: str = ""
    ) -> MemoryTransport:
        environment = Environment(
            group=group,
            instance=instance,
            token="main",
            serves=True,
            clock=self.clock,
            report=lambda status, error: self.statuses.append((instance, status)),
        )
        options = MemoryOptions(client=self.broker, namespace=namespace)
        transport = MemoryTransport(options, environment)
        await transport.connect()
        return transport


def listens(pattern: str, name: str = "g.handler", **facts: object) -> Subscription:
    defaults = {"kind": Kind.EVENT, "group": "g", "where": "here"}
    return Subscription(name=name, pattern=Pattern(pattern), **{**defaults, **facts})  # type: ignore[arg-type]


def serves(pattern: str, name: str = "g.handler") -> Subscription:
    return listens(pattern, name, kind=Kind.REQUEST)


_ids = iter(range(1, 1 << 60))


def event(address: str, body: bytes = b"", **facts: object) -> Message:
    id_ = facts.pop("id", None) or f"id-{next(_ids)}"
    return Message(Kind.EVENT, address, body, {}, id_, **facts)  # type: ignore[arg-type]


async def publish(transport: MemoryTransport, *bodies: bytes, to: str = "a") -> list[Receipt]:
    return [await transport.publish(event(to, body)) for body in bodies]
