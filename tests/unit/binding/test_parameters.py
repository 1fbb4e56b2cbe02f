"""Parameters: what fills each, and what cannot be filled."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from pydantic import Field

from wireloom import ClientProxy, Context, Ctx, Header, Inject, InvalidHandlerError, Pattern
from wireloom.binding import Parameter, Source, read_parameters, resolve_hints
from wireloom_memory.context import MemoryContext
from wireloom_tcp.context import TcpContext


class Store: ...


def read(function: Callable[..., Any], pattern: str = "a.{id}") -> dict[str, Parameter]:
    found = read_parameters(
        function,
        resolve_hints(function, {}, "here"),
        Pattern(pattern),
        lambda hint: hint is Store,
        "here",
    )
    return {parameter.name: parameter for parameter in found}


def test_marks_come_first_then_tokens_then_the_container_and_the_rest_is_the_payload() -> None:
    def handler(
        ctx: Annotated[Context, Ctx()],
        tenant: Annotated[str, Header("tenant")],
        bus: Annotated[ClientProxy, Inject("bus")],
        id: int,
        store: Store,
        user: dict[str, int],
    ) -> None: ...

    found = read(handler)
    assert {name: one.source for name, one in found.items()} == {
        "ctx": Source.CONTEXT,
        "tenant": Source.HEADER,
        "bus": Source.CONTAINER,
        "id": Source.TOKEN,
        "store": Source.CONTAINER,
        "user": Source.PAYLOAD,
    }
    assert (found["tenant"].key, found["bus"].key, found["store"].key) == ("tenant", "bus", "")
    assert found["user"].type == dict[str, int]


def test_mark_wins_over_the_name_of_a_token() -> None:
    def handler(id: Annotated[str, Header("id")]) -> None: ...

    assert read(handler)["id"].source is Source.HEADER


def test_context_type_needs_no_mark_and_a_union_names_several() -> None:
    def handler(ctx: MemoryContext | TcpContext) -> None: ...

    assert read(handler)["ctx"].contexts == (MemoryContext, TcpContext)


def test_mark_may_be_the_class_itself() -> None:
    def handler(ctx: Annotated[Context, Ctx]) -> None: ...

    assert read(handler)["ctx"].source is Source.CONTEXT


def test_parameter_without_an_annotation_is_the_payload_as_it_is() -> None:
    def handler(payload) -> None: ...  # type: ignore[no-untyped-def]

    assert (read(handler)["payload"].source, read(handler)["payload"].type) == (Source.PAYLOAD, Any)


def test_other_constraints_of_a_header_and_a_token_hold() -> None:
    positive = Field(gt=0)

    def handler(n: Annotated[int, positive, Header("n")], id: Annotated[int, positive]) -> None: ...

    found = read(handler)
    assert found["n"].type == Annotated[int, positive]
    assert found["id"].type == Annotated[int, positive]


def test_defaults_are_kept() -> None:
    def handler(a: Annotated[str, Header("a")] = "x", payload: int = 5) -> None: ...

    found = read(handler)
    assert (found["a"].default, found["payload"].default) == ("x", 5)
    assert not found["a"].required


def test_two_payloads_are_refused_by_name_with_a_remedy() -> None:
    def handler(user: int, other: str) -> None: ...

    with pytest.raises(
        InvalidHandlerError, match=r"here: parameters 'user', 'other' .*\n .*Inject"
    ):
        read(handler)


def test_parameter_of_any_number_is_refused() -> None:
    def many(*users: int) -> None: ...

    def named(**users: int) -> None: ...

    for handler in (many, named):
        with pytest.raises(InvalidHandlerError, match="'\\*users' cannot be filled"):
            read(handler)


def test_positional_only_parameter_is_refused() -> None:
    def handler(user: int, /) -> None: ...

    with pytest.raises(InvalidHandlerError, match="positional-only"):
        read(handler)


@pytest.mark.parametrize("hint", [str, int, MemoryContext | None, list[Context]])
def test_context_that_is_annotated_as_something_else_is_refused(hint: Any) -> None:
    def handler(ctx: Any) -> None: ...

    handler.__annotations__["ctx"] = Annotated[hint, Ctx()]
    with pytest.raises(InvalidHandlerError, match=r"here: parameter 'ctx' is marked Ctx\(\)"):
        read(handler)
