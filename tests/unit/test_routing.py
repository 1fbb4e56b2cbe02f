"""Routing: names, groups, narrowing, and every refusal with its place."""

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import pytest

from tests.unit.apps import TOKEN, Seen, application, memory, running
from wireloom import (
    Application,
    Batch,
    ConfigurationError,
    Context,
    Controller,
    Ctx,
    DeadLettering,
    DuplicateHandlerError,
    Event,
    EventPattern,
    Header,
    InvalidHandlerError,
    InvalidPatternError,
    Limits,
    MessagePattern,
    Retry,
    Rpc,
    UnknownTransportError,
    UnsupportedOptionError,
    fixed,
)
from wireloom.routing import subscription_of
from wireloom.spi import Capabilities, HandlerOptions, Kind
from wireloom.testing import TestApp
from wireloom_memory.context import MemoryContext
from wireloom_memory.transport import MemoryTransport
from wireloom_tcp import TcpOptions
from wireloom_tcp.context import TcpContext

PLACE = r" \(.*test_routing\.py:\d+\)"


def names(*handlers: Callable[..., Any], **options: Any) -> list[str]:
    return [route.name for route in application(*handlers, **options).check().routes]


class TestNames:
    def test_name_is_group_controller_and_method(self) -> None:
        @Controller()
        class Users:
            @EventPattern("a")
            async def welcome(self) -> None: ...

            @EventPattern("b", group="own")
            async def other(self) -> None: ...

        @Controller(group="team")
        class Admins:
            @EventPattern("a")
            async def welcome(self) -> None: ...

        assert sorted(names(controllers=[Users, Admins])) == [
            "own.Users.other",
            "svc.Users.welcome",
            "team.Admins.welcome",
        ]

    def test_function_has_the_group_and_its_name(self) -> None:
        @EventPattern("a")
        async def welcome() -> None: ...

        @EventPattern("a", name="durable")
        async def renamed() -> None: ...

        assert names(welcome, renamed) == ["svc.welcome", "durable"]

    def test_decorator_above_another_renames_nothing(self) -> None:
        @EventPattern("b")
        @EventPattern("a")
        async def welcome() -> None: ...

        assert names(welcome) == ["svc.welcome.b", "svc.welcome"]

    def test_method_is_named_as_it_is_written_whatever_its_decorators_call_it(self) -> None:
        def careless(function: Callable[..., Any]) -> Callable[..., Any]:
            async def wrapper(self: Any) -> Any:
                return await function(self)

            return wrapper

        @Controller()
        class Users:
            @EventPattern("a")
            @careless
            async def welcome(self) -> None: ...

            @EventPattern("b")
            @careless
            async def goodbye(self) -> None: ...

        assert sorted(names(controllers=[Users])) == ["svc.Users.goodbye", "svc.Users.welcome"]

    def test_two_handlers_of_one_durable_name_are_refused(self) -> None:
        @EventPattern("a", name="same")
        async def one() -> None: ...

        @EventPattern("b", name="same")
        async def other() -> None: ...

        with pytest.raises(
            DuplicateHandlerError, match=rf"other{PLACE}: .*'same': .*one{PLACE}\n  give one"
        ):
            application(one, other).check()


class TestRequests:
    def test_two_handlers_of_one_request_are_refused_naming_both(self) -> None:
        @MessagePattern("get")
        async def one() -> None: ...

        @MessagePattern("get")
        async def other() -> None: ...

        with pytest.raises(DuplicateHandlerError, match=rf"other{PLACE}: 'get' .*one{PLACE}\n"):
            application(one, other).check()

    def test_object_patterns_in_other_order_are_one_pattern(self) -> None:
        @MessagePattern({"cmd": "sum", "v": 1})
        async def one() -> None: ...

        @MessagePattern({"v": 1, "cmd": "sum"})
        async def other() -> None: ...

        with pytest.raises(DuplicateHandlerError):
            application(one, other).check()

    def test_names_of_parameters_make_no_other_pattern(self) -> None:
        @MessagePattern("get.{a}")
        async def one(a: str) -> None: ...

        @MessagePattern("get.{b}")
        async def other(b: str) -> None: ...

        with pytest.raises(DuplicateHandlerError):
            application(one, other).check()

    def test_same_request_on_two_tokens_has_two_handlers(self) -> None:
        @MessagePattern("get", on="a")
        async def one() -> None: ...

        @MessagePattern("get", on="b")
        async def other() -> None: ...

        application(one, other, transports={"a": memory(), "b": memory()}).check()


class TestNarrowing:
    def tokens(self, handler: Callable[..., Any]) -> list[str]:
        assembly = application(
            handler, transports={"m1": memory(), "m2": memory(), "t": TcpOptions(listen=None)}
        ).check()
        return [token for token, entries in assembly.subscriptions.items() if entries]

    def test_handler_listens_everywhere(self) -> None:
        @EventPattern("a")
        async def handler(ctx: Annotated[Context, Ctx()]) -> None: ...

        assert self.tokens(handler) == ["m1", "m2", "t"]

    def test_context_of_one_kind_narrows_to_it(self) -> None:
        @EventPattern("a")
        async def handler(ctx: Annotated[TcpContext, Ctx()]) -> None: ...

        assert self.tokens(handler) == ["t"]

    def test_union_of_contexts_narrows_to_its_members(self) -> None:
        @EventPattern("a")
        async def handler(ctx: TcpContext | MemoryContext) -> None: ...

        assert self.tokens(handler) == ["m1", "m2", "t"]

    def test_transport_narrows_by_kind_and_on_by_token(self) -> None:
        @EventPattern("a", transport="memory")
        async def kind() -> None: ...

        @EventPattern("a", on="m2")
        async def token() -> None: ...

        assert self.tokens(kind) == ["m1", "m2"]
        assert self.tokens(token) == ["m2"]

    async def test_handler_runs_for_each_token_it_listens_on(self) -> None:
        ran = Seen()

        @EventPattern("a")
        async def everywhere(ctx: Context) -> None:
            ran.add(("everywhere", ctx.token))

        @EventPattern("a", on="m2")
        async def narrowed(ctx: Context) -> None:
            ran.add(("narrowed", ctx.token))

        async with running(
            everywhere, narrowed, transports={TOKEN: memory(), "m2": memory()}
        ) as bus:
            await bus.emit("a")
            await ran.wait(1)
        assert ran == [("everywhere", TOKEN)]

    def test_context_of_a_transport_that_is_not_configured_is_refused(self) -> None:
        @EventPattern("a")
        async def handler(ctx: Annotated[TcpContext, Ctx()]) -> None: ...

        with pytest.raises(UnsupportedOptionError) as caught:
            application(handler).check()
        assert (caught.value.option, caught.value.transport) == ("ctx: TcpContext", "tcp")
        assert "configured: bus (memory)" in str(caught.value)
        assert "handler (" in str(caught.value)

    def test_kind_that_is_not_configured_is_refused(self) -> None:
        @EventPattern("a", transport="nats")
        async def handler() -> None: ...

        with pytest.raises(UnsupportedOptionError, match=rf"handler{PLACE}: .*transport='nats'"):
            application(handler).check()

    def test_token_that_is_not_configured_is_refused_and_lists_the_tokens(self) -> None:
        @EventPattern("a", on="train")
        async def handler() -> None: ...

        with pytest.raises(
            UnknownTransportError, match=rf"handler{PLACE}: unknown token 'train'; configured: bus"
        ):
            application(handler).check()

    def test_handler_in_an_application_that_only_calls_is_refused(self) -> None:
        @EventPattern("a")
        async def handler() -> None: ...

        with pytest.raises(ConfigurationError, match=rf"handler{PLACE}: .*serves no transport"):
            Application("svc", handlers=[handler], clients={"x": memory()}).check()


class TestRefusedHandlers:
    @pytest.mark.parametrize(
        ("pattern", "said"), [("a..b", "empty token"), (None, "is not a pattern"), ("a b", "space")]
    )
    def test_wrong_pattern_names_controller_method_file_and_line(
        self, pattern: Any, said: str
    ) -> None:
        @Controller()
        class Users:
            @EventPattern(pattern)
            async def welcome(self) -> None: ...

        with pytest.raises(InvalidPatternError, match=rf"Users\.welcome{PLACE}: .*{said}"):
            application(controllers=[Users]).check()

    def test_contract_of_the_other_kind_is_refused(self) -> None:
        @MessagePattern(Event("a"))  # type: ignore[arg-type]
        async def request() -> None: ...

        @EventPattern(Rpc("a"))  # type: ignore[arg-type]
        async def event() -> None: ...

        with pytest.raises(InvalidHandlerError, match=rf"request{PLACE}: an Event under"):
            application(request).check()
        with pytest.raises(InvalidHandlerError, match=rf"event{PLACE}: an Rpc under"):
            application(event).check()

    def test_event_handler_that_yields_is_refused(self) -> None:
        @EventPattern("a")
        async def handler() -> AsyncIterator[int]:
            yield 1

        with pytest.raises(InvalidHandlerError, match=rf"handler{PLACE}: an event handler answers"):
            application(handler).check()

    def test_generator_that_would_block_the_loop_is_refused(self) -> None:
        @MessagePattern("a")
        def handler() -> Iterator[int]:
            yield 1

        with pytest.raises(InvalidHandlerError, match=rf"handler{PLACE}: .*\n  make it async def"):
            application(handler).check()

    @pytest.mark.parametrize("kind", [staticmethod, classmethod])
    def test_method_without_its_object_is_refused(self, kind: Any) -> None:
        @Controller()
        class Users:
            @kind
            @EventPattern("a")
            async def welcome(*_: Any) -> None: ...

        with pytest.raises(InvalidHandlerError, match=rf"Users\.welcome{PLACE}: .*plain method"):
            application(controllers=[Users]).check()

    def test_class_that_is_no_controller_is_refused(self) -> None:
        class Users: ...

        with pytest.raises(ConfigurationError, match=r"Users.* is no controller\n.*@Controller"):
            application(controllers=[Users]).check()

    def test_controller_and_function_that_handle_nothing_are_refused(self) -> None:
        @Controller()
        class Users: ...

        with pytest.raises(ConfigurationError, match=r"Users .*handles nothing"):
            application(controllers=[Users]).check()
        with pytest.raises(ConfigurationError, match=r"print.*handles nothing"):
            application(print).check()

    def test_batch_handler_takes_a_list_and_nothing_of_one_message(self) -> None:
        @EventPattern("a", batch=Batch())
        async def single(value: int) -> None: ...

        @EventPattern("a", batch=Batch())
        async def none() -> None: ...

        @EventPattern("a", batch=Batch())
        async def header(values: list[int], tenant: Annotated[str, Header("t")]) -> None: ...

        for handler in (single, none, header):
            with pytest.raises(InvalidHandlerError, match=rf"{handler.__name__}{PLACE}: a batch"):
                application(handler).check()

    def test_two_limits_for_one_event_are_refused(self) -> None:
        @EventPattern(Event("a", limits=Limits(messages=5)))
        async def handler() -> None: ...

        with pytest.raises(ConfigurationError, match=r"'a' is declared twice"):
            application(handler, emits=[Event("a")]).check()


class TestEmits:
    @pytest.mark.parametrize("emits", ["a.*", "a..b", Event("x.{id}")])
    def test_what_is_no_address_is_refused_before_anything_is_connected(self, emits: Any) -> None:
        @EventPattern("a", emits=emits)
        async def handler() -> int:
            return 1

        with pytest.raises(InvalidPatternError, match=rf"handler{PLACE}: "):
            application(handler).check()

    def test_type_that_cannot_be_written_is_refused_before_anything_is_connected(self) -> None:
        class Opaque: ...

        @EventPattern("a", emits=Event("b", Opaque))
        async def handler() -> None: ...

        with pytest.raises(ConfigurationError, match=rf"handler{PLACE}: .*cannot be written"):
            application(handler).check()

    def test_unknown_codec_is_refused_before_anything_is_connected(self) -> None:
        @EventPattern("a", emits=Event("b", codec="x/y"))
        async def handler() -> None: ...

        with pytest.raises(ConfigurationError, match=rf"handler{PLACE}: no codec for 'x/y'"):
            application(handler).check()


class TestSubscriptions:
    def test_event_subscription_says_what_the_handler_asks_for(self) -> None:
        event = Event("a", limits=Limits(messages=5), durable=False)

        @EventPattern(
            event,
            retry=Retry(3, backoff=fixed(2.0), jitter=0),
            timeout=7,
            ordered=True,
            shards=4,
            start_from="first",
            broadcast=True,
        )
        async def handler() -> None: ...

        (route,) = application(handler).check().routes
        found = subscription_of(route, MemoryTransport)
        assert (found.kind, found.group, found.name) == (Kind.EVENT, "svc", "svc.handler")
        assert (found.durable, found.limits, found.broadcast) == (False, event.limits, True)
        assert (found.ordered, found.shards, found.start_from) == (True, 4, "first")
        assert (found.attempts, found.longest_delay, found.timeout) == (3, 2.0, 7)
        assert not found.ack_first

    @pytest.mark.parametrize(
        ("mark", "ack_first"),
        [
            (MessagePattern("a"), True),
            (MessagePattern("a", idempotent=True), False),
            (MessagePattern(Rpc("a", idempotent=True)), False),
            (MessagePattern(Rpc("a", idempotent=True), idempotent=False), True),
            (EventPattern("a", ack="before"), True),
        ],
    )
    def test_request_is_settled_first_unless_it_is_idempotent(
        self, mark: Any, ack_first: bool
    ) -> None:
        @mark
        async def handler() -> None: ...

        (route,) = application(handler).check().routes
        assert subscription_of(route, MemoryTransport).ack_first is ack_first


class Poor(MemoryTransport):
    """A transport that can do nothing but plain events."""

    kind = "poor"
    capabilities = Capabilities(
        requests=False,
        groups=False,
        broadcast=False,
        ordered=False,
        retry=False,
        delay=False,
        dead_letter=False,
        replay=False,
        wildcards=False,
    )


@pytest.mark.parametrize(
    ("mark", "option"),
    [
        (MessagePattern("a"), "requests"),
        (EventPattern("a", broadcast=True), "broadcast"),
        (EventPattern("a", group="b"), "group"),
        (EventPattern("a", ordered=True), "ordered"),
        (EventPattern("a", retry=Retry(attempts=2)), "retry"),
        (EventPattern("a", dead_letter=DeadLettering(expired=True)), "dead_letter"),
        (EventPattern("a", start_from="first"), "start_from"),
        (EventPattern("a.*"), "pattern"),
    ],
)
def test_option_that_capabilities_rule_out_names_option_transport_and_handler(
    mark: Any, option: str
) -> None:
    @mark
    async def handler() -> None: ...

    (route,) = application(handler).check().routes
    with pytest.raises(UnsupportedOptionError, match=rf"handler{PLACE}: .*'poor'") as caught:
        subscription_of(route, Poor)
    assert caught.value.option == option


def test_wildcards_of_events_that_are_not_durable_need_no_capability() -> None:
    @EventPattern(Event("a.*", durable=False))
    async def handler() -> None: ...

    (route,) = application(handler).check().routes
    assert not subscription_of(route, Poor).durable


@dataclass(frozen=True, kw_only=True)
class GhostOptions(HandlerOptions):
    kind: ClassVar[str] = "ghost"


def test_native_options_of_a_transport_it_does_not_listen_on_are_refused() -> None:
    @EventPattern("a", native=(GhostOptions(),))
    async def handler() -> None: ...

    with pytest.raises(UnsupportedOptionError, match=rf"handler{PLACE}: option 'native'.*'ghost'"):
        application(handler).check()


async def test_stacked_patterns_are_both_handled() -> None:
    ran = Seen()

    @EventPattern("a")
    @EventPattern("b")
    async def handler(ctx: Context) -> None:
        ran.add(ctx.pattern)

    async with running(handler) as bus:
        await bus.emit("b")
        await bus.emit("a")
        assert sorted(await ran.wait(2)) == ["a", "b"]


async def test_inherited_handlers_belong_to_the_controller_that_is_listed() -> None:
    class Base:
        @MessagePattern("name")
        async def name(self) -> str:
            return type(self).__name__

    @Controller()
    class Users(Base): ...

    async with running(controllers=[Users]) as bus:
        assert await bus.send("name") == "Users"


async def test_careless_decorators_and_private_names_are_called_all_the_same() -> None:
    def careless(function: Callable[..., Any]) -> Callable[..., Any]:
        async def wrapper(self: Any) -> Any:
            return await function(self)

        return wrapper

    def careful(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            return await function(*args, **kwargs) + 1

        return wrapper

    @Controller()
    class Users:
        @MessagePattern("a")
        @careless
        async def one(self) -> int:
            return 1

        @MessagePattern("b")
        async def __two(self) -> int:
            return 2

        @careful
        @MessagePattern("c")
        async def three(self, value: int) -> int:
            return value

    async with running(controllers=[Users]) as bus:
        assert [await bus.send("a"), await bus.send("b"), await bus.send("c", 2)] == [1, 2, 3]


async def test_test_app_shows_the_same_refusals() -> None:
    @EventPattern("a", on="nowhere")
    async def handler() -> None: ...

    with pytest.raises(UnknownTransportError, match="nowhere"):
        await TestApp(application(handler)).__aenter__()
