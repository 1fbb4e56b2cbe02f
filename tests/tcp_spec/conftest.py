"""The node under test: what it serves is all that the cases know of it.

Requests: `echo` and `wild.*` answer with the body; `fail` with an error; `items` with as many ITEM
frames as the body says, at the reader's pace, then END; `held` when the case lets it; `never` not
at all. Events: `note` is settled; `kept` when the case says how; `busy` has room for one.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
import uvloop

from tests.tcp_spec.wire import Wire
from tests.unit.tcp.nodes import Intake, TestNode, ack, echo, listening
from wireloom.spi import Delivery, Kind, Message, Subscriber


class NodeUnderTest(TestNode):
    """Serves what the cases call."""

    __test__ = False
    intakes: dict[str, Intake]
    subscribers: dict[str, Subscriber]

    async def start(self) -> None:
        self.intakes, self.subscribers = {}, {}
        self.release = asyncio.Event()
        self._credit = asyncio.Semaphore(32)
        requests = {"echo": echo, "fail": _fail, "items": self._items, "held": self._held}
        for name, act in requests.items():
            await self._add(name, Kind.REQUEST, act)
        await self._add("never", Kind.REQUEST, _drop)
        await self._add("note", Kind.EVENT, ack)
        await self._add("kept", Kind.EVENT, None)
        await self._add("busy", Kind.EVENT, None, capacity=1)
        await self._add("wild.*", Kind.REQUEST, echo)

    async def _add(self, name: str, kind: Kind, act: Any, **more: Any) -> None:
        intake, subscriber = await self.serve(name, act, kind=kind, name=name, **more)
        self.intakes[name], self.subscribers[name] = intake, subscriber

    async def _held(self, delivery: Delivery) -> None:
        await self.release.wait()
        await echo(delivery)

    async def _items(self, delivery: Delivery) -> None:
        request = delivery.message
        pump = asyncio.create_task(self._grant(asyncio.current_task()))
        try:
            for number in range(int(request.body)):
                await self._credit.acquire()
                await delivery.reply(_message(Kind.ITEM, request, b"%d" % number))
            await delivery.reply(_message(Kind.END, request, b""))
        except asyncio.CancelledError:
            await delivery.reply(_message(Kind.ERROR, request, b"", {"wl-error": "CANCELLED"}))
        finally:
            pump.cancel()

    async def _grant(self, task: "asyncio.Task[Any] | None") -> None:
        while True:
            message = await self.control.get()
            if message.kind is Kind.CANCEL and task is not None:
                task.cancel()
            for _ in range(int(message.body or b"0")):
                self._credit.release()


def _message(
    kind: Kind, request: Message, body: bytes, headers: dict[str, str] | None = None
) -> Message:
    return Message(kind, request.reply_to or "", body, headers or {}, request.id)


async def _fail(delivery: Delivery) -> None:
    body = b'{"code":"NOT_FOUND","message":"no"}'
    await delivery.reply(_message(Kind.ERROR, delivery.message, body, {"wl-error": "NOT_FOUND"}))


async def _drop(delivery: Delivery) -> None:
    """Answer nothing at all."""


Start = Callable[..., Any]


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run on what production runs on; the unit tests have asyncio's own loop."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start a node under test with these options."""
    async with AsyncExitStack() as stack:

        async def start(**fields: Any) -> NodeUnderTest:
            node = NodeUnderTest("node", listening(**fields))
            await stack.enter_async_context(node)
            await node.start()
            return node

        yield start


@pytest.fixture
async def node(start: Start) -> NodeUnderTest:
    """Start one with the default options."""
    started: NodeUnderTest = await start()
    return started


@pytest.fixture
async def wire(node: NodeUnderTest) -> AsyncIterator[Wire]:
    """Open a connection that has not greeted."""
    async with await Wire.open(node.address) as opened:
        yield opened


@pytest.fixture
async def peer(wire: Wire) -> Wire:
    """Open a connection that has greeted."""
    return await wire.greet()
