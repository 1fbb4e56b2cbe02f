"""Scenarios 1–10 and 12–18: requests, as a user writes them."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from typing import Annotated

import pytest
from pydantic import BaseModel
from reactivex import Observable

from wireloom import (
    ClientProxy,
    Controller,
    Inject,
    MessagePattern,
    NoHandlerError,
    PayloadTooLargeError,
    RequestTimeoutError,
    RpcError,
    TransportError,
)
from wireloom.testing.conformance import TOKEN, Cluster, Record
from wireloom.testing.conformance.record import eventually

MIB = 1024 * 1024


class User(BaseModel):
    id: int
    name: str


USERS = [User(id=1, name="ann"), User(id=2, name="bob")]


@MessagePattern("echo", concurrency=1000)
async def echo(value: int) -> int:
    return value


async def hang() -> None:
    await asyncio.Event().wait()


async def test_01_models_come_back_as_models(cluster: Cluster) -> None:
    @MessagePattern("users.get")
    async def get() -> list[User]:
        return USERS

    await cluster.start(get)
    client = await cluster.client()
    users = await client.send("users.get", response_type=list[User])
    assert users == USERS
    assert all(isinstance(user, User) for user in users)


@pytest.mark.parametrize("code", ["NOT_FOUND", 404])
async def test_02_an_rpc_error_is_raised_at_the_caller_at_once(
    cluster: Cluster, code: str | int
) -> None:
    @MessagePattern("users.get")
    async def get() -> None:
        raise RpcError("no", code=code, details="d")

    await cluster.start(get)
    client = await cluster.client()
    begin = time.monotonic()
    with pytest.raises(RpcError) as caught:
        await client.send("users.get")
    assert time.monotonic() - begin < 1
    assert (caught.value.code, caught.value.message, caught.value.details) == (code, "no", "d")


async def test_03_an_unexpected_error_is_internal_and_the_service_goes_on(
    cluster: Cluster,
) -> None:
    @MessagePattern("half")
    async def half(value: int) -> int:
        if value % 2:
            raise ValueError("odd")
        return value // 2

    await cluster.start(half)
    client = await cluster.client()
    begin = time.monotonic()
    with pytest.raises(RpcError) as caught:
        await client.send("half", 1)
    assert time.monotonic() - begin < 1
    assert caught.value.code == "INTERNAL"
    assert await client.send("half", 4) == 2


async def test_04_an_invalid_payload_names_the_field(cluster: Cluster) -> None:
    @MessagePattern("users.add")
    async def add(user: User) -> None: ...

    await cluster.start(add)
    client = await cluster.client()
    with pytest.raises(RpcError) as caught:
        await client.send("users.add", {"id": "x", "name": "ann"})
    assert caught.value.code == "INVALID_ARGUMENT"
    assert [detail["loc"] for detail in caught.value.details] == [["id"]]  # type: ignore[attr-defined]


async def test_05_a_result_that_cannot_be_encoded_is_an_error_and_no_timeout(
    cluster: Cluster,
) -> None:
    @MessagePattern("bad.result")
    async def bad() -> object:
        return object()

    await cluster.start(bad)
    client = await cluster.client()
    begin = time.monotonic()
    with pytest.raises(RpcError) as caught:
        await client.send("bad.result")
    assert time.monotonic() - begin < 1
    assert caught.value.code == "INTERNAL"


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
async def test_06_a_timeout_is_on_time_also_when_other_replies_arrive(
    cluster: Cluster, busy: bool
) -> None:
    @MessagePattern("hangs")
    async def hangs() -> None:
        await hang()

    await cluster.start(hangs, echo)
    client = await cluster.client()
    await client.send("echo", 0)

    async def others() -> None:
        while True:
            await client.send("echo", 1)
            await asyncio.sleep(0.01)

    traffic = asyncio.ensure_future(others()) if busy else None
    begin = time.monotonic()
    with pytest.raises(TimeoutError):
        await client.send("hangs", timeout=0.5)
    took = time.monotonic() - begin
    if traffic is not None:
        traffic.cancel()
        await asyncio.gather(traffic, return_exceptions=True)
    assert 0.5 <= took <= 0.8


@pytest.mark.timeout(30)
async def test_07_without_a_timeout_it_is_ten_seconds(cluster: Cluster) -> None:
    @MessagePattern("hangs")
    async def hangs() -> None:
        await hang()

    await cluster.start(hangs)
    client = await cluster.client()
    begin = time.monotonic()
    with pytest.raises(RequestTimeoutError):
        await client.send("hangs")
    assert 9.5 <= time.monotonic() - begin <= 10.5


async def test_08_one_failing_call_among_ten_fails_alone(cluster: Cluster) -> None:
    @MessagePattern("checked")
    async def checked(value: int) -> int:
        if value == 5:
            raise RpcError("five")
        return value

    await cluster.start(checked)
    client = await cluster.client()
    outcomes = await asyncio.gather(
        *(client.send("checked", n) for n in range(10)), return_exceptions=True
    )
    assert isinstance(outcomes.pop(5), RpcError)
    assert outcomes == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    assert await client.send("checked", 10) == 10


async def test_09_a_thousand_calls_at_once_do_not_mix(cluster: Cluster) -> None:
    source = random.Random(9)

    @MessagePattern("delayed", concurrency=1000)
    async def delayed(value: int) -> int:
        await asyncio.sleep(source.uniform(0, 0.05))
        return value

    await cluster.start(delayed)
    client = await cluster.client()
    answers = await asyncio.gather(*(client.send("delayed", n) for n in range(1000)))
    assert answers == list(range(1000))


async def test_10_calls_issued_together_run_side_by_side(cluster: Cluster) -> None:
    @MessagePattern("half.a.second")
    async def wait() -> None:
        await asyncio.sleep(0.5)

    await cluster.start(wait)
    client = await cluster.client()
    begin = time.monotonic()
    await asyncio.gather(*(client.send("half.a.second") for _ in range(3)))
    assert time.monotonic() - begin < 1


async def test_12_an_unknown_pattern_fails_at_once(cluster: Cluster) -> None:
    await cluster.start(echo)
    client = await cluster.client()
    begin = time.monotonic()
    with pytest.raises(NoHandlerError):
        await client.send("unknown", 1)
    assert time.monotonic() - begin < 1


async def test_13_a_megabyte_goes_both_ways_and_no_more(cluster: Cluster) -> None:
    @MessagePattern("text")
    async def text(value: str) -> str:
        return value

    @MessagePattern("large")
    async def large(size: int) -> str:
        return "x" * size

    await cluster.start(text, large)
    client = await cluster.client()
    million = "x" * (1_000_000 - 2)
    assert await client.send("text", million) == million
    with pytest.raises(PayloadTooLargeError, match=str(MIB)):
        await client.send("text", "x" * (MIB - 1))
    with pytest.raises(RpcError, match=str(MIB)):
        await client.send("large", MIB - 1)
    assert await client.send("text", "still usable") == "still usable"


async def test_14_a_plain_function_that_sleeps_holds_up_nobody(cluster: Cluster) -> None:
    began = asyncio.Event()
    loop = asyncio.get_running_loop()

    @MessagePattern("sleeps")
    def sleeps() -> str:
        loop.call_soon_threadsafe(began.set)
        time.sleep(0.3)
        return "slept"

    await cluster.start(sleeps, echo)
    client = await cluster.client()
    await client.send("echo", 0)
    sleeping = asyncio.ensure_future(client.send("sleeps"))
    await began.wait()
    begin = time.monotonic()
    assert await client.send("echo", 1) == 1
    assert time.monotonic() - begin < 0.2
    assert await sleeping == "slept"


class Numbers:
    """A handler that streams, and what became of it."""

    def __init__(self) -> None:
        self.ended = Record[str]()

        @MessagePattern("numbers")
        async def numbers(count: int) -> AsyncIterator[int]:
            try:
                for number in range(count):
                    yield number
                    await asyncio.sleep(0)
            except asyncio.CancelledError:
                self.ended.add("cancelled")
                raise
            except GeneratorExit:
                self.ended.add("closed")
                raise
            else:
                self.ended.add("done")

        self.handler = numbers


async def test_15_a_stream_yields_all_and_ends_or_is_cancelled_by_its_reader(
    cluster: Cluster,
) -> None:
    numbers = Numbers()
    await cluster.start(numbers.handler)
    client = await cluster.client()
    assert [item async for item in client.stream("numbers", 5)] == [0, 1, 2, 3, 4]
    seen, completed = await collect(client.send_as_observable("numbers", 5))
    assert (seen, completed) == ([0, 1, 2, 3, 4], True)
    assert [*await numbers.ended.reach(2)] == ["done", "done"]
    async with client.stream("numbers", 1_000_000) as stream:
        async for item in stream:
            if item == 3:
                break
    assert (await numbers.ended.reach(3))[-1] in ("cancelled", "closed")


async def collect(observable: "Observable[int]") -> tuple[list[int], bool]:
    seen: list[int] = []
    done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    observable.subscribe(
        on_next=seen.append,
        on_error=done.set_exception,
        on_completed=lambda: done.set_result(True),
    )
    return seen, await asyncio.wait_for(done, 10)


async def test_16_an_observable_is_cold_and_can_be_disposed_of(cluster: Cluster) -> None:
    calls = Record[int]()

    @MessagePattern("counted")
    async def counted(value: int) -> int:
        calls.add(value)
        if value == 0:
            await hang()
        return value

    await cluster.start(counted)
    app = await cluster.start(name="caller")
    client = app.client(TOKEN)
    observable = client.send_as_observable("counted", 7, response_type=int)
    assert len(calls) == 0
    assert await collect(observable) == ([7], True)
    assert await collect(observable) == ([7], True)
    assert [*calls] == [7, 7]

    with pytest.raises(TimeoutError):
        await collect(client.send_as_observable("counted", 0, timeout=0.2))

    await eventually(lambda: not app.links[TOKEN].pending)
    answers: list[object] = []
    subscription = client.send_as_observable("counted", 0).subscribe(
        on_next=answers.append, on_error=answers.append
    )
    await calls.reach(4)
    subscription.dispose()
    await eventually(lambda: not app.links[TOKEN].pending)
    assert answers == []


@pytest.mark.timeout(60)
async def test_17_ten_thousand_calls_leave_nothing_behind(cluster: Cluster) -> None:
    service = await cluster.start(echo)
    app = await cluster.start(name="caller")
    client = app.client(TOKEN)
    await client.send("echo", 0)

    def baseline() -> tuple[int, ...]:
        links = (service.links[TOKEN], app.links[TOKEN])
        return (
            len(asyncio.all_tasks()),
            *(len(link.pending) for link in links),
            *(len(link.streams) for link in links),
        )

    before = baseline()
    for _ in range(100):
        await asyncio.gather(*(client.send("echo", n) for n in range(100)))
    # Workers that were started for the load stay; that they are bounded is all there is to it.
    await eventually(lambda: baseline()[1:] == before[1:])
    assert baseline()[0] - before[0] <= 200
    count = baseline()[0]
    for _ in range(10):
        await asyncio.gather(*(client.send("echo", n) for n in range(100)))
    await eventually(lambda: baseline()[0] <= count + 5)


async def test_18_a_restarted_service_is_called_again_by_the_same_client(
    cluster: Cluster,
) -> None:
    service = await cluster.start(echo)
    client = await cluster.client()
    assert await client.send("echo", 1) == 1
    await service.stop()
    with pytest.raises((TransportError, NoHandlerError)):
        await client.send("echo", 2)
    await service.start()
    async with asyncio.timeout(10):
        while True:
            try:
                assert await client.send("echo", 3) == 3
            except (TransportError, NoHandlerError):
                await asyncio.sleep(0.01)
            else:
                return


async def test_a_controller_calls_another_service_by_an_injected_client(cluster: Cluster) -> None:
    @Controller()
    class Doubles:
        def __init__(self, bus: Annotated[ClientProxy, Inject(TOKEN)]) -> None:
            self._bus = bus

        @MessagePattern("double")
        async def double(self, value: int) -> int:
            return 2 * await self._bus.send("echo", value, response_type=int)

    await cluster.start(echo, name="echoes")
    await cluster.start(controllers=[Doubles], name="doubles")
    client = await cluster.client()
    assert await client.send("double", 21) == 42
