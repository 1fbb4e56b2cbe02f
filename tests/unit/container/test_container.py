"""The container: by type, by token, once or for each call, overridden, checked at start."""

import dataclasses
import functools
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Protocol

import pytest
from dishka import Provider, Scope
from dishka import provide as dishka_provide

from tests.unit.apps import TOKEN, Seen, application, memory, running, started
from wireloom import (
    Application,
    ClientProxy,
    ConfigurationError,
    Controller,
    Inject,
    InvalidHandlerError,
    MessagePattern,
    UnknownTransportError,
    provide,
)


class Store:
    def __init__(self) -> None:
        self.name = "store"


class Repository:
    def __init__(self, store: Store, label: Annotated[str, Inject("LABEL")] = "refused") -> None:
        self.store, self.label = store, label


@MessagePattern("get")
async def get(repository: Repository) -> list[str]:
    return [repository.store.name, repository.label]


async def test_objects_are_made_of_what_their_constructors_name() -> None:
    async with running(get, providers=[Store, Repository, provide("x", token="LABEL")]) as bus:
        assert await bus.send("get") == ["store", "x"]


async def test_object_of_the_application_is_made_once() -> None:
    made: list[int] = []

    class Counted:
        def __init__(self) -> None:
            made.append(1)

    @MessagePattern("a")
    async def a(one: Counted) -> int:
        return id(one)

    @MessagePattern("b")
    async def b(one: Counted) -> int:
        return id(one)

    async with running(a, b, providers=[Counted]) as bus:
        assert await bus.send("a") == await bus.send("b") == await bus.send("a")
    assert made == [1]


async def test_controller_gets_clients_by_token_and_objects_by_type() -> None:
    @Controller()
    class Users:
        def __init__(self, bus: Annotated[ClientProxy, Inject(TOKEN)], store: Store) -> None:
            self.bus, self.store = bus, store

        @MessagePattern("name")
        async def name(self) -> str:
            return self.store.name

        @MessagePattern("ask")
        async def ask(self) -> str:
            return await self.bus.send("name", response_type=str)

    async with running(controllers=[Users], providers=[Store]) as bus:
        assert await bus.send("ask") == "store"


async def test_only_client_needs_no_token() -> None:
    @MessagePattern("get")
    async def get(bus: ClientProxy) -> str:
        return bus.status.value

    async with running(get) as bus:
        assert await bus.send("get") == "connected"


async def test_dataclass_may_be_a_controller() -> None:
    @Controller()
    @dataclasses.dataclass
    class Users:
        store: Store
        suffix: str = "!"

        @MessagePattern("get")
        async def get(self) -> str:
            return self.store.name + self.suffix

    async with running(controllers=[Users], providers=[Store]) as bus:
        assert await bus.send("get") == "store!"


async def test_values_factories_and_protocols_are_provided() -> None:
    class Named(Protocol):
        name: str

    async def repository(store: Store) -> Repository:
        return Repository(store, "made by a factory")

    @MessagePattern("get")
    async def handler(
        named: Named, repository: Repository, number: Annotated[int, Inject("N")], size: Any
    ) -> list[Any]:
        return [named.name, repository.label, number, size]

    providers = [provide(Store, type=Named), Store, repository, provide(value=7, token="N")]
    async with running(handler, providers=providers) as bus:
        assert await bus.send("get", 5) == ["store", "made by a factory", 7, 5]


async def test_function_is_a_value_if_it_is_given_as_one() -> None:
    def shout(text: str) -> str:
        return text.upper()

    @MessagePattern("get")
    async def handler(text: str, shout: Annotated[Any, Inject("SHOUT")]) -> str:
        return shout(text)

    async with running(handler, providers=[provide(value=shout, token="SHOUT")]) as bus:
        assert await bus.send("get", "a") == "A"


async def test_generators_are_cleaned_up_in_reverse_when_the_application_stops() -> None:
    log: list[str] = []

    def store() -> Iterator[Store]:
        yield Store()
        log.append("store closed")

    async def repository(store: Store) -> AsyncIterator[Repository]:
        yield Repository(store)
        log.append("repository closed")

    async with running(get, providers=[store, repository]) as bus:
        await bus.send("get")
        assert log == []
    assert log == ["repository closed", "store closed"]


async def test_providers_of_dishka_s_own_are_taken_as_they_are() -> None:
    class Own(Provider):
        scope = Scope.APP

        @dishka_provide
        def store(self) -> Store:
            found = Store()
            found.name = "dishka's"
            return found

    async with running(get, providers=[Own(), Repository, provide("x", token="LABEL")]) as bus:
        assert await bus.send("get") == ["dishka's", "x"]


class TestOverriding:
    async def test_type_and_token_are_replaced_by_values(self) -> None:
        fake = Store()
        fake.name = "fake"
        async with running(
            get,
            providers=[Store, Repository, provide("real", token="LABEL")],
            overrides={Store: fake, "LABEL": "fake too"},
        ) as bus:
            assert await bus.send("get") == ["fake", "fake too"]

    async def test_client_is_replaced_by_its_token(self) -> None:
        class Fake:
            async def send(self, *_: Any, **__: Any) -> str:
                return "fake"

        @MessagePattern("ask")
        async def ask(billing: Annotated[ClientProxy, Inject("billing")]) -> Any:
            return await billing.send("price")

        async with running(
            ask, clients={"billing": memory()}, overrides={"billing": Fake()}
        ) as bus:
            assert await bus.send("ask") == "fake"


class TestRefused:
    def test_missing_type_names_who_asks_where_and_the_remedy(self) -> None:
        @Controller()
        class Users:
            def __init__(self, store: Store) -> None: ...

            @MessagePattern("get")
            async def get(self) -> None: ...

        with pytest.raises(
            ConfigurationError,
            match=r"Users\.__init__ \(.*test_container\.py:\d+\): nothing provides Store"
            r"[^\n]*\n.*providers=",
        ):
            application(controllers=[Users]).check()

    def test_missing_type_of_a_factory_names_the_factory(self) -> None:
        def repository(store: Store) -> Repository:
            return Repository(store)

        with pytest.raises(ConfigurationError, match=r"repository \(.*:\d+\): nothing provides"):
            application(get, providers=[repository]).check()

    def test_unknown_token_of_a_constructor_lists_the_tokens(self) -> None:
        @Controller()
        class Users:
            def __init__(self, bus: Annotated[ClientProxy, Inject("train")]) -> None: ...

            @MessagePattern("get")
            async def get(self) -> None: ...

        with pytest.raises(
            UnknownTransportError,
            match=r"Users\.__init__ \(.*:\d+\): unknown token 'train'; configured: bus",
        ):
            application(controllers=[Users]).check()

    def test_unknown_token_is_refused_although_the_parameter_has_a_default(self) -> None:
        with pytest.raises(UnknownTransportError, match="'LABEL'"):
            application(providers=[Store, Repository]).check()

    def test_unknown_token_of_a_handler_lists_the_tokens(self) -> None:
        @MessagePattern("get")
        async def handler(bus: Annotated[ClientProxy, Inject("train")]) -> None: ...

        with pytest.raises(
            UnknownTransportError,
            match=r"handler \(.*:\d+\): unknown token 'train'; configured: LABEL, bus",
        ):
            application(handler, providers=[provide("x", token="LABEL")]).check()

    def test_parameter_without_annotation_names_the_class(self) -> None:
        class Bare:
            def __init__(self, something) -> None: ...  # type: ignore[no-untyped-def]

        with pytest.raises(
            ConfigurationError, match=r"Bare\.__init__ \(.*\): parameter 'something' has no"
        ):
            application(providers=[Bare]).check()

    def test_unresolvable_annotation_names_the_class(self) -> None:
        class Bare:
            def __init__(self, other: "Elsewhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821

        with pytest.raises(InvalidHandlerError, match=r"Bare\.__init__ \(.*Elsewhere"):
            application(providers=[Bare]).check()

    def test_factory_that_does_not_say_what_it_makes_is_refused(self) -> None:
        def make():  # type: ignore[no-untyped-def]
            return Store()

        with pytest.raises(ConfigurationError, match="does not say what it makes"):
            application(providers=[make]).check()

    def test_cycle_is_refused(self) -> None:
        class First:
            def __init__(self, second: "Second") -> None: ...

        class Second:
            def __init__(self, first: First) -> None: ...

        First.__init__.__annotations__["second"] = Second
        with pytest.raises(ConfigurationError, match="cannot be built"):
            application(providers=[First, Second]).check()

    def test_object_of_the_application_cannot_ask_for_one_of_a_call(self) -> None:
        with pytest.raises(ConfigurationError, match=r"Repository\.__init__ .* Store"):
            application(
                providers=[provide(Store, scope="request"), Repository, provide("", token="LABEL")]
            ).check()

    @pytest.mark.parametrize("options", [{}, {"value": 1}])
    def test_provide_takes_a_source_or_a_value(self, options: dict[str, Any]) -> None:
        arguments = [Store] if options else []
        with pytest.raises(ConfigurationError, match="a source or value="):
            provide(*arguments, **options)

    def test_unknown_scope_is_refused(self) -> None:
        with pytest.raises(ConfigurationError, match="scope='session'"):
            provide(Store, scope="session")  # type: ignore[arg-type]


def test_bare_values_and_partial_functions_are_values() -> None:
    assert provide(functools.partial(print)).is_value
    assert provide(5).is_value
    assert not provide(Store).is_value
    assert not provide(print).is_value


async def test_check_makes_no_object_of_the_user_s() -> None:
    made = Seen()

    @Controller()
    class Users:
        def __init__(self) -> None:
            made.add(1)

        @MessagePattern("get")
        async def get(self) -> None: ...

    app = Application("svc", controllers=[Users], transports={TOKEN: memory()})
    app.check()
    assert made == []
    async with started(controllers=[Users]):
        assert made == [1]
