"""What runs around a handler: middleware, guards and exception filters."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from wireloom.errors import RpcError
from wireloom.spi import Context

__all__ = ["Call", "ExceptionFilter", "Guard", "Layers", "Middleware", "fold", "on_error"]

Call = Callable[[Context], Awaitable[Any]]
"""From the context of a call to the handler's result."""
Middleware = Callable[[Context, Call], Awaitable[Any]]
"""Gets the context and what comes next; returns the result. A class is built by the container."""
Guard = Callable[[Context], bool | Awaitable[bool]]
"""Says whether a call may run, before its body is parsed. Anything but True refuses it."""
E = TypeVar("E", bound=Exception)


@dataclass(frozen=True, slots=True)
class ExceptionFilter:
    """Turns errors of one kind into what the caller, or the retry policy, should see."""

    kind: type[Exception]
    convert: Callable[[Any, Context], Exception]


def on_error(kind: type[E], convert: Callable[[E, Context], Exception]) -> ExceptionFilter:
    """Return an exception filter: errors of this kind are replaced by what `convert` returns."""
    return ExceptionFilter(kind, convert)


@dataclass(frozen=True, slots=True)
class Layers:
    """What stands around a handler at one level: application, controller or handler."""

    middleware: Sequence[Middleware] = ()
    guards: Sequence[Guard] = ()
    filters: Sequence[ExceptionFilter] = ()

    def inside(self, outer: "Layers") -> "Layers":
        """Return both, the outer one's first; of filters the inner one's first."""
        return Layers(
            (*outer.middleware, *self.middleware),
            (*outer.guards, *self.guards),
            (*self.filters, *outer.filters),
        )

    def made(self, objects: Mapping[Any, Any]) -> "Layers":
        """Return these with classes replaced by the objects that the container made of them."""

        def make(one: Any) -> Any:
            return objects.get(one, one) if isinstance(one, type) else one

        return Layers(
            tuple(make(one) for one in self.middleware),
            tuple(make(one) for one in self.guards),
            self.filters,
        )


def fold(call: Call, layers: Layers) -> Call:
    """Return the call with its layers around it: filters, then middleware, then guards."""
    if layers.guards:
        call = _guarded(call, tuple(layers.guards))
    for middleware in reversed(layers.middleware):
        call = _wrapped(call, middleware)
    return _filtered(call, tuple(layers.filters)) if layers.filters else call


def _wrapped(call: Call, middleware: Middleware) -> Call:
    def wrapped(context: Context) -> Awaitable[Any]:
        return middleware(context, call)

    return wrapped


def _guarded(call: Call, guards: tuple[Guard, ...]) -> Call:
    async def guarded(context: Context) -> Any:
        for guard in guards:
            verdict = guard(context)
            if isinstance(verdict, Awaitable):
                verdict = await verdict
            if verdict is not True:
                raise RpcError("a guard refused this call", code="PERMISSION_DENIED")
        return await call(context)

    return guarded


def _filtered(call: Call, filters: tuple[ExceptionFilter, ...]) -> Call:
    async def filtered(context: Context) -> Any:
        try:
            result = await call(context)
        except Exception as error:
            _convert(error, filters, context)
            raise
        if isinstance(result, AsyncIterator):  # a stream has not begun yet; its items may fail too
            return _filtered_items(result, filters, context)
        return result

    return filtered


async def _filtered_items(
    items: AsyncIterator[Any], filters: tuple[ExceptionFilter, ...], context: Context
) -> AsyncIterator[Any]:
    close = getattr(items, "aclose", None)
    try:
        async for item in items:
            yield item
    except Exception as error:
        _convert(error, filters, context)
        raise
    finally:
        if close is not None:
            await close()


def _convert(error: Exception, filters: tuple[ExceptionFilter, ...], context: Context) -> None:
    for candidate in filters:
        if isinstance(error, candidate.kind):
            raise candidate.convert(error, context) from error
