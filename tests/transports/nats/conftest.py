"""The NATS transport on a real server, at the level of the transport interface."""

import asyncio
import itertools
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.brokers.broker import Broker
from wireloom.pattern import Pattern
from wireloom.spi import (
    Declaration,
    Delivery,
    Environment,
    Kind,
    Limits,
    Message,
    Status,
    Subscription,
    SystemClock,
)
from wireloom_nats import NatsOptions
from wireloom_nats.transport import NatsTransport

_numbers = itertools.count(1)


class Taken:
    """An intake that a test empties by hand."""

    def __init__(self, capacity: int = 16) -> None:
        self.capacity = capacity
        self._waiting: asyncio.Queue[Delivery] = asyncio.Queue()
        self._held = 0
        self._changed = asyncio.Event()
        self.most = 0

    @property
    def room(self) -> int:
        return max(0, self.capacity - self._held)

    async def wait_for_room(self) -> int:
        while not self.room:
            self._changed.clear()
            await self._changed.wait()
        return self.room

    def put(self, delivery: Delivery) -> None:
        self._held += 1
        self.most = max(self.most, self._held)
        self._waiting.put_nowait(delivery)

    async def next(self, within: float = 5.0) -> Delivery:
        """The next delivery; the test settles it and calls `free`."""
        async with asyncio.timeout(within):
            return await self._waiting.get()

    async def take(self, within: float = 5.0) -> Delivery:
        """The next delivery, acknowledged."""
        delivery = await self.next(within)
        await delivery.ack()
        self.free()
        return delivery

    def free(self) -> None:
        """Note that one delivery is settled."""
        self._held -= 1
        self._changed.set()

    @property
    def waiting(self) -> int:
        return self._waiting.qsize()


class Replies:
    """What came to an inbox."""

    def __init__(self) -> None:
        self.seen: deque[Message] = deque()
        self._arrived = asyncio.Event()

    def __call__(self, message: Message) -> None:
        self.seen.append(message)
        self._arrived.set()

    async def next(self, within: float = 5.0) -> Message:
        async with asyncio.timeout(within):
            while not self.seen:
                self._arrived.clear()
                await self._arrived.wait()
        return self.seen.popleft()


class Statuses:
    """What a transport reported."""

    def __init__(self) -> None:
        self.seen: list[Status] = []
        self.errors: list[Exception | None] = []
        self._changed = asyncio.Event()

    def __call__(self, status: Status, error: Exception | None) -> None:
        self.seen.append(status)
        self.errors.append(error)
        self._changed.set()

    async def reach(self, status: Status, within: float = 10.0) -> None:
        async with asyncio.timeout(within):
            while not self.seen or self.seen[-1] is not status:
                self._changed.clear()
                await self._changed.wait()


class Site:
    """Transports on one server and one namespace."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.namespace = f"t{uuid.uuid4().hex[:10]}"
        self._open: list[NatsTransport] = []
        self.statuses: dict[NatsTransport, Statuses] = {}

    def build(self, group: str = "users", **options: Any) -> NatsTransport:
        """A transport that is not connected."""
        statuses = Statuses()
        environment = Environment(
            group=group,
            instance=f"{group}-{next(_numbers)}",
            token="bus",
            serves=True,
            clock=SystemClock(),
            report=statuses,
        )
        options = {"servers": [self.url], "namespace": self.namespace, **options}
        transport = NatsTransport(NatsOptions(**options), environment)
        self._open.append(transport)
        self.statuses[transport] = statuses
        return transport

    async def connect(self, group: str = "users", **options: Any) -> NatsTransport:
        transport = self.build(group, **options)
        await transport.connect()
        return transport

    async def close(self) -> None:
        for transport in self._open:
            await transport.close()


@pytest.fixture
async def site(nats_broker: Broker) -> AsyncIterator[Site]:
    site = Site(nats_broker.url)
    yield site
    await site.close()


def event(address: str, body: bytes = b"1", **more: Any) -> Message:
    identity = more.pop("id", None) or uuid.uuid4().hex
    return Message(Kind.EVENT, address, body, more.pop("headers", {}), identity, **more)


def request(address: str, reply_to: str, body: bytes = b"1", **more: Any) -> Message:
    identity = more.pop("id", None) or uuid.uuid4().hex
    headers = more.pop("headers", {})
    return Message(Kind.REQUEST, address, body, headers, identity, reply_to=reply_to, **more)


def subscription(pattern: str, name: str = "users.Users.welcome", **more: Any) -> Subscription:
    return Subscription(
        name=name,
        pattern=Pattern(pattern),
        kind=more.pop("kind", Kind.EVENT),
        group=more.pop("group", "users"),
        where="here",
        **more,
    )


def declaration(pattern: str, durable: bool = True, **limits: Any) -> Declaration:
    return Declaration(pattern=Pattern(pattern), limits=Limits(**limits), durable=durable)


async def until(check: Callable[[], Any], within: float = 5.0) -> None:
    """Wait until something outside of the loop's events holds."""
    async with asyncio.timeout(within):
        while not check():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
