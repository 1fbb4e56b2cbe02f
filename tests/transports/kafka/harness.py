"""A core in miniature: what calls the transport in tests of the transport alone."""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from wireloom.pattern import Pattern
from wireloom.spi import (
    Delivery,
    Environment,
    Kind,
    Message,
    Status,
    Subscription,
    SystemClock,
)
from wireloom_kafka import KafkaOptions
from wireloom_kafka.transport import KafkaTransport

PATIENCE = 15.0  # seconds


class Collector:
    """An intake that keeps what it gets, and wakes whoever waits for it. With `acks` it is a
    handler that is done at once.
    """

    def __init__(self, capacity: int = 16, *, acks: bool = False) -> None:
        self.capacity = capacity
        self._acks = acks
        self._acking: set[asyncio.Task[None]] = set()
        self.taken: list[Delivery] = []
        self.settled = 0
        self._wake = asyncio.Event()

    @property
    def room(self) -> int:
        return max(0, self.capacity - (len(self.taken) - self.settled))

    async def wait_for_room(self) -> int:
        while not self.room:
            self._wake.clear()
            await self._wake.wait()
        return self.room

    def put(self, delivery: Delivery) -> None:
        self.taken.append(delivery)
        self._wake.set()
        if self._acks:
            task = asyncio.ensure_future(self.settle(delivery.ack()))
            self._acking.add(task)
            task.add_done_callback(self._acking.discard)

    async def settle(self, work: Any) -> None:
        await work
        self.settled += 1
        self._wake.set()

    async def wait_for(self, count: int, within: float = PATIENCE) -> list[Delivery]:
        async with asyncio.timeout(within):
            while len(self.taken) < count:
                self._wake.clear()
                await self._wake.wait()
        return self.taken

    async def stays_at(self, count: int, seconds: float = 1.5) -> None:
        """Nothing beyond `count` arrives in so many seconds."""
        try:
            await self.wait_for(count + 1, seconds)
        except TimeoutError:
            assert len(self.taken) == count
        else:
            raise AssertionError(f"{len(self.taken)} deliveries, not {count}")

    def bodies(self) -> list[bytes]:
        return [delivery.message.body for delivery in self.taken]


@dataclass
class Party:
    """One connected transport and what it reported."""

    transport: KafkaTransport
    reports: list[Status] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait_for_status(self, status: Status, within: float = PATIENCE) -> None:
        async with asyncio.timeout(within):
            while not self.reports or self.reports[-1] is not status:
                self.changed.clear()
                await self.changed.wait()


async def eventually(condition: Callable[[], bool], within: float = 20.0) -> None:
    """Wait for what has no event of its own."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


Join = Callable[..., Any]


def environment(
    group: str, report: Callable[[Status, Exception | None], None] = lambda status, error: None
) -> Environment:
    return Environment(
        group=group,
        instance=uuid.uuid4().hex[:12],
        token="main",
        serves=True,
        clock=SystemClock(),
        report=report,
    )


async def joined(url: str, group: str, **options: Any) -> Party:
    party: Party

    def report(status: Status, error: Exception | None) -> None:
        party.reports.append(status)
        party.changed.set()

    settings = {"commit_interval": 0.1, **options}
    transport = KafkaTransport(KafkaOptions(url, **settings), environment(group, report))
    party = Party(transport)
    await transport.connect()
    return party


def subscription(name: str, pattern: str, kind: Kind = Kind.EVENT, **more: Any) -> Subscription:
    return Subscription(
        name=name,
        pattern=Pattern(pattern),
        kind=kind,
        group=name.partition(".")[0],
        where="a test",
        **more,
    )


def event(address: str, body: bytes = b"{}", **more: Any) -> Message:
    headers = more.pop("headers", {})
    return Message(Kind.EVENT, address, body, headers, more.pop("id", uuid.uuid4().hex), **more)


def request(address: str, reply_to: str, body: bytes = b"1", timeout: float = 10.0) -> Message:
    headers = {"wl-deadline-ms": str(round(timeout * 1000))}
    return Message(Kind.REQUEST, address, body, headers, uuid.uuid4().hex, reply_to=reply_to)
