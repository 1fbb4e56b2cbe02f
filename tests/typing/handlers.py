"""Decorators keep the type of what they decorate. Never run."""

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Annotated, Any, assert_type

from wireloom import (
    Application,
    Call,
    ClientProxy,
    Context,
    Controller,
    Ctx,
    EventPattern,
    Guard,
    Header,
    Inject,
    MessagePattern,
    Middleware,
    Retry,
    RpcError,
    on_error,
    provide,
)


@EventPattern("a", retry=Retry(attempts=2), concurrency=4)
@EventPattern({"cmd": "b"})
async def event(number: int, tenant: Annotated[str, Header("tenant")] = "x") -> None: ...


@MessagePattern("get")
def plain(number: int) -> str:
    return str(number)


@MessagePattern("count")
async def count(to: int) -> AsyncIterator[int]:
    yield to


@Controller(group="g")
class Users:
    def __init__(self, bus: Annotated[ClientProxy, Inject("bus")]) -> None:
        self.bus = bus

    @MessagePattern("double")
    async def double(self, number: int, ctx: Annotated[Context, Ctx()]) -> int:
        return number * 2


async def calls(bus: ClientProxy, context: Context) -> None:
    assert_type(plain(5), str)
    assert_type(await event(5), None)
    assert_type(count(5), AsyncIterator[int])
    users = Users(bus)
    assert_type(users, Users)
    assert_type(await users.double(5, context), int)
    constructor: Callable[[ClientProxy], Users] = Users
    method: Callable[[int, Context], Coroutine[Any, Any, int]] = users.double
    assert_type(constructor(bus), Users)
    assert_type(await method(1, context), int)


async def middleware(context: Context, call: Call) -> Any:
    return await call(context)


async def guard(context: Context) -> bool:
    return context.is_event


def not_found(error: KeyError, context: Context) -> Exception:
    return RpcError("no", "NOT_FOUND", {"key": error.args[0]})


one: Middleware = middleware
other: Guard = guard
app = Application(
    "svc",
    controllers=[Users],
    handlers=[event, plain, count],
    providers=[Users, provide(5, token="FIVE")],
    transports={"bus": "memory://", "other": {"transport": "memory"}},
    middleware=[middleware],
    guards=[guard, lambda context: True],
    filters=[on_error(KeyError, not_found)],
)
assert_type(app.client("bus"), ClientProxy)
