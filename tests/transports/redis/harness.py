"""The transport alone on a real server: peers, an intake that a test empties by hand, an inbox."""

import asyncio
import itertools
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

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
from wireloom_redis import RedisOptions
from wireloom_redis.transport import RedisTransport

WITHIN = 5.0
_numbers = itertools.count(1)


class Taken:
    """An intake; what it holds counts until the test frees it."""

    def __init__(self, capacity: int = 16) -> None:
        self.capacity = capacity
        self._waiting: asyncio.Queue[Delivery] = asyncio.Queue()
        self._held = 0
        self._changed = asyncio.Event()

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
        self._waiting.put_nowait(delivery)

    def free(self) -> None:
        self._held -= 1
        self._changed.set()

    @property
    def waiting(self) -> int:
        return self._waiting.qsize()

    async def next(self, within: float = WITHIN) -> Delivery:
        """The next delivery; the test settles it."""
        async with asyncio.timeout(within):
            return await self._waiting.get()

    async def done(self, within: float = WITHIN) -> Delivery:
        """The next delivery, acknowledged."""
        delivery = await self.next(within)
        await delivery.ack()
        self.free()
        return delivery

    async def bodies(self, count: int, within: float = WITHIN) -> list[bytes]:
        """The bodies of the next ones, acknowledged."""
        return [(await self.done(within)).message.body for _ in range(count)]

    async def nothing(self, seconds: float = 0.3) -> bool:
        """Whether nothing comes for so long."""
        try:
            await self.next(seconds)
        except TimeoutError:
            return True
        return False


class Peer:
    """One process's transport, with its inbox and what it reported."""

    def __init__(self, options: RedisOptions, group: str = "service") -> None:
        self.statuses: list[Status] = []
        self.changed = asyncio.Event()
        self.received: asyncio.Queue[Message] = asyncio.Queue()
        self.inbox = ""
        self.transport = RedisTransport(
            options,
            Environment(
                group=group,
                instance=f"{group}-{next(_numbers)}-{secrets.token_hex(2)}",
                token="bus",
                serves=True,
                clock=SystemClock(),
                report=self._report,
            ),
        )

    async def open(self) -> "Peer":
        await self.transport.connect()
        self.inbox = await self.transport.open_inbox(self.received.put_nowait)
        return self

    def _report(self, status: Status, error: Exception | None) -> None:
        self.statuses.append(status)
        self.changed.set()

    async def until(self, status: Status, within: float = 15.0) -> None:
        """Wait until the last status is this one."""
        async with asyncio.timeout(within):
            while not self.statuses or self.statuses[-1] is not status:
                self.changed.clear()
                await self.changed.wait()

    async def answer(self, within: float = WITHIN) -> Message:
        """The next message to the inbox."""
        async with asyncio.timeout(within):
            return await self.received.get()

    async def emit(self, address: str, body: bytes, **fields: Any) -> Any:
        message_id = fields.pop("id", None) or secrets.token_hex(8)
        headers = fields.pop("headers", {})
        return await self.transport.publish(
            Message(Kind.EVENT, address, body, headers, message_id, **fields)
        )

    async def request(self, address: str, body: bytes = b"?") -> str:
        message_id = secrets.token_hex(8)
        await self.transport.publish(
            Message(Kind.REQUEST, address, body, {}, message_id, reply_to=self.inbox)
        )
        return message_id

    async def handle(self, pattern: str, intake: Taken | None = None, **fields: Any) -> Taken:
        """Subscribe to an event; return the intake."""
        intake = intake or Taken()
        await self.transport.subscribe(event(pattern, **fields), intake)
        return intake

    async def serve(self, pattern: str) -> Taken:
        """Subscribe to requests; return the intake."""
        intake = Taken(1000)
        await self.transport.subscribe(event(pattern, kind=Kind.REQUEST), intake)
        return intake


def event(pattern: str, **fields: Any) -> Subscription:
    """A subscription."""
    settings = {
        "name": f"service.{pattern}",
        "kind": Kind.EVENT,
        "group": "service",
        "where": "Tests.handle",
        **fields,
    }
    return Subscription(pattern=Pattern.of(pattern), **settings)


def declaration(pattern: str, **fields: Any) -> Declaration:
    """A declaration with the usual limits."""
    return Declaration(pattern=Pattern.of(pattern), **{"limits": Limits(), **fields})


async def eventually(true: Callable[[], bool | Awaitable[bool]], within: float = WITHIN) -> None:
    """Look until it is so."""
    async with asyncio.timeout(within):
        while True:
            seen = true()
            if seen if isinstance(seen, bool) else await seen:
                return
            await asyncio.sleep(0.01)
