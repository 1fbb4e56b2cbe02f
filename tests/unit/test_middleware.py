"""Middleware, guards and filters: their order, and that what they refuse does not run."""

import dataclasses
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import pytest

from tests.unit.apps import (
    TOKEN,
    Seen,
    application,
    dead_letters,
    read_into,
    running,
    started,
    until,
)
from wireloom import (
    Application,
    Call,
    ConfigurationError,
    Context,
    Controller,
    Ctx,
    EventPattern,
    Inject,
    InvalidPayloadError,
    MessagePattern,
    Retry,
    RpcError,
    fixed,
    on_error,
    provide,
)
from wireloom.middleware import ExceptionFilter, Layers, Middleware


def noted(log: list[str], name: str) -> Middleware:
    async def middleware(context: Context, call: Call) -> Any:
        log.append(f"{name} in")
        try:
            return await call(context)
        finally:
            log.append(f"{name} out")

    return middleware


def guard(log: list[str], name: str, verdict: Any = True) -> Callable[[Context], Any]:
    def check(context: Context) -> Any:
        log.append(name)
        return verdict

    return check


async def test_layers_stand_from_the_application_inwards() -> None:
    log: list[str] = []

    @Controller(middleware=[noted(log, "controller")], guards=[guard(log, "controller guard")])
    class Users:
        @MessagePattern(
            "get", middleware=[noted(log, "handler")], guards=[guard(log, "handler guard")]
        )
        async def get(self) -> int:
            log.append("handler runs")
            return 1

    async with running(
        controllers=[Users],
        middleware=[noted(log, "first"), noted(log, "second")],
        guards=[guard(log, "application guard")],
    ) as bus:
        assert await bus.send("get") == 1
    assert log == [
        "first in",
        "second in",
        "controller in",
        "handler in",
        "application guard",
        "controller guard",
        "handler guard",
        "handler runs",
        "handler out",
        "controller out",
        "second out",
        "first out",
    ]


@pytest.mark.parametrize("verdict", [False, None, 1, "yes", [True]])
async def test_guard_that_says_anything_but_true_refuses_the_call(verdict: Any) -> None:
    log: list[str] = []

    @MessagePattern("get", guards=[guard(log, "asked", verdict)])
    async def get() -> None:
        log.append("ran")

    async with running(get) as bus:
        with pytest.raises(RpcError) as caught:
            await bus.send("get")
    assert (caught.value.code, log) == ("PERMISSION_DENIED", ["asked"])


async def test_guard_that_fails_refuses_the_call_and_tells_nothing() -> None:
    ran: list[int] = []

    def check(context: Context) -> bool:
        raise LookupError("s3cret")

    @MessagePattern("get", guards=[check])
    async def get() -> None:
        ran.append(1)

    async with running(get) as bus:
        with pytest.raises(RpcError) as caught:
            await bus.send("get")
    assert caught.value.code == "INTERNAL"
    assert "s3cret" not in repr(vars(caught.value))
    assert ran == []


async def test_guards_are_asked_before_the_body_is_parsed() -> None:
    log: list[str] = []

    async def check(context: Context) -> bool:
        log.append(context.body.decode())
        return False

    @MessagePattern("get", guards=[check])
    async def get(number: int) -> None: ...

    async with running(get) as bus:
        with pytest.raises(RpcError) as caught:
            await bus.send("get", "no number")
    assert (caught.value.code, log) == ("PERMISSION_DENIED", ['"no number"'])


async def test_event_that_a_guard_refuses_is_dead_lettered_at_once() -> None:
    log: list[str] = []

    @EventPattern("e", guards=[guard(log, "asked", verdict=False)])
    async def handler() -> None:
        log.append("ran")

    async with started(handler) as app:
        await app.client(TOKEN).emit("e")
        await until(lambda: app.links[TOKEN].counters.dead_lettered == 1)
        assert log == ["asked"]
        assert [
            one.facts["wl-dead-attempts"] for one in await dead_letters(app, "svc.handler")
        ] == ["1"]


class Greeting:
    def __init__(self, text: Annotated[str, Inject("GREETING")]) -> None:
        self.text = text


class Greets:
    """Middleware that the container makes."""

    made = 0

    def __init__(self, greeting: Greeting) -> None:
        type(self).made += 1
        self._greeting = greeting

    async def __call__(self, context: Context, call: Call) -> Any:
        return f"{self._greeting.text} {await call(context)}"


class Allows:
    def __init__(self, greeting: Greeting) -> None:
        self._greeting = greeting

    async def __call__(self, context: Context) -> bool:
        return context.headers.get("password") == self._greeting.text


async def test_classes_are_built_by_the_container_at_all_three_levels() -> None:
    @Controller(middleware=[Greets], guards=[Allows])
    class Users:
        @MessagePattern("get", middleware=[Greets], guards=[Allows])
        async def get(self) -> str:
            return "you"

    Greets.made = 0
    async with running(
        controllers=[Users],
        middleware=[Greets],
        guards=[Allows],
        providers=[Greeting, provide("hello", token="GREETING")],
    ) as bus:
        answer = await bus.send("get", headers={"password": "hello"})
        with pytest.raises(RpcError, match="PERMISSION_DENIED"):
            await bus.send("get", headers={"password": "x"})
    assert answer == "hello hello hello you"
    assert Greets.made == 1


async def test_layer_class_that_cannot_be_built_is_refused_at_start() -> None:
    @MessagePattern("get", middleware=[Greets])
    async def get() -> str:
        return "x"

    with pytest.raises(ConfigurationError, match=r"Greets\.__init__ \(.*test_middleware\.py:\d+\)"):
        application(get).check()


async def test_guard_object_needs_no_hash() -> None:
    @dataclasses.dataclass
    class Role:
        role: str

        def __call__(self, context: Context) -> bool:
            return context.headers.get("role") == self.role

    @MessagePattern("get", guards=[Role("admin")])
    async def get() -> int:
        return 1

    async with running(get) as bus:
        assert await bus.send("get", headers={"role": "admin"}) == 1
        with pytest.raises(RpcError, match="PERMISSION_DENIED"):
            await bus.send("get")


@pytest.mark.parametrize(
    "options", [{"middleware": [5]}, {"guards": ["x"]}, {"filters": [ValueError]}]
)
def test_what_is_no_layer_is_refused_at_start_with_its_place(options: dict[str, Any]) -> None:
    @MessagePattern("get", **options)
    async def get() -> None: ...

    with pytest.raises(ConfigurationError, match=r"get \(.*test_middleware\.py:\d+\)"):
        application(get).check()
    with pytest.raises(ConfigurationError, match="application 'svc'"):
        application(**options).check()


class TestFilters:
    async def test_innermost_filter_of_the_kind_converts_the_error(self) -> None:
        def to(code: str) -> Callable[[Exception, Context], Exception]:
            return lambda error, context: RpcError(f"{error} at {context.pattern}", code)

        @Controller(filters=[on_error(LookupError, to("CONTROLLER"))])
        class Users:
            @MessagePattern("key", filters=[on_error(KeyError, to("HANDLER"))])
            async def key(self) -> None:
                raise KeyError("k")

            @MessagePattern("index", filters=[on_error(KeyError, to("HANDLER"))])
            async def index(self) -> None:
                raise IndexError("i")

            @MessagePattern("value")
            async def value(self) -> None:
                raise ValueError("v")

        filters = [on_error(Exception, to("APPLICATION"))]
        async with running(controllers=[Users], filters=filters) as bus:
            codes = {}
            for pattern in ("key", "index", "value"):
                with pytest.raises(RpcError) as caught:
                    await bus.send(pattern)
                codes[pattern] = (caught.value.code, caught.value.message)
        assert codes == {
            "key": ("HANDLER", "'k' at key"),
            "index": ("CONTROLLER", "i at index"),
            "value": ("APPLICATION", "v at value"),
        }

    async def test_errors_of_middleware_and_of_the_body_pass_the_filters_too(self) -> None:
        async def breaks(context: Context, call: Call) -> Any:
            if context.headers.get("break"):
                raise LookupError("in middleware")
            return await call(context)

        def convert(error: Exception, context: Context) -> Exception:
            invalid = isinstance(error, InvalidPayloadError)
            return RpcError("converted", "INVALID" if invalid else type(error).__name__)

        @MessagePattern("get", middleware=[breaks], filters=[on_error(Exception, convert)])
        async def get(number: int) -> None: ...

        async with running(get) as bus:
            with pytest.raises(RpcError, match="LookupError: converted"):
                await bus.send("get", 1, headers={"break": "1"})
            with pytest.raises(RpcError, match="INVALID: converted"):
                await bus.send("get", "x")

    async def test_error_after_streamed_items_is_converted(self) -> None:
        def convert(error: Exception, context: Context) -> Exception:
            return RpcError("converted", "NOT_FOUND")

        @MessagePattern("get", filters=[on_error(KeyError, convert)])
        async def get() -> AsyncIterator[int]:
            yield 1
            raise KeyError("x")

        got: list[Any] = []
        async with running(get) as bus:
            with pytest.raises(RpcError, match="NOT_FOUND: converted"):
                await read_into(got, bus.stream("get"))
        assert got == [1]

    async def test_filtered_stream_is_closed_when_nobody_reads_on(self) -> None:
        closed = Seen()

        @MessagePattern("get", filters=[on_error(KeyError, lambda error, context: error)])
        async def get() -> AsyncIterator[int]:
            try:
                for number in range(1000):
                    yield number
            finally:
                closed.add("closed")

        async with running(get) as bus:
            async with bus.stream("get") as items:
                async for _ in items:
                    break
            await closed.wait(within=1.0)

    async def test_retry_policy_sees_the_converted_error(self) -> None:
        runs = Seen()

        def convert(error: Exception, context: Context) -> Exception:
            return ConnectionError("try again")

        retry = Retry(3, backoff=fixed(0), on=(ConnectionError,))

        @EventPattern("e", retry=retry, filters=[on_error(KeyError, convert)])
        async def handler(ctx: Annotated[Context, Ctx()]) -> None:
            runs.add(ctx.attempt)
            raise KeyError

        async with running(handler) as bus:
            await bus.emit("e")
            assert await runs.wait(3) == [1, 2, 3]

    async def test_filter_that_fails_itself_is_a_failure_like_any_other(self) -> None:
        def convert(error: Exception, context: Context) -> Exception:
            raise LookupError

        @MessagePattern("get", filters=[on_error(KeyError, convert)])
        async def get() -> None:
            raise KeyError

        async with running(get) as bus:
            with pytest.raises(RpcError, match="INTERNAL"):
                await bus.send("get")


async def test_middleware_may_answer_without_the_handler() -> None:
    async def cached(context: Context, call: Call) -> Any:
        return 5

    @MessagePattern("get", middleware=[cached])
    async def get() -> int:
        raise AssertionError("it is not asked")

    async with running(get) as bus:
        assert await bus.send("get") == 5


def test_layers_of_two_levels_are_put_together() -> None:
    first, second = ExceptionFilter(KeyError, print), ExceptionFilter(LookupError, print)  # type: ignore[arg-type]
    both = Layers([print], [len], [first]).inside(Layers([id], [abs], [second]))  # type: ignore[list-item]
    assert (both.middleware, both.guards) == ((id, print), (abs, len))
    assert both.filters == (first, second)


def test_application_that_demands_guards_refuses_a_handler_without_one() -> None:
    @MessagePattern("get")
    async def get() -> None: ...

    with pytest.raises(ConfigurationError, match=r"get \(.*\): it has no guard"):
        application(get, require_guard=True).check()

    @MessagePattern("get", guards=[lambda context: True])
    async def guarded() -> None: ...

    application(guarded, require_guard=True).check()
    app: Application = application(get, require_guard=True, guards=[lambda context: True])
    app.check()
