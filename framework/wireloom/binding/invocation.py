"""From a context to the handler's call: the argument plan, compiled once."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any, Protocol

from wireloom.binding.arguments import Read
from wireloom.spi import Context

__all__ = ["Invoke", "OpenScope", "compile_invocation"]

Invoke = Callable[[Context], Awaitable[Any]]


class OpenScope(Protocol):
    """Opens the container's request scope and gives the objects asked for, by parameter."""

    def __call__(self, context: Context) -> AbstractAsyncContextManager[Mapping[str, Any]]:
        """Enter for one call; on leaving, what was created is cleaned up."""


def compile_invocation(
    function: Callable[..., Any],
    readers: Sequence[tuple[str, Read]],
    constants: Mapping[str, Any],
    scope: OpenScope | None,
    *,
    streams: bool,
    positional: bool = True,
) -> Invoke:
    """Return what calls the handler with everything its parameters need.

    The usual shapes get a closure of their own: a dictionary of arguments costs as much as the
    rest of the call.

    :param positional: whether the arguments may be given by position, in the readers' order.
    """
    if scope is not None:
        return _scoped(function, readers, constants, scope, streams=streams)
    if streams:
        return _streaming(function, readers, constants)
    if constants or not positional or len(readers) > 2:
        return _with_many(function, readers, constants)
    if not readers:
        return lambda _context: function()
    if len(readers) == 1:
        return _with_one(function, *readers[0])
    return _with_two(function, readers[0], readers[1])


def _with_one(function: Callable[..., Any], name: str, read: Read) -> Invoke:
    # By position where it is the only one: the cheapest call that Python has.
    del name
    return lambda context: function(read(context))


def _with_two(
    function: Callable[..., Any], first: tuple[str, Read], second: tuple[str, Read]
) -> Invoke:
    (_, read_first), (_, read_second) = first, second
    return lambda context: function(read_first(context), read_second(context))


def _with_many(
    function: Callable[..., Any], readers: Sequence[tuple[str, Read]], constants: Mapping[str, Any]
) -> Invoke:
    def call(context: Context) -> Any:
        return function(**{name: read(context) for name, read in readers}, **constants)

    return call


def _streaming(
    function: Callable[..., Any], readers: Sequence[tuple[str, Read]], constants: Mapping[str, Any]
) -> Invoke:
    plain = _with_many(function, readers, constants)

    async def call(context: Context) -> Any:
        return plain(context)

    return call


def _scoped(
    function: Callable[..., Any],
    readers: Sequence[tuple[str, Read]],
    constants: Mapping[str, Any],
    scope: OpenScope,
    *,
    streams: bool,
) -> Invoke:
    async def stream(context: Context, arguments: Mapping[str, Any]) -> AsyncIterator[Any]:
        # The handler ends before what it was given is cleaned up, also when nobody reads on.
        async with (
            scope(context) as objects,
            aclosing(function(**arguments, **constants, **objects)) as items,
        ):
            async for item in items:
                yield item

    async def call_stream(context: Context) -> Any:
        return stream(context, {name: read(context) for name, read in readers})

    async def call(context: Context) -> Any:
        arguments = {name: read(context) for name, read in readers}
        async with scope(context) as objects:
            return await function(**arguments, **constants, **objects)

    return call_stream if streams else call
