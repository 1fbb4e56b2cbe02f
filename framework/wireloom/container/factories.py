"""Factories as dishka reads them: annotations of our own making, our markers translated."""

import functools
import inspect
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Annotated, Any, get_args, get_origin

from wireloom.binding.hints import resolve_hints, source_of
from wireloom.decorators import scope_of
from wireloom.errors import ConfigurationError
from wireloom.markers import Inject

__all__ = ["Wanted", "as_factory", "place_of"]

Wanted = Callable[[Any, str, str], Any]
"""From a plain type, a token ("" for none) and the place that asks, to the annotation that dishka
should see."""


def as_factory(
    source: Callable[..., Any], wanted: Wanted, knows: Callable[[Any], bool], returns: Any = None
) -> Callable[..., Any]:
    """Return a function equal to `source` whose annotations name everything it needs.

    Parameters with a default that the container cannot fill are left to their default.

    :raises ConfigurationError: if a parameter without a default has no annotation.
    """
    parameters = {
        name: _annotation(source, name, hint, default, wanted, knows)
        for name, (hint, default) in _needs(source).items()
    }
    annotations = {name: hint for name, hint in parameters.items() if hint is not None}
    return _clone(source, annotations, returns)


def _needs(source: Callable[..., Any]) -> dict[str, tuple[Any, Any]]:
    function = source.__init__ if inspect.isclass(source) else source
    if function is object.__init__:
        return {}
    where = place_of(source)
    hints = resolve_hints(function, scope_of(source), where) if _is_python(function) else {}
    found: dict[str, tuple[Any, Any]] = {}
    for parameter in inspect.signature(source).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        found[parameter.name] = (hints.get(parameter.name), parameter.default)
    return found


def place_of(source: Any) -> str:
    """Return where something that makes objects stands, for errors."""
    if not inspect.isclass(source):
        return source_of(source) if inspect.isroutine(source) else repr(source)
    if not _is_python(source.__init__):
        return source.__qualname__
    return source_of(source.__init__, source)


def _is_python(function: Any) -> bool:
    return isinstance(getattr(function, "__func__", function), FunctionType)


def _annotation(
    source: Any, name: str, hint: Any, default: Any, wanted: Wanted, knows: Callable[[Any], bool]
) -> Any:
    optional = default is not inspect.Parameter.empty
    if hint is None:
        if optional:
            return None
        raise ConfigurationError(
            f"parameter {name!r} has no annotation",
            where=place_of(source),
            remedy="annotate it, so that the container knows what to give",
        )
    plain, token = _split(hint)
    if optional and not token and not knows(plain):
        return None
    return wanted(plain, token, place_of(source))


def _split(hint: Any) -> tuple[Any, str]:
    if get_origin(hint) is not Annotated:
        return hint, ""
    plain, *marks = get_args(hint)
    tokens = [mark.token for mark in marks if isinstance(mark, Inject)]
    return (plain, tokens[0]) if tokens else (hint, "")


def _clone(
    source: Callable[..., Any], annotations: Mapping[str, Any], returns: Any
) -> Callable[..., Any]:
    """Wrap by kind, since dishka tells generators and coroutines by the function's own kind."""
    wrapper = _wrapper(source)
    wrapper.__annotations__ = dict(annotations)
    if returns is not None:
        wrapper.__annotations__["return"] = returns
    signature = inspect.Signature(
        [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=hint)
            for name, hint in annotations.items()
        ]
    )
    vars(wrapper)["__signature__"] = signature
    vars(wrapper)["__name__"] = getattr(source, "__name__", "factory")
    return wrapper


def _wrapper(source: Callable[..., Any]) -> FunctionType:
    def plain(**needs: Any) -> Any:
        return source(**needs)

    async def coroutine(**needs: Any) -> Any:
        return await source(**needs)

    def generator(**needs: Any) -> Any:
        return (yield from source(**needs))

    async def async_generator(**needs: Any) -> Any:
        stream = source(**needs)
        yield await anext(stream)
        # dishka resumes the factory once, to clean up; the wrapped one is resumed in turn.
        await anext(stream, None)

    inner = source.func if isinstance(source, functools.partial) else source
    if inspect.isasyncgenfunction(inner):
        return _function(async_generator)
    if inspect.isgeneratorfunction(inner):
        return _function(generator)
    if inspect.iscoroutinefunction(inner):
        return _function(coroutine)
    return _function(plain)


def _function(wrapper: Any) -> FunctionType:
    assert isinstance(wrapper, FunctionType)  # noqa: S101 - narrows for the type checker
    return wrapper
