"""Annotations that are text: module names, local classes, and what cannot be found."""

from __future__ import annotations

import functools
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from tests.unit.apps import application, running
from wireloom import Controller, Ctx, Inject, InvalidHandlerError, MessagePattern, provide
from wireloom.binding import resolve_hints, source_of
from wireloom_memory.context import MemoryContext


class Query(BaseModel):
    number: int


async def test_classes_of_the_module_are_found() -> None:
    @MessagePattern("get")
    async def get(query: Query, ctx: Annotated[MemoryContext, Ctx()]) -> list[Query]:
        return [query, Query(number=len(ctx.body))]

    async with running(get) as bus:
        assert await bus.send("get", {"number": 5}) == [{"number": 5}, {"number": 12}]


async def test_local_classes_are_found_by_functions_methods_and_constructors() -> None:
    class Local(BaseModel):
        number: int

    class Store:
        def __init__(self) -> None:
            self.factor = 2

    @Controller()
    class Users:
        class Inner(BaseModel):
            name: str

        def __init__(self, store: Store, greeting: Annotated[str, Inject("G")]) -> None:
            self.store, self.greeting = store, greeting

        @MessagePattern("double")
        async def double(self, one: Local) -> Local:
            return Local(number=one.number * self.store.factor)

        @MessagePattern("greet")
        async def greet(self, who: Inner) -> str:
            return f"{self.greeting} {who.name}"

    @MessagePattern("plain")
    async def plain(one: Local, store: Store) -> int:
        return one.number + store.factor

    providers = [Store, provide("hello", token="G")]
    async with running(plain, controllers=[Users], providers=providers) as bus:
        assert await bus.send("double", Local(number=4)) == {"number": 8}
        assert await bus.send("greet", {"name": "you"}) == "hello you"
        assert await bus.send("plain", {"number": 1}) == 3


def test_name_that_cannot_be_found_is_refused_with_place_and_remedy() -> None:
    @MessagePattern("get")
    async def get(query: Missing) -> None: ...  # noqa: F821

    with pytest.raises(
        InvalidHandlerError, match=r"get \(.*test_hints\.py:\d+\): .*'Missing'.*\n.*TYPE_CHECKING"
    ):
        application(get).check()


def test_local_class_below_the_handler_is_refused_with_a_remedy() -> None:
    @MessagePattern("get")
    async def get(query: Later) -> None: ...

    class Later(BaseModel): ...

    with pytest.raises(InvalidHandlerError, match="define local classes above the handler"):
        application(get).check()


def test_place_of_a_handler_names_class_method_file_and_line() -> None:
    class Users:
        async def get(self) -> None: ...

    line = Users.get.__code__.co_firstlineno
    assert source_of(Users.get, Users).endswith(f"Users.get ({__file__}:{line})")
    assert source_of(Users().get, Users) == source_of(Users.get, Users)


def test_wrapped_function_has_the_hints_and_the_place_of_the_one_inside() -> None:
    async def inner(query: Query) -> int:
        return 1

    @functools.wraps(inner)
    async def outer(*args: Any) -> Any:
        return await inner(*args)

    assert resolve_hints(outer, {}, "here") == {"query": Query, "return": int}
    assert source_of(outer) == source_of(inner)
