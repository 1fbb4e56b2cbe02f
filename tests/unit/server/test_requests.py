"""How requests end: always with an answer while somebody waits for it."""

import asyncio
import json
import logging
import threading
from typing import Any

import pytest
from pydantic import BaseModel

from tests.unit.apps import TOKEN, Seen, memory, running, started, until
from wireloom import (
    Context,
    MessagePattern,
    NoHandlerError,
    PayloadTooLargeError,
    Reject,
    RequestTimeoutError,
    RetryLater,
    RpcError,
)
from wireloom.spi import Kind, Message
from wireloom.testing import ManualClock, idle


class User(BaseModel):
    id: int
    name: str = ""


async def failure(bus: Any, *payload: Any, pattern: str = "get") -> RpcError:
    with pytest.raises(RpcError) as caught:
        await bus.send(pattern, *payload)
    return caught.value


async def test_answer_is_what_the_handler_returned_as_the_type_asked_for() -> None:
    @MessagePattern("get")
    async def get(count: int) -> list[User]:
        return [User(id=number) for number in range(count)]

    async with running(get) as bus:
        assert await bus.send("get", 2, response_type=list[User]) == [User(id=0), User(id=1)]


@pytest.mark.parametrize("code", ["NOT_FOUND", 404, "my own"])
async def test_error_of_the_handler_is_raised_at_the_caller(code: str | int) -> None:
    @MessagePattern("get")
    async def get() -> None:
        raise RpcError("no", code=code, details={"id": [1, None]})

    async with running(get) as bus:
        error = await failure(bus)
    assert (error.message, error.code, error.details) == ("no", code, {"id": [1, None]})
    assert error.error_id is None


async def test_other_exception_is_internal_with_an_id_that_is_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @MessagePattern("get")
    async def get() -> None:
        raise ValueError("s3cret")

    with caplog.at_level(logging.ERROR):
        async with running(get) as bus:
            error = await failure(bus)
            again = await failure(bus)
    assert (error.code, error.message, error.details) == ("INTERNAL", "internal error", None)
    assert "s3cret" not in repr(vars(error))
    assert error.error_id is not None
    assert error.error_id in caplog.text
    assert error.error_id != again.error_id
    assert "get (" in caplog.text


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (Reject("never"), "FAILED_PRECONDITION"),
        (RetryLater(2), "UNAVAILABLE"),
        (SystemExit(3), "INTERNAL"),
        (GeneratorExit(), "INTERNAL"),
        (asyncio.CancelledError(), "INTERNAL"),
    ],
)
@pytest.mark.parametrize("threaded", [False, True])
async def test_whatever_a_handler_raises_is_answered_and_the_next_call_is_served(
    raised: BaseException, code: str, *, threaded: bool
) -> None:
    def fail() -> None:
        raise raised

    @MessagePattern("plain", concurrency=1)
    def plain() -> None:
        fail()

    @MessagePattern("coroutine", concurrency=1)
    async def coroutine() -> None:
        fail()

    @MessagePattern("well")
    async def well() -> int:
        return 1

    pattern = "plain" if threaded else "coroutine"
    async with running(plain, coroutine, well) as bus:
        for _ in range(3):
            assert (await failure(bus, pattern=pattern)).code == code
        assert await bus.send("well") == 1


async def test_handler_that_cancels_its_own_task_fails_and_the_next_call_is_served() -> None:
    runs = Seen()

    @MessagePattern("get", concurrency=1)
    async def get() -> int:
        runs.add(1)
        if len(runs) == 1:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(0)
        return len(runs)

    async with running(get) as bus:
        assert (await failure(bus)).code == "INTERNAL"
        assert await bus.send("get") == 2


@pytest.mark.parametrize(
    ("annotation", "result"),
    [(object, object()), (User, {"id": "x"}), (User, None), (int, "x"), (list[int], ["x"])],
)
async def test_result_that_is_not_what_the_handler_says_is_an_error_reply(
    annotation: Any, result: Any
) -> None:
    async def get() -> Any:
        return result

    get.__annotations__["return"] = Any if annotation is object else annotation
    async with running(MessagePattern("get")(get)) as bus:
        assert (await failure(bus)).code == "INTERNAL"


async def test_pattern_that_nobody_handles_fails_at_once() -> None:
    async with started() as app:
        with pytest.raises(NoHandlerError):
            await app.client(TOKEN).send("nobody")
        assert app.links[TOKEN].pending == {}


async def test_handler_that_runs_out_of_time_is_cancelled_and_answered() -> None:
    clock, cancelled = ManualClock(), Seen()

    @MessagePattern("get", timeout=5)
    async def get() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.add(clock.monotonic())
            raise

    async with running(get, clock=clock) as bus:
        call = asyncio.ensure_future(bus.send("get", timeout=60))
        await clock.advance(6)
        with pytest.raises(RequestTimeoutError, match="the handler ran out of time"):
            await call
    assert 5 <= cancelled[0] <= 5.05


async def test_handler_that_swallows_its_cancellation_keeps_its_answer_and_its_worker() -> None:
    clock = ManualClock()

    @MessagePattern("get", timeout=1, concurrency=1)
    async def get(wait: bool) -> str:
        try:
            if wait:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "late"
        return "in time"

    async with running(get, clock=clock) as bus:
        call = asyncio.ensure_future(bus.send("get", True))
        await clock.advance(2)
        assert await call == "late"
        assert await bus.send("get", False) == "in time"


async def test_caller_s_deadline_ends_the_handler() -> None:
    clock, cancelled = ManualClock(), Seen()

    @MessagePattern("get")
    async def get() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.add(clock.monotonic())

    async with running(get, clock=clock) as bus:
        call = asyncio.ensure_future(bus.send("get", timeout=2))
        await clock.advance(3)
        with pytest.raises(RequestTimeoutError):
            await call
        assert 2 <= cancelled[0] <= 2.05


async def test_request_past_its_deadline_is_not_run_and_counted() -> None:
    clock, ran, gate = ManualClock(), Seen(), asyncio.Event()

    @MessagePattern("get", concurrency=1, timeout=None)
    async def get(number: int) -> int:
        ran.add(number)
        if number == 0:
            await gate.wait()
        return number

    async with started(get, clock=clock) as app:
        bus = app.client(TOKEN)
        first = asyncio.ensure_future(bus.send("get", 0, timeout=60))
        await idle()
        second = asyncio.ensure_future(bus.send("get", 1, timeout=1))
        await clock.advance(2)
        with pytest.raises(RequestTimeoutError):
            await second
        gate.set()
        assert await first == 0
        assert await bus.send("get", 2) == 2
        assert (ran, app.links[TOKEN].counters.expired) == ([0, 2], 1)


async def test_late_reply_is_dropped_and_counted() -> None:
    gate = asyncio.Event()

    @MessagePattern("get", timeout=None)
    async def get() -> int:
        try:
            await gate.wait()
        except asyncio.CancelledError:
            await gate.wait()
        return 1

    async with started(get) as app:
        link = app.links[TOKEN]
        with pytest.raises(RequestTimeoutError):
            await app.client(TOKEN).send("get", timeout=0.02)
        assert link.pending == {}
        gate.set()
        await until(lambda: link.counters.late_replies == 1)
        assert await app.client(TOKEN).send("get") == 1


@pytest.mark.parametrize("idempotent", [False, True])
async def test_request_without_a_reply_address_is_run(*, idempotent: bool) -> None:
    ran = Seen()

    @MessagePattern("get", idempotent=idempotent)
    async def get(number: int) -> int:
        ran.add(number)
        if number == 1:
            raise ValueError
        return number

    async with started(get) as app:
        for number in range(3):
            body = json.dumps(number).encode()
            await app.links[TOKEN].transport.publish(
                Message(Kind.REQUEST, "get", body, {}, f"id-{number}")
            )
        assert await ran.wait(3) == [0, 1, 2]


async def test_answer_over_the_limit_is_an_error_that_names_it() -> None:
    @MessagePattern("get")
    async def get(size: int) -> str:
        return "x" * (size - 2)

    @MessagePattern("details")
    async def details() -> None:
        raise RpcError("x", "NOT_FOUND", "x" * 5000)

    async with running(get, details, transports={TOKEN: memory(max_payload=1000)}) as bus:
        assert len(await bus.send("get", 1000)) == 998
        error = await failure(bus, 1001)
        assert (error.code, "1001" in error.message, "1000" in error.message) == (
            "RESOURCE_EXHAUSTED",
            True,
            True,
        )
        error = await failure(bus, pattern="details")
        assert (error.code, error.details) == ("NOT_FOUND", None)
        with pytest.raises(PayloadTooLargeError, match="1000"):
            await bus.send("get", "x" * 1000)
        assert await bus.send("get", 5) == "xxx"


async def test_one_failing_call_among_many_fails_alone() -> None:
    @MessagePattern("get")
    async def get(number: int) -> int:
        await asyncio.sleep(0)
        if number == 5:
            raise RpcError("five", "FIVE")
        return number

    async with running(get) as bus:
        outcomes = await asyncio.gather(
            *(bus.send("get", number) for number in range(10)), return_exceptions=True
        )
        assert [one for one in outcomes if isinstance(one, int)] == [0, 1, 2, 3, 4, 6, 7, 8, 9]
        assert isinstance(outcomes[5], RpcError)
        assert await bus.send("get", 11) == 11


async def test_thousand_concurrent_calls_get_their_own_answers() -> None:
    @MessagePattern("get")
    async def get(number: int) -> int:
        for _ in range(number % 7):
            await asyncio.sleep(0)
        return number

    async with started(get) as app:
        bus = app.client(TOKEN)
        answers = await asyncio.gather(*(bus.send("get", number) for number in range(1000)))
        assert answers == list(range(1000))
        assert (app.links[TOKEN].pending, app.health()["in_flight"]) == ({}, 0)


async def test_no_more_calls_run_at_once_than_concurrency_says() -> None:
    running_now, most, gate = 0, 0, asyncio.Event()

    @MessagePattern("get", concurrency=4)
    async def get() -> None:
        nonlocal running_now, most
        running_now += 1
        most = max(most, running_now)
        await gate.wait()
        running_now -= 1

    async with running(get) as bus:
        calls = [asyncio.ensure_future(bus.send("get")) for _ in range(20)]
        await idle()
        assert most == 4
        gate.set()
        await asyncio.gather(*calls)
        assert most == 4


async def test_def_handlers_do_not_hold_up_the_loop() -> None:
    gate = threading.Event()

    @MessagePattern("slow")
    def slow() -> int:
        gate.wait(5)
        return 1

    @MessagePattern("quick")
    async def quick() -> int:
        return 2

    async with running(slow, quick) as bus:
        waiting = asyncio.ensure_future(bus.send("slow"))
        assert await bus.send("quick") == 2
        assert not waiting.done()
        gate.set()
        assert await waiting == 1


async def test_answer_that_fails_inside_a_handler_is_not_its_caller_s_mistake() -> None:
    broker_calls = Seen()

    @MessagePattern("inner")
    async def inner() -> str:
        return "no number"

    @MessagePattern("outer")
    async def outer(ctx: Context) -> int:
        broker_calls.add(ctx)
        return await clients[0].send("inner", response_type=int)

    clients: list[Any] = []
    async with running(inner, outer) as bus:
        clients.append(bus)
        assert (await failure(bus, pattern="outer")).code == "INTERNAL"
