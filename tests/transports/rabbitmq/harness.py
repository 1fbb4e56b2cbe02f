"""A transport at its interface: an environment, intakes, and messages to put in."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import uuid4

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
from wireloom_rabbitmq import RabbitMqOptions
from wireloom_rabbitmq.delivery import RabbitMqDelivery
from wireloom_rabbitmq.transport import RabbitMqTransport

PATIENCE = 10.0
"""Seconds that anything may take."""


class Box:
    """An intake that keeps what is put into it, until a test takes it."""

    def __init__(self, capacity: int = 16) -> None:
        self.capacity = capacity
        self.room = capacity
        self._arrived: asyncio.Queue[Delivery] = asyncio.Queue()

    async def wait_for_room(self) -> int:
        return self.room

    def put(self, delivery: Delivery) -> None:
        self._arrived.put_nowait(delivery)

    def __len__(self) -> int:
        return self._arrived.qsize()

    async def take(self, within: float = PATIENCE) -> RabbitMqDelivery:
        async with asyncio.timeout(within):
            delivery = await self._arrived.get()
        assert isinstance(delivery, RabbitMqDelivery)
        return delivery

    async def nothing(self, during: float = 0.3) -> None:
        """Fail if anything arrives within so many seconds."""
        with contextlib.suppress(TimeoutError):
            delivery = await self.take(during)
            raise AssertionError(f"{delivery.message!r} arrived")


class Statuses:
    """What a transport reported, to be waited for."""

    def __init__(self) -> None:
        self.seen: list[tuple[Status, Exception | None]] = []
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def report(self, status: Status, error: Exception | None) -> None:
        self.seen.append((status, error))
        task = asyncio.get_running_loop().create_task(self._notify())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def until(self, wanted: Status, *, count: int = 1, within: float = PATIENCE) -> None:
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(lambda: self.count(wanted) >= count)

    def count(self, wanted: Status) -> int:
        return sum(status is wanted for status, _ in self.seen)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


class Peer:
    """One connected transport and what its inbox got."""

    def __init__(self, options: RabbitMqOptions, group: str) -> None:
        self.statuses = Statuses()
        self.replies: asyncio.Queue[Message] = asyncio.Queue()
        self.transport = RabbitMqTransport(
            options,
            Environment(
                group=group,
                instance=uuid4().hex[:8],
                token="main",
                serves=True,
                clock=SystemClock(),
                report=self.statuses.report,
            ),
        )
        self.inbox = ""

    async def start(self) -> None:
        await self.transport.connect()
        self.inbox = await self.transport.open_inbox(self.replies.put_nowait)

    async def reply(self, within: float = PATIENCE) -> Message:
        async with asyncio.timeout(within):
            return await self.replies.get()

    async def handle(self, subscription: Subscription, capacity: int = 16) -> Box:
        box = Box(capacity)
        self.transport.check(subscription)
        await self.transport.subscribe(subscription, box)
        return box


class Place:
    """A namespace on a broker, in which peers meet and nobody else."""

    def __init__(self, url: str, **options: Any) -> None:
        self.url = url
        self.namespace = f"t{uuid4().hex[:8]}"
        self._options = options

    def options(self, **changes: Any) -> RabbitMqOptions:
        values = {"url": self.url, "namespace": self.namespace, **self._options, **changes}
        return RabbitMqOptions(**values)

    @contextlib.asynccontextmanager
    async def peer(self, group: str = "g", **changes: Any) -> AsyncIterator[Peer]:
        peer = Peer(self.options(**changes), group)
        try:
            await peer.start()
            yield peer
        finally:
            await peer.transport.close()


def events(
    pattern: str = "user.created", name: str = "g.Users.welcome", **facts: Any
) -> Subscription:
    """A subscription to events."""
    return _subscription(Kind.EVENT, pattern, name, facts)


def requests(pattern: str = "users.get", name: str = "g.Users.get", **facts: Any) -> Subscription:
    """A subscription to requests."""
    return _subscription(Kind.REQUEST, pattern, name, facts)


def event(
    address: str = "user.created",
    body: bytes = b'{"id":1}',
    headers: Mapping[str, str] | None = None,
    **fields: Any,
) -> Message:
    """An event to publish."""
    given = {"content-type": "application/json", **(headers or {})}
    return Message(Kind.EVENT, address, body, given, fields.pop("id", uuid4().hex), **fields)


def request(address: str = "users.get", body: bytes = b"1", **fields: Any) -> Message:
    """A request to publish."""
    headers = {"content-type": "application/json", "wl-deadline-ms": "5000"}
    return Message(
        Kind.REQUEST,
        address,
        body,
        {**headers, **fields.pop("headers", {})},
        fields.pop("id", uuid4().hex),
        reply_to=fields.pop("reply_to", "amq.rabbitmq.reply-to"),
    )


def _subscription(kind: Kind, pattern: str, name: str, facts: Mapping[str, Any]) -> Subscription:
    return Subscription(
        **{
            "name": name,
            "pattern": Pattern(pattern),
            "kind": kind,
            "group": "g",
            "where": "a test",
            **facts,
        }
    )
