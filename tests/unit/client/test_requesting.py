"""Requests: one answer, in time, and nothing left behind."""

import asyncio
import logging
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from tests.unit.apps import TOKEN, Seen, memory, running, started, until
from wireloom import (
    ClientProxy,
    ConfigurationError,
    ConnectionLostError,
    Context,
    Event,
    EventPattern,
    Inject,
    InvalidPatternError,
    InvalidPayloadError,
    MessagePattern,
    NoHandlerError,
    OverloadedError,
    RequestTimeoutError,
    Rpc,
    RpcError,
)
from wireloom.client import requesting
from wireloom.client.calls import Call
from wireloom.spi import Kind, Message
from wireloom.testing import ManualClock, idle
from wireloom_memory import MemoryBroker


class User(BaseModel):
    id: int


GET_USER = Rpc("users.get", request=int, response=User, timeout=3.0)


@MessagePattern("silent", timeout=None)
async def silent() -> None:
    await asyncio.Event().wait()


async def test_contract_gives_the_type_of_the_answer_and_checks_the_request() -> None:
    @MessagePattern(GET_USER)
    async def get(id: int) -> User:
        return User(id=id)

    async with running(get) as bus:
        assert await bus.send(GET_USER, 5) == User(id=5)
        with pytest.raises(InvalidPayloadError):
            await bus.send(GET_USER, "x")  # type: ignore[arg-type]


async def test_answer_that_is_not_what_was_asked_for_is_refused_naming_the_request() -> None:
    @MessagePattern("get")
    async def get() -> str:
        return "text"

    async with running(get) as bus:
        with pytest.raises(InvalidPayloadError, match="the answer of 'get': "):
            await bus.send("get", response_type=User)


async def test_request_without_an_answer_in_time_is_a_timeout_between_half_a_second_and_0_8() -> (
    None
):
    @MessagePattern("get")
    async def get() -> int:
        return 1

    async with started(get, silent, grace=0.0) as app:
        bus = app.client(TOKEN)
        loop = asyncio.get_running_loop()
        began = loop.time()
        waiting = asyncio.ensure_future(bus.send("silent", timeout=0.5))
        while not waiting.done():
            await bus.send("get")
            await asyncio.wait([waiting], timeout=0.01)
        took = loop.time() - began
        with pytest.raises(TimeoutError):  # the caller's own, or its deadline at the handler
            await waiting
        assert 0.5 <= took <= 0.8
        assert app.links[TOKEN].pending == {}


@pytest.mark.parametrize(("options", "seconds"), [({}, 10.0), ({"timeout": 2.0}, 2.0)])
async def test_timeout_is_ten_seconds_unless_told_otherwise(
    options: dict[str, Any], seconds: float
) -> None:
    clock = ManualClock()
    async with running(silent, clock=clock, grace=0.0) as bus:
        call = asyncio.ensure_future(bus.send("silent", **options))
        await clock.advance(seconds - 0.1)
        assert not call.done()
        await clock.advance(0.2)
        with pytest.raises(RequestTimeoutError):
            await call


async def test_contract_s_timeout_stands_unless_the_caller_says_otherwise() -> None:
    clock = ManualClock()
    slow = Rpc("silent", timeout=3.0)
    async with running(silent, clock=clock, grace=0.0) as bus:
        calls = [
            asyncio.ensure_future(bus.send(slow)),
            asyncio.ensure_future(bus.send(slow, timeout=1)),
        ]
        await clock.advance(2)
        assert [call.done() for call in calls] == [False, True]
        await clock.advance(2)
        for call in calls:
            with pytest.raises(RequestTimeoutError):
                await call


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan")])
async def test_timeout_that_bounds_nothing_is_refused(timeout: float) -> None:
    async with running(silent) as bus:
        with pytest.raises(ValueError, match="timeout="):
            await bus.send("silent", timeout=timeout)
        with pytest.raises(ValueError, match="timeout="):
            bus.stream("silent", timeout=timeout)


async def test_cancelled_call_leaves_nothing_behind() -> None:
    async with started(silent, grace=0.0) as app:
        link = app.links[TOKEN]
        call = asyncio.ensure_future(app.client(TOKEN).send("silent"))
        await idle()
        assert len(link.pending) == 1
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert link.pending == {}


async def test_timeout_around_a_call_is_the_caller_s_own() -> None:
    async with running(silent, grace=0.0) as bus:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.01):
                await bus.send("silent")
        assert not isinstance(caught.value, RequestTimeoutError)


async def test_call_that_cannot_be_sent_in_time_is_a_timeout() -> None:
    broker, clock = MemoryBroker(), ManualClock()
    async with running(silent, broker=broker, clock=clock) as bus:
        broker.freeze()
        call = asyncio.ensure_future(bus.send("silent", timeout=1))
        await clock.advance(2)
        with pytest.raises(RequestTimeoutError, match="not sent in 1 s"):
            await call
        broker.thaw()


class TestCancellationWhilePublishing:
    async def call(self) -> tuple[Call, asyncio.Event, "asyncio.Task[None]"]:
        async with started() as app:
            gate = asyncio.Event()
            call = Call(loop=asyncio.get_running_loop())
            call.owner = app.links[TOKEN], 1.0
            task = asyncio.ensure_future(call.while_publishing(gate.wait()))
            await idle()
            return call, gate, task

    async def test_is_not_swallowed_although_the_answer_came_already(self) -> None:
        call, _, task = await self.call()
        call.receive(Message(Kind.REPLY, "inbox", b"1", {}, "id"))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def test_is_not_taken_for_the_timeout_at_the_same_moment(self) -> None:
        call, _, task = await self.call()
        call.expire()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def test_by_the_timeout_is_a_timeout(self) -> None:
        call, _, task = await self.call()
        call.expire()
        with pytest.raises(RequestTimeoutError):
            await task
        assert task.cancelling() == 0


async def test_waiting_calls_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requesting, "PENDING_LIMIT", 5)
    async with started(silent, grace=0.0) as app:
        bus = app.client(TOKEN)
        calls = [asyncio.ensure_future(bus.send("silent")) for _ in range(5)]
        await idle()
        with pytest.raises(OverloadedError, match="5 requests wait"):
            await bus.send("silent")
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert app.links[TOKEN].pending == {}


async def test_lost_connection_fails_what_waits_at_once() -> None:
    broker = MemoryBroker()
    async with running(silent, broker=broker, grace=0.0) as bus:
        call = asyncio.ensure_future(bus.send("silent"))
        await idle()
        broker.drop_connections()
        with pytest.raises(ConnectionLostError):
            await asyncio.wait_for(call, 1)


async def test_client_works_again_after_its_connection_came_back() -> None:
    broker = MemoryBroker()

    @MessagePattern("get")
    async def get() -> int:
        return 1

    async with running(get, broker=broker) as bus:
        broker.stop()
        with pytest.raises(ConnectionLostError):
            await bus.send("get")
        broker.start()
        assert await bus.send("get") == 1


async def test_nothing_is_left_after_many_calls_of_every_outcome() -> None:
    @MessagePattern("get")
    async def get(number: int) -> int:
        if number % 3 == 0:
            raise RpcError("no", "NO")
        return number

    async with started(get) as app:
        bus, tasks = app.client(TOKEN), len(asyncio.all_tasks())
        for start in range(0, 2000, 100):
            await asyncio.gather(
                *(bus.send("get", number) for number in range(start, start + 100)),
                return_exceptions=True,
            )
            with pytest.raises(NoHandlerError):
                await bus.send("nobody")
        assert app.links[TOKEN].pending == {}
        assert len(asyncio.all_tasks()) - tasks <= 256 + 5


@pytest.mark.parametrize("pattern", ["a.*", "a.{id}", ">", ""])
async def test_pattern_that_is_no_address_is_refused(pattern: str) -> None:
    async with running() as bus:
        for call in (bus.send(pattern), bus.emit(pattern)):
            with pytest.raises(InvalidPatternError):
                await call


async def test_contract_of_the_other_kind_is_refused() -> None:
    async with running() as bus:
        with pytest.raises(ConfigurationError, match="emit"):
            await bus.send(Event("e"))  # type: ignore[call-overload]
        with pytest.raises(ConfigurationError, match="send"):
            await bus.emit(Rpc("r"))  # type: ignore[arg-type]


class TestPassingOn:
    async def test_correlation_and_trace_go_from_call_to_call(self) -> None:
        seen = Seen()

        @MessagePattern("outer")
        async def outer(bus: Annotated[ClientProxy, Inject(TOKEN)]) -> None:
            await bus.emit("event")
            await bus.send("inner")

        @MessagePattern("inner")
        def inner(ctx: Context, bus: Annotated[ClientProxy, Inject(TOKEN)]) -> None:
            seen.add(ctx)
            bus.blocking.emit("event")

        @EventPattern("event")
        async def event(ctx: Context) -> None:
            seen.add(ctx)

        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        async with running(outer, inner, event) as bus:
            await bus.send("outer", headers={"traceparent": trace, "tenant": "x"})
            await seen.wait(3)
        assert {ctx.headers["traceparent"] for ctx in seen} == {trace}
        assert len({ctx.correlation_id for ctx in seen}) == 1
        assert not any("tenant" in ctx.headers for ctx in seen)
        assert len({ctx.message_id for ctx in seen}) == 3

    async def test_deadline_is_what_is_left_of_the_caller_s(self) -> None:
        clock, seen = ManualClock(), Seen()

        @MessagePattern("outer")
        async def outer(bus: Annotated[ClientProxy, Inject(TOKEN)]) -> None:
            await clock.sleep(2)
            await bus.send("inner", timeout=60)

        @MessagePattern("inner")
        async def inner(ctx: Context) -> None:
            seen.add((ctx.headers["wl-deadline-ms"], ctx.deadline))

        async with running(outer, inner, clock=clock) as bus:
            call = asyncio.ensure_future(bus.send("outer", timeout=5))
            await clock.advance(3)
            await call
        assert seen == [("3000", 5.0)]

    async def test_nested_call_past_the_deadline_is_not_made(self) -> None:
        clock, outcome = ManualClock(), Seen()

        @MessagePattern("outer")
        async def outer(bus: Annotated[ClientProxy, Inject(TOKEN)]) -> None:
            try:
                await clock.sleep(10)
            except asyncio.CancelledError:
                try:
                    await bus.send("silent")
                except RequestTimeoutError as error:
                    outcome.add(str(error))
                raise

        async with started(outer, silent, clock=clock, grace=0.0) as app:
            call = asyncio.ensure_future(app.client(TOKEN).send("outer", timeout=1))
            await clock.advance(2)
            with pytest.raises(RequestTimeoutError):
                await call
            await outcome.wait()
        assert "does not wait any more" in outcome[0]


async def test_error_that_nobody_awaits_leaves_no_trace(caplog: pytest.LogCaptureFixture) -> None:
    @MessagePattern("get")
    async def get() -> None:
        raise RpcError("no", "NO")

    with caplog.at_level(logging.WARNING, "asyncio"):
        async with started(get) as app:
            calls = [asyncio.ensure_future(app.client(TOKEN).send("get")) for _ in range(5)]
            await asyncio.sleep(0)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            await until(lambda: app.health()["in_flight"] == 0)
    assert caplog.text == ""


async def test_headers_of_the_request_are_checked() -> None:
    async with running(transports={TOKEN: memory()}) as bus:
        with pytest.raises(ValueError, match="wl-id"):
            await bus.send("x", headers={"wl-id": "mine"})
        with pytest.raises(ValueError, match="control character"):
            await bus.send("x", headers={"tenant": "a\r\nb"})
