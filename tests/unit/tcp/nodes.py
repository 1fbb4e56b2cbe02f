"""Nodes without a core: intakes and inboxes that record, on free ports of loopback."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from wireloom.pattern import Pattern
from wireloom.spi import (
    Delivery,
    Environment,
    Kind,
    Message,
    Status,
    Subscriber,
    Subscription,
    SystemClock,
)
from wireloom_tcp.options import TcpOptions
from wireloom_tcp.transport import TcpTransport

BOUND = 5.0
"""Seconds after which a wait in these tests has failed."""

Act = Callable[[Delivery], Awaitable[None]]


class Intake:
    """Keeps what it is given, or runs `act` on each in a task of its own."""

    def __init__(self, capacity: int = 1000, act: Act | None = None) -> None:
        self.capacity = capacity
        self.taken: deque[Delivery] = deque()
        self.seen: list[Delivery] = []
        self._act = act
        self._changed = asyncio.Condition()
        self._room = asyncio.Event()
        self._room.set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def room(self) -> int:
        return max(0, self.capacity - len(self.taken))

    async def wait_for_room(self) -> int:
        while not self.room:
            self._room.clear()
            await self._room.wait()
        return self.room

    def put(self, delivery: Delivery) -> None:
        self.seen.append(delivery)
        self.taken.append(delivery)
        self._start(self._notify())
        if self._act is not None:
            self._start(self._run(delivery, self._act))

    def finish(self, delivery: Delivery) -> None:
        self.taken.remove(delivery)
        self._room.set()

    async def get(self, count: int = 1) -> list[Delivery]:
        """Wait until so many have come in all; return all of them."""
        async with asyncio.timeout(BOUND), self._changed:
            await self._changed.wait_for(lambda: len(self.seen) >= count)
        return list(self.seen)

    async def _run(self, delivery: Delivery, act: Act) -> None:
        await act(delivery)
        self.finish(delivery)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class TestNode:
    """One transport with an inbox."""

    __test__ = False

    def __init__(
        self, name: str, options: TcpOptions, *, serves: bool = True, group: str = ""
    ) -> None:
        self.name = name
        self.states: list[tuple[Status, Exception | None]] = []
        self._state = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._answers: dict[str, asyncio.Queue[Message]] = {}
        self.control: asyncio.Queue[Message] = asyncio.Queue()
        self._requests = 0
        environment = Environment(
            group=group or name,
            instance=name,
            token="main",
            serves=serves,
            clock=SystemClock(),
            report=self._report,
        )
        self.transport = TcpTransport(options, environment)
        self.inbox = ""

    @property
    def address(self) -> str:
        assert self.transport.address is not None
        return self.transport.address

    @property
    def hub(self) -> Any:
        node = self.transport.unwrap()
        assert node is not None
        return node.hub

    async def __aenter__(self) -> "TestNode":
        await self.transport.connect()
        self.inbox = await self.transport.open_inbox(self._receive)
        return self

    async def __aexit__(self, *_: object) -> None:
        async with asyncio.timeout(BOUND):
            await self.transport.close()

    async def serve(
        self,
        pattern: str,
        act: Act | None = None,
        *,
        kind: Kind = Kind.REQUEST,
        name: str = "",
        group: str = "",
        capacity: int = 1000,
        **more: Any,
    ) -> tuple[Intake, Subscriber]:
        intake = Intake(capacity, act)
        subscription = Subscription(
            name=name or f"{self.name}.{pattern}",
            pattern=Pattern(pattern),
            kind=kind,
            group=group or self.name,
            where="test",
            **more,
        )
        return intake, await self.transport.subscribe(subscription, intake)

    async def send(
        self, address: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> asyncio.Queue[Message]:
        """Publish a request; return where its answers come."""
        self._requests += 1
        request_id = f"{self.name}-{self._requests}"
        answers = self._answers[request_id] = asyncio.Queue()
        request = Message(
            Kind.REQUEST, address, body, headers or {}, request_id, reply_to=self.inbox
        )
        await self.transport.publish(request)
        return answers

    async def call(self, address: str, body: bytes = b"") -> Message:
        """Publish a request and wait for its first answer."""
        answers = await self.send(address, body)
        async with asyncio.timeout(BOUND):
            return await answers.get()

    def last_id(self) -> str:
        return f"{self.name}-{self._requests}"

    async def emit(self, address: str, body: bytes = b"", **more: Any) -> Any:
        self._requests += 1
        more.setdefault("id", f"{self.name}-e{self._requests}")
        headers = more.pop("headers", {})
        event_id = more.pop("id")
        async with asyncio.timeout(BOUND):
            return await self.transport.publish(
                Message(Kind.EVENT, address, body, headers, event_id, **more)
            )

    async def control_message(self, kind: Kind, request_id: str, body: bytes = b"") -> None:
        await self.transport.publish(Message(kind, "", body, {}, request_id))

    async def until(self, status: Status) -> None:
        """Wait until the last reported status is this."""
        async with asyncio.timeout(BOUND), self._state:
            await self._state.wait_for(lambda: bool(self.states) and self.states[-1][0] is status)

    def _receive(self, message: Message) -> None:
        if message.kind >= Kind.CREDIT:
            self.control.put_nowait(message)
        elif message.id in self._answers:
            self._answers[message.id].put_nowait(message)

    def _report(self, status: Status, error: Exception | None) -> None:
        self.states.append((status, error))
        task = asyncio.get_running_loop().create_task(self._notify())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _notify(self) -> None:
        async with self._state:
            self._state.notify_all()


def listening(**fields: Any) -> TcpOptions:
    return TcpOptions(listen="127.0.0.1:0", **fields)


async def echo(delivery: Delivery) -> None:
    """Answer a request with its own body."""
    message = delivery.message
    await delivery.reply(
        Message(Kind.REPLY, message.reply_to or "", message.body, {"a": "b"}, message.id)
    )


async def ack(delivery: Delivery) -> None:
    await delivery.ack()
