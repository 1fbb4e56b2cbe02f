"""The client for `def` handlers and threads."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest

from tests.unit.apps import TOKEN, Seen, application, running
from wireloom import (
    ClientProxy,
    ClosedError,
    EventPattern,
    Inject,
    MessagePattern,
    Rpc,
    RpcError,
)


@MessagePattern("double")
async def double(number: int) -> int:
    return number * 2


@MessagePattern("count")
async def count(to: int) -> AsyncIterator[int]:
    for number in range(to):
        yield number


async def test_def_handler_sends_emits_and_streams() -> None:
    got = Seen()

    @MessagePattern("outer")
    def outer(number: int, bus: Annotated[ClientProxy, Inject(TOKEN)]) -> list[Any]:
        bus.blocking.emit("e", number)
        answer = bus.blocking.send(Rpc("double", int, int), number)
        return [answer, *bus.blocking.stream("count", 3)]

    @EventPattern("e")
    async def handler(number: int) -> None:
        got.add(number)

    async with running(outer, double, count, handler) as bus:
        assert await bus.send("outer", 5) == [10, 0, 1, 2]
        assert await got.wait() == [5]


async def test_thread_of_the_program_may_call() -> None:
    async with running(double) as bus:
        answer = await asyncio.to_thread(bus.blocking.send, "double", 4, response_type=int)
        assert answer == 8


async def test_errors_are_those_of_the_client() -> None:
    @MessagePattern("fail")
    async def fail() -> None:
        raise RpcError("no", "NO")

    async with running(fail) as bus:
        with pytest.raises(RpcError, match="NO: no"):
            await asyncio.to_thread(bus.blocking.send, "fail")


async def test_calls_on_the_loop_are_refused_since_they_would_wait_for_themselves() -> None:
    async with running(double, count) as bus:
        with pytest.raises(RuntimeError, match="wait for themselves"):
            bus.blocking.send("double", 1)
        with pytest.raises(RuntimeError, match="wait for themselves"):
            bus.blocking.emit("e")
        with pytest.raises(RuntimeError, match="wait for themselves"):
            next(iter(bus.blocking.stream("count", 1)))


async def test_stream_that_is_left_early_ends_the_handler() -> None:
    ended = Seen()

    @MessagePattern("forever")
    async def forever() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
        finally:
            ended.add(1)

    def read_one(bus: ClientProxy) -> int:
        stream = bus.blocking.stream("forever")
        item = next(iter(stream))
        stream.close()  # type: ignore[attr-defined]
        return item

    async with running(forever) as bus:
        assert await asyncio.to_thread(read_one, bus) == 1
        await ended.wait(within=1.0)


async def test_before_the_start_every_call_is_closed() -> None:
    bus = application(double).client(TOKEN)
    outcome: list[BaseException] = []

    def call() -> None:
        try:
            bus.blocking.send("double", 1)
        except ClosedError as error:
            outcome.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    await asyncio.to_thread(thread.join, 5)
    assert len(outcome) == 1
