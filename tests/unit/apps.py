"""Applications on a memory broker that is nobody else's."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from wireloom import Application, ClientProxy
from wireloom.spi import DeadLetter
from wireloom_memory import MemoryBroker, MemoryOptions

TOKEN = "bus"


def memory(broker: MemoryBroker | None = None, **options: Any) -> MemoryOptions:
    return MemoryOptions(client=broker or MemoryBroker(), **options)


def application(
    *handlers: Callable[..., Any], broker: MemoryBroker | None = None, **options: Any
) -> Application:
    options = {"transports": {TOKEN: memory(broker)}, "grace": 1.0, **options}
    return Application("svc", handlers=handlers, **options)


@asynccontextmanager
async def running(
    *handlers: Callable[..., Any], broker: MemoryBroker | None = None, **options: Any
) -> AsyncIterator[ClientProxy]:
    """Run an application; give its client."""
    async with application(*handlers, broker=broker, **options) as app:
        yield app.client(TOKEN)


@asynccontextmanager
async def started(
    *handlers: Callable[..., Any], broker: MemoryBroker | None = None, **options: Any
) -> AsyncIterator[Application]:
    """Run an application; give the application."""
    async with application(*handlers, broker=broker, **options) as app:
        yield app


async def dead_letters(app: Application, name: str) -> list[DeadLetter]:
    store = app.links[TOKEN].transport.dead_letters
    return [letter async for letter in store.read(name)]


class Seen(list[Any]):
    """What handlers saw, which a test can wait for."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = asyncio.Event()

    def add(self, value: Any) -> None:
        self.append(value)
        self._changed.set()

    async def wait(self, count: int = 1, within: float = 5.0) -> list[Any]:
        async with asyncio.timeout(within):
            while len(self) < count:
                self._changed.clear()
                await self._changed.wait()
        return list(self)


async def until(done: Callable[[], bool], within: float = 5.0) -> None:
    """Let the loop turn until it is so; nothing tells when counters change."""
    async with asyncio.timeout(within):
        while not done():  # noqa: ASYNC110
            await asyncio.sleep(0)


async def read_into(items: list[Any], stream: AsyncIterable[Any]) -> None:
    """Keep what a stream gave, also when it fails."""
    async for item in stream:
        items.append(item)  # noqa: PERF401
