"""Which part of a message, or of the container, fills each parameter of a handler."""

import enum
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from wireloom.errors import InvalidHandlerError
from wireloom.markers import Ctx, Header, Inject
from wireloom.pattern import Pattern
from wireloom.spi import Context

__all__ = ["Parameter", "Source", "read_parameters"]


class Source(enum.Enum):
    """Where a parameter's value comes from."""

    CONTEXT = "context"
    HEADER = "header"
    TOKEN = "token"
    CONTAINER = "container"
    PAYLOAD = "payload"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a handler."""

    name: str
    source: Source
    type: Any
    """The annotation, without our marker."""
    default: Any
    """`inspect.Parameter.empty` if there is none."""
    key: str = ""
    """The header's name, or the container's token."""

    @property
    def required(self) -> bool:
        """Tell whether there is no default."""
        return self.default is inspect.Parameter.empty

    @property
    def contexts(self) -> tuple[type[Context], ...]:
        """Return the context types that a context parameter takes."""
        return _context_types(self.type)


def read_parameters(
    function: Callable[..., Any],
    hints: Mapping[str, Any],
    pattern: Pattern,
    knows: Callable[[Any], bool],
    where: str,
) -> list[Parameter]:
    """Return what fills each parameter: marks first, then the pattern's tokens, then types that
    the container knows; what is left is the payload.

    :raises InvalidHandlerError: if more than one is left, or one cannot be filled at all.
    """
    found: list[Parameter] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise InvalidHandlerError(
                f"parameter '*{parameter.name}' cannot be filled", where=where, remedy="name each"
            )
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise InvalidHandlerError(
                f"parameter {parameter.name!r} is positional-only", where=where, remedy="drop the /"
            )
        found.append(_read(parameter, hints.get(parameter.name, Any), pattern, knows))
        _check_context(found[-1], where)
    _check_one_payload(found, where)
    return found


def _read(
    parameter: inspect.Parameter, hint: Any, pattern: Pattern, knows: Callable[[Any], bool]
) -> Parameter:
    name, default = parameter.name, parameter.default
    plain, marks = _split(hint)
    for mark in marks:
        if isinstance(mark, Ctx) or mark is Ctx:
            return Parameter(name, Source.CONTEXT, plain, default)
        if isinstance(mark, Header):
            rest = tuple(other for other in marks if other is not mark)
            stated = Annotated[(plain, *rest)] if rest else plain  # its other constraints hold
            return Parameter(name, Source.HEADER, stated, default, mark.name)
        if isinstance(mark, Inject):
            return Parameter(name, Source.CONTAINER, plain, default, mark.token)
    if _context_types(plain):
        return Parameter(name, Source.CONTEXT, plain, default)
    if name in pattern.parameters:
        return Parameter(name, Source.TOKEN, hint, default)
    if knows(plain):
        return Parameter(name, Source.CONTAINER, plain, default)
    return Parameter(name, Source.PAYLOAD, hint, default)


def _check_context(parameter: Parameter, where: str) -> None:
    if parameter.source is Source.CONTEXT and parameter.type is not Any and not parameter.contexts:
        raise InvalidHandlerError(
            f"parameter {parameter.name!r} is marked Ctx() and annotated {parameter.type!r}",
            where=where,
            remedy="annotate it with Context, a transport's own context, or a union of these",
        )


def _check_one_payload(found: list[Parameter], where: str) -> None:
    left = [parameter for parameter in found if parameter.source is Source.PAYLOAD]
    if len(left) > 1:
        names = ", ".join(repr(parameter.name) for parameter in left)
        raise InvalidHandlerError(
            f"parameters {names} are left for the payload; there is only one",
            where=where,
            remedy="mark the others with Annotated[..., Ctx() | Header(...) | Inject(...)], "
            "or give the application a provider of their type",
        )


def _split(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    if get_origin(hint) is Annotated:
        plain, *marks = get_args(hint)
        return plain, tuple(marks)
    return hint, ()


def _context_types(hint: Any) -> tuple[type[Context], ...]:
    members = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if members and all(
        isinstance(member, type) and issubclass(member, Context) for member in members
    ):
        return members
    return ()
