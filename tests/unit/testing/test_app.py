"""Testing an application without a broker."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from wireloom import (
    Application,
    Batch,
    ClientProxy,
    Context,
    Controller,
    Ctx,
    Event,
    EventPattern,
    Inject,
    MessagePattern,
    NoHandlerError,
    Retry,
    Rpc,
    RpcError,
    UnsupportedOptionError,
    fixed,
)
from wireloom.testing import TestApp
from wireloom_memory import MemoryContext, MemoryOptions
from wireloom_tcp import TcpContext, TcpOptions


class User(BaseModel):
    id: int
    name: str = "ann"


USER_CREATED = Event("user.created", User, key="id")
WELCOMED = Event("user.welcomed", User)
GET_USER = Rpc("users.get", request=int, response=User)


class Greeter:
    def greet(self, user: User) -> User:
        return user


class LoudGreeter(Greeter):
    def greet(self, user: User) -> User:
        return User(id=user.id, name=user.name.upper())


@Controller()
class Users:
    def __init__(self, bus: Annotated[ClientProxy, Inject("bus")], greeter: Greeter) -> None:
        self._bus = bus
        self._greeter = greeter

    @EventPattern(USER_CREATED, retry=Retry(attempts=2, backoff=fixed(10), jitter=0))
    async def welcome(self, user: User) -> None:
        if user.name == "bad":
            raise ValueError("planted")
        await self._bus.emit(WELCOMED, self._greeter.greet(user))

    @MessagePattern("name.of")
    async def name_of(self, user_id: int) -> str:
        return (await self._bus.send(GET_USER, user_id)).name

    @MessagePattern("names")
    async def names(self) -> AsyncIterator[str]:
        async for user in self._bus.stream("users.all", response_type=User):
            yield user.name


def application(**options: Any) -> Application:
    return Application(
        "users",
        controllers=[Users],
        providers=[Greeter],
        transports={"bus": MemoryOptions()},
        **options,
    )


async def test_what_is_emitted_can_be_looked_at() -> None:
    async with TestApp(application()) as test:
        await test.emit(USER_CREATED, User(id=1), headers={"tenant": "t"})
        await test.settled()
        assert test.payloads(WELCOMED) == [User(id=1)]
        assert [(one.address, one.payload) for one in test.emitted] == [
            ("user.welcomed", {"id": 1, "name": "ann"})
        ]


async def test_providers_are_overridden() -> None:
    async with TestApp(application(), overrides={Greeter: LoudGreeter()}) as test:
        await test.emit(USER_CREATED, User(id=1))
        await test.settled()
        assert test.payloads(WELCOMED) == [User(id=1, name="ANN")]


@pytest.mark.parametrize("kind", ["value", "function", "async function"])
async def test_other_services_are_answered_for(kind: str) -> None:
    async def later(user_id: int) -> User:
        await asyncio.sleep(0)
        return User(id=user_id, name="eve")

    answers: dict[str, object] = {
        "value": User(id=7, name="eve"),
        "function": lambda user_id: User(id=user_id, name="eve"),
        "async function": later,
    }
    async with TestApp(application()) as test:
        with pytest.raises(RpcError):
            await test.send("name.of", 7)
        test.answer(GET_USER, answers[kind])
        assert await test.send("name.of", 7) == "eve"
        test.answer(GET_USER, RpcError("gone", code="NOT_FOUND"))
        with pytest.raises(RpcError) as caught:
            await test.send("name.of", 7)
        assert caught.value.code == "NOT_FOUND"


async def test_other_services_may_stream() -> None:
    async def everybody() -> AsyncIterator[User]:
        for number in range(3):
            yield User(id=number, name=f"n{number}")

    async with TestApp(application()) as test:
        test.answer("users.all", everybody)
        client = test.client()
        assert [name async for name in client.stream("names")] == ["n0", "n1", "n2"]


async def test_time_passes_when_it_is_moved_and_a_failure_becomes_a_dead_letter() -> None:
    async with TestApp(application()) as test:
        await test.emit(USER_CREATED, User(id=1, name="bad"))
        await test.settled()
        assert await test.dead_letters("users.Users.welcome") == []
        await test.advance(9)
        assert await test.dead_letters("users.Users.welcome") == []
        await test.advance(1)
        (letter,) = await test.dead_letters("users.Users.welcome")
        assert letter.facts["wl-dead-attempts"] == "2"


async def test_a_request_times_out_by_the_clock() -> None:
    @MessagePattern("hangs")
    async def hangs() -> None:
        await asyncio.Event().wait()

    app = Application("x", handlers=[hangs], transports={"bus": MemoryOptions()})
    async with TestApp(app) as test:
        waiting = asyncio.ensure_future(test.send("hangs", timeout=30))
        await test.advance(29)
        assert not waiting.done()
        await test.advance(2)
        with pytest.raises(TimeoutError):
            await waiting


async def test_a_handler_that_hangs_is_named() -> None:
    @EventPattern("hangs", timeout=None)
    async def hangs() -> None:
        await asyncio.Event().wait()

    app = Application("x", handlers=[hangs], transports={"bus": MemoryOptions()})
    async with TestApp(app) as test:
        await test.emit("hangs")
        with pytest.raises(AssertionError, match=r"x\.hangs"):
            await test.settled(within=0.05)


async def test_plain_functions_in_threads_are_waited_for() -> None:
    seen: list[int] = []

    @EventPattern("number")
    def handle(number: int) -> None:
        seen.append(number)

    app = Application("x", handlers=[handle], transports={"bus": MemoryOptions()})
    async with TestApp(app) as test:
        await test.emit("number", 5)
        await test.settled()
        assert seen == [5]


async def test_a_token_keeps_its_kind_and_its_context_can_be_set() -> None:
    seen: list[tuple[str, object]] = []

    @EventPattern("narrow")
    async def narrow(ctx: Annotated[TcpContext, Ctx()]) -> None:
        assert isinstance(ctx, TcpContext)
        seen.append((ctx.transport, ctx.remote_address))

    @EventPattern("narrow", name="memory-only")
    async def other(ctx: Annotated[MemoryContext, Ctx()]) -> None:
        seen.append((ctx.transport, ctx.sequence))

    app = Application(
        "x",
        handlers=[narrow, other],
        transports={
            "tcp": TcpOptions(listen=None, connect=["127.0.0.1:1"]),
            "memory": MemoryOptions(),
        },
    )
    async with TestApp(app) as test:
        test.context(remote_address="10.0.0.1:5")
        await test.emit("narrow", token="tcp")
        await test.emit("narrow", token="memory")
        await test.settled()
    assert seen == [("tcp", "10.0.0.1:5"), ("memory", 1)]


async def test_what_the_real_transport_cannot_do_is_refused() -> None:
    @EventPattern("old", start_from="first")
    async def old() -> None: ...

    app = Application("x", handlers=[old], transports={"tcp": TcpOptions(listen=None)})
    with pytest.raises(UnsupportedOptionError, match="start_from"):
        await TestApp(app).__aenter__()


async def test_a_request_that_nobody_answers_fails_at_once() -> None:
    async with TestApp(application()) as test:
        with pytest.raises(NoHandlerError):
            await test.send("unknown")


async def test_batches_wait_for_the_clock() -> None:
    seen: list[list[int]] = []

    @EventPattern("clicks", batch=Batch(size=3, within=1.0))
    async def store(clicks: list[int]) -> None:
        seen.append(clicks)

    app = Application("x", handlers=[store], transports={"bus": MemoryOptions()})
    async with TestApp(app) as test:
        for number in range(4):
            await test.emit("clicks", number)
        await test.settled()
        assert seen == [[0, 1, 2]]
        await test.advance(1.1)
        assert seen == [[0, 1, 2], [3]]


async def test_two_test_apps_do_not_meet() -> None:
    seen: list[Context] = []

    @EventPattern("x")
    async def handle(ctx: Annotated[Context, Ctx()]) -> None:
        seen.append(ctx)

    app = Application("x", handlers=[handle], transports={"bus": MemoryOptions()})
    async with TestApp(app) as one, TestApp(app) as two:
        await one.emit("x")
        await one.settled()
        await two.settled()
    assert len(seen) == 1
