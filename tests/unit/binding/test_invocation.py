"""The call itself: request scopes, streams, threads, and what is cleaned up when."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import pytest

from tests.unit.apps import Seen, read_into, running
from wireloom import Context, EventPattern, Inject, MessagePattern, Retry, RpcError, fixed, provide


class Session:
    """Something of one call."""


@pytest.fixture
def log() -> Seen:
    return Seen()


def sessions(log: Seen) -> Any:
    async def session() -> AsyncIterator[Session]:
        log.add("open")
        yield Session()
        await asyncio.sleep(0)
        log.add("close")

    return provide(session, scope="request")


async def test_request_scope_is_cleaned_up_after_the_handler(log: Seen) -> None:
    @MessagePattern("get")
    async def get(session: Session) -> str:
        log.add("run")
        return type(session).__name__

    async with running(get, providers=[sessions(log)]) as bus:
        assert await bus.send("get") == "Session"
        assert await bus.send("get") == "Session"
    assert log == ["open", "run", "close"] * 2


async def test_request_scope_is_cleaned_up_when_the_handler_fails(log: Seen) -> None:
    @MessagePattern("get")
    async def get(session: Session) -> None:
        raise RpcError("no", "NOT_FOUND")

    async with running(get, providers=[sessions(log)]) as bus:
        with pytest.raises(RpcError, match="NOT_FOUND"):
            await bus.send("get")
    assert log == ["open", "close"]


async def test_request_scope_is_cleaned_up_when_the_handler_runs_out_of_time(log: Seen) -> None:
    @MessagePattern("get", timeout=0.02)
    async def get(session: Session) -> None:
        await asyncio.Event().wait()

    async with running(get, providers=[sessions(log)]) as bus:
        with pytest.raises(TimeoutError):
            await bus.send("get")
        await log.wait(2)
    assert log == ["open", "close"]


async def test_request_scope_is_not_opened_for_a_payload_that_is_invalid(log: Seen) -> None:
    @MessagePattern("get")
    async def get(number: int, session: Session) -> None: ...

    @MessagePattern("stream")
    async def stream(number: int, session: Session) -> AsyncIterator[int]:
        yield number

    async with running(get, stream, providers=[sessions(log)]) as bus:
        for pattern in ("get", "stream"):
            with pytest.raises(RpcError, match="INVALID_ARGUMENT"):
                await bus.send(pattern, "x")
    assert log == []


async def test_request_scope_stays_open_while_a_stream_goes_on(log: Seen) -> None:
    @MessagePattern("get")
    async def get(count: int, session: Session) -> AsyncIterator[int]:
        for number in range(count):
            log.add(number)
            yield number

    async with running(get, providers=[sessions(log)]) as bus:
        got: list[int] = []
        await read_into(got, bus.stream("get", 2))
        await log.wait(4)
    assert log == ["open", 0, 1, "close"]


async def test_stream_that_nobody_reads_on_ends_before_its_scope(log: Seen) -> None:
    @MessagePattern("get")
    async def get(session: Session) -> AsyncIterator[int]:
        try:
            for number in range(10_000):
                yield number
        finally:
            await asyncio.sleep(0)
            log.add("handler ends")

    async with running(get, providers=[sessions(log)]) as bus:
        async with bus.stream("get") as items:
            async for _ in items:
                break
        await log.wait(3, within=1.0)
    assert log == ["open", "handler ends", "close"]


async def test_stream_that_fails_ends_its_scope(log: Seen) -> None:
    @MessagePattern("get")
    async def get(session: Session) -> AsyncIterator[int]:
        yield 1
        raise RpcError("no", "NOT_FOUND")

    async with running(get, providers=[sessions(log)]) as bus:
        got: list[int] = []
        with pytest.raises(RpcError, match="NOT_FOUND"):
            await read_into(got, bus.stream("get"))
        await log.wait(2)
    assert (got, log) == ([1], ["open", "close"])


async def test_each_run_of_a_retried_event_has_a_scope_of_its_own(log: Seen) -> None:
    seen: set[int] = set()
    kept: list[Session] = []

    @EventPattern("e", retry=Retry(3, backoff=fixed(0)))
    async def handler(session: Session) -> None:
        kept.append(session)
        seen.add(id(session))
        raise ValueError

    async with running(handler, providers=[sessions(log)]) as bus:
        await bus.emit("e")
        await log.wait(6)
    assert (len(seen), log.count("open"), log.count("close")) == (3, 3, 3)


async def test_plain_generator_provider_and_def_handler_work_together(log: Seen) -> None:
    def session(ctx: Context) -> Iterator[Session]:
        log.add(ctx.address)
        yield Session()
        log.add("close")

    @MessagePattern("get")
    def get(number: int, session: Session, base: Annotated[int, Inject("BASE")]) -> int:
        return number + base

    providers = [provide(session, scope="request"), provide(10, token="BASE")]
    async with running(get, providers=providers) as bus:
        assert await bus.send("get", 5) == 15
    assert log == ["get", "close"]


async def test_failed_provider_is_the_failure_of_the_call_and_others_are_cleaned_up(
    log: Seen,
) -> None:
    class Broken: ...

    def broken(session: Session) -> Broken:
        raise LookupError("s3cret")

    @MessagePattern("get")
    async def get(session: Session, broken: Broken) -> None: ...

    providers = [sessions(log), provide(broken, scope="request")]
    async with running(get, providers=providers) as bus:
        with pytest.raises(RpcError, match="INTERNAL: internal error"):
            await bus.send("get")
    assert log == ["open", "close"]
