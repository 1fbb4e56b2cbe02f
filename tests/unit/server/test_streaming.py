"""Streamed answers: at the reader's pace, and no longer than somebody reads."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated, Any

import pytest

from tests.unit.apps import TOKEN, Seen, memory, read_into, running, started, until
from wireloom import ClientProxy, Inject, MessagePattern, RpcError
from wireloom.spi import Kind, Message
from wireloom.testing import ManualClock, idle

WINDOW = 32


async def test_items_come_in_order_and_end() -> None:
    @MessagePattern("export")
    async def export(count: int) -> AsyncIterator[int]:
        for number in range(count):
            yield number

    async with started(export) as app:
        bus = app.client(TOKEN)
        for count in (0, 1, 5, WINDOW, WINDOW + 1, 500):
            assert [item async for item in bus.stream("export", count)] == list(range(count))
        assert (app.links[TOKEN].pending, app.links[TOKEN].streams) == ({}, {})


async def test_send_gets_the_last_item_and_stream_of_a_plain_handler_its_one() -> None:
    @MessagePattern("export")
    async def export(count: int) -> AsyncIterator[int]:
        for number in range(count):
            yield number

    @MessagePattern("plain")
    async def plain() -> int:
        return 7

    async with running(export, plain) as bus:
        assert await bus.send("export", 100) == 99
        assert await bus.send("export", 0) is None
        assert [item async for item in bus.stream("plain")] == [7]


async def test_error_of_the_producer_comes_after_its_items() -> None:
    @MessagePattern("export")
    async def export() -> AsyncIterator[int]:
        yield 1
        yield 2
        raise RpcError("no more", "DATA_LOSS")

    async with running(export) as bus:
        got: list[Any] = []
        with pytest.raises(RpcError, match="DATA_LOSS"):
            await read_into(got, bus.stream("export"))
        assert got == [1, 2]
        with pytest.raises(RpcError, match="DATA_LOSS"):
            await bus.send("export")


@pytest.mark.parametrize("items", [["x"], [object()]])
async def test_item_that_is_not_what_the_handler_says_is_an_error(items: list[Any]) -> None:
    @MessagePattern("export")
    async def export() -> AsyncIterator[int]:
        yield 1
        for item in items:
            yield item

    async with running(export) as bus:
        got: list[Any] = []
        with pytest.raises(RpcError, match="INTERNAL"):
            await read_into(got, bus.stream("export"))
        assert got == [1]


async def test_item_over_the_limit_is_an_error() -> None:
    @MessagePattern("export")
    async def export() -> AsyncIterator[str]:
        yield "x" * 10
        yield "x" * 5000

    async with running(export, transports={TOKEN: memory(max_payload=1000)}) as bus:
        with pytest.raises(RpcError, match="RESOURCE_EXHAUSTED"):
            await read_into([], bus.stream("export"))


async def test_producer_is_never_more_than_the_window_ahead_of_the_reader() -> None:
    produced = 0

    @MessagePattern("export")
    async def export() -> AsyncIterator[int]:
        nonlocal produced
        for number in range(500):
            produced = number + 1
            yield number

    async with running(export) as bus, bus.stream("export") as items:
        read = 0
        await idle()
        assert produced <= WINDOW + 1
        async for _ in items:
            read += 1
            await idle()
            assert produced - read <= WINDOW + 1
        assert read == 500


@pytest.mark.parametrize("entered", [True, False])
async def test_reader_that_stops_early_ends_the_handler(*, entered: bool) -> None:
    ended = Seen()

    @MessagePattern("export")
    async def export() -> AsyncIterator[int]:
        try:
            number = 0
            while True:
                yield number
                number += 1
        finally:
            ended.add(number)

    async with started(export) as app:
        stream = app.client(TOKEN).stream("export")
        if entered:
            async with stream as items:
                async for _ in items:
                    break
        else:
            async for _ in stream:
                break
        await ended.wait(within=1.0)
        await until(lambda: app.health()["in_flight"] == 0)
        assert (app.links[TOKEN].pending, app.links[TOKEN].streams) == ({}, {})


async def test_reader_that_is_cancelled_ends_the_handler() -> None:
    ended, begun = Seen(), Seen()

    @MessagePattern("export")
    async def export() -> AsyncIterator[int]:
        try:
            yield 1
            begun.add(1)
            await asyncio.Event().wait()
        finally:
            ended.add(1)

    async with running(export) as bus:
        reading = asyncio.ensure_future(read_into([], bus.stream("export")))
        await begun.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await ended.wait(within=1.0)


async def test_silence_of_ten_seconds_ends_the_handler() -> None:
    clock, ended = ManualClock(), Seen()

    @MessagePattern("export")
    async def export() -> AsyncIterator[int]:
        try:
            for number in range(1000):
                yield number
        finally:
            ended.add(clock.monotonic())

    async with started(export, clock=clock) as app:
        await app.links[TOKEN].transport.publish(
            Message(Kind.REQUEST, "export", b"", {}, "nobody-reads", reply_to="inbox.gone")
        )
        await clock.advance(9.5)
        assert ended == []
        await clock.advance(1)
        assert len(ended) == 1
        assert app.health()["in_flight"] == 0


async def test_slow_reader_keeps_the_handler_alive() -> None:
    clock = ManualClock()

    @MessagePattern("export")
    async def export() -> AsyncIterator[int]:
        for number in range(100):
            yield number

    async with running(export, clock=clock) as bus, bus.stream("export") as items:
        got = []
        async for item in items:
            got.append(item)
            if item % 10 == 0:
                await clock.advance(25)
        assert got == list(range(100))


async def test_generator_that_swallows_its_cancellation_is_ended_all_the_same() -> None:
    clock, ended = ManualClock(), Seen()

    @MessagePattern("export")
    async def export() -> AsyncIterator[int]:
        try:
            while True:
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(0)
                yield 1
        finally:
            ended.add(1)

    async with started(export, clock=clock) as app:
        async with app.client(TOKEN).stream("export") as items:
            async for _ in items:
                break
        for _ in range(8):
            await clock.advance(3)
        assert (ended, app.health()["in_flight"]) == ([1], 0)


async def test_item_that_takes_too_long_is_a_timeout_on_both_sides() -> None:
    clock, ended = ManualClock(), Seen()

    @MessagePattern("export", timeout=5)
    async def export() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            ended.add(round(clock.monotonic()))

    async with running(export, clock=clock) as bus:
        got: list[Any] = []
        reading = asyncio.ensure_future(read_into(got, bus.stream("export", timeout=60)))
        await clock.advance(6)
        with pytest.raises(TimeoutError, match="out of time"):
            await reading
        assert (got, ended) == ([1], [5])
        reading = asyncio.ensure_future(read_into(got, bus.stream("export", timeout=2)))
        await clock.advance(3)
        with pytest.raises(TimeoutError, match="no item in 2 s"):
            await reading


async def test_stream_longer_than_its_timeout_goes_on_while_items_come() -> None:
    clock = ManualClock()

    @MessagePattern("inner")
    async def inner() -> int:
        return 1

    @MessagePattern("export")
    async def export(bus: Annotated[ClientProxy, Inject(TOKEN)]) -> AsyncIterator[int]:
        for _ in range(5):
            await clock.sleep(4)
            yield await bus.send("inner", response_type=int)

    async with running(inner, export, clock=clock) as bus:
        got: list[Any] = []
        reading = asyncio.ensure_future(read_into(got, bus.stream("export")))
        for _ in range(6):
            await clock.advance(4)
        await reading
        assert got == [1] * 5


async def test_stream_to_a_caller_that_is_gone_is_no_failure_of_the_service() -> None:
    @MessagePattern("export")
    async def export() -> AsyncIterator[int]:
        yield 1

    async with running(export) as bus:
        await bus._link.transport.publish(
            Message(Kind.REQUEST, "export", b"", {}, "gone", reply_to="inbox.gone")
        )
        assert [item async for item in bus.stream("export")] == [1]
