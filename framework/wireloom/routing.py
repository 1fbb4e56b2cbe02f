"""From marked functions to routes: what listens where, under which name."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wireloom.binding.hints import resolve_hints, source_of
from wireloom.binding.parameters import Parameter, Source, read_parameters
from wireloom.contracts import Event, Rpc
from wireloom.decorators import (
    Controller,
    EventPattern,
    MessagePattern,
    controller_of,
    marks_of,
    scope_of,
)
from wireloom.errors import (
    ConfigurationError,
    DuplicateHandlerError,
    InvalidHandlerError,
    UnknownTransportError,
    UnsupportedOptionError,
    placed,
)
from wireloom.middleware import Layers
from wireloom.pattern import Pattern
from wireloom.settings import DeadLettering, Retry
from wireloom.spi import Context, HandlerOptions, Kind, Limits, Subscription, Transport

__all__ = [
    "Route",
    "check_requests",
    "find_routes",
    "is_idempotent",
    "subscription_of",
    "tokens_of",
]

Knows = Callable[[Any], bool]


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One handler and one pattern that it listens to."""

    name: str
    """The subscription's durable name."""
    mark: EventPattern | MessagePattern
    pattern: Pattern
    contract: Event[Any] | Rpc[Any, Any] | None
    function: Callable[..., Any]
    """The method, not bound yet, or the plain function."""
    owner: type | None
    """The controller, which the container makes."""
    group: str
    where: str
    layers: Layers
    """The controller's and the handler's own."""
    parameters: Sequence[Parameter]
    returns: Any
    """The return annotation; `Any` if there is none."""

    @property
    def is_event(self) -> bool:
        """Tell events from requests."""
        return isinstance(self.mark, EventPattern)

    @property
    def streams(self) -> bool:
        """Tell whether the handler is an async generator."""
        return inspect.isasyncgenfunction(self.function)


def find_routes(
    controllers: Iterable[type], handlers: Iterable[Callable[..., Any]], group: str, knows: Knows
) -> list[Route]:
    """Return a route for every mark of every handler.

    :raises ConfigurationError: naming the handler, if one cannot be what its marks say.
    """
    routes: list[Route] = []
    for cls in controllers:
        routes += _controller_routes(cls, group, knows)
    for function in handlers:
        if not marks_of(function):
            raise ConfigurationError(
                f"{function!r} is in handlers=[...] and handles nothing",
                remedy="decorate it with @EventPattern(...) or @MessagePattern(...)",
            )
        routes += _function_routes(function, None, Controller(), group, knows, function.__name__)
    _check_names(routes)
    return routes


def tokens_of(route: Route, transports: Mapping[str, type[Transport]]) -> list[str]:
    """Return the tokens that a route listens on.

    :raises ConfigurationError: if there is none, naming the option that leaves none.
    """
    mark = route.mark
    if mark.on is not None and mark.on not in transports:
        raise UnknownTransportError(mark.on, installed=transports, noun="token", where=route.where)
    wanted = _context_types(route)
    found = [
        token
        for token, transport in transports.items()
        if mark.on in (None, token)
        and mark.transport in (None, transport.kind)
        and (not wanted or issubclass(transport.context_type, wanted))
    ]
    if not found:
        raise _nowhere(route, wanted, transports)
    for options in mark.native:
        if options.kind not in {transports[token].kind for token in found}:
            raise UnsupportedOptionError(
                "native", options.kind, "the handler does not listen on it", where=route.where
            )
    return found


def subscription_of(route: Route, transport: type[Transport]) -> Subscription:
    """Return what a transport is asked to subscribe to for a route.

    :raises UnsupportedOptionError: if the transport's capabilities rule an option out.
    """
    _check_capabilities(route, transport)
    native = _native(route.mark.native, transport.kind)
    if isinstance(route.mark, MessagePattern):
        return Subscription(
            name=route.name,
            pattern=route.pattern,
            kind=Kind.REQUEST,
            group=route.group,
            where=route.where,
            durable=False,
            ack_first=not is_idempotent(route),
            attempts=1,
            timeout=route.mark.timeout,
            native=native,
        )
    mark = route.mark
    contract = route.contract
    return Subscription(
        name=route.name,
        pattern=route.pattern,
        kind=Kind.EVENT,
        group=route.group,
        where=route.where,
        broadcast=mark.broadcast,
        durable=contract.durable if isinstance(contract, Event) else True,
        limits=contract.limits if isinstance(contract, Event) else Limits(),
        start_from=mark.start_from,
        ordered=bool(mark.ordered),
        shards=mark.shards,
        ack_first=mark.ack == "before",
        attempts=mark.retry.attempts,
        longest_delay=mark.retry.longest_delay,
        timeout=mark.timeout,
        native=native,
    )


def is_idempotent(route: Route) -> bool:
    """Tell whether a request may be run again after a crash: handler first, then contract."""
    stated = getattr(route.mark, "idempotent", None)
    return bool(getattr(route.contract, "idempotent", False)) if stated is None else bool(stated)


def _controller_routes(cls: type, group: str, knows: Knows) -> list[Route]:
    controller = controller_of(cls)
    if controller is None:
        raise ConfigurationError(
            f"{cls!r} is in controllers=[...] and is no controller",
            remedy="decorate it: @Controller()",
        )
    routes: list[Route] = []
    for name in dir(cls):
        function = inspect.getattr_static(cls, name)
        if isinstance(function, (staticmethod, classmethod)) and marks_of(function.__func__):
            raise InvalidHandlerError(
                "a handler is a plain method", where=source_of(function.__func__, cls)
            )
        routes += _function_routes(function, cls, controller, group, knows, name)
    if not routes:
        raise ConfigurationError(
            f"{cls.__qualname__} is in controllers=[...] and handles nothing",
            remedy="decorate a method with @EventPattern(...) or @MessagePattern(...)",
        )
    return routes


def _function_routes(
    function: Any,
    owner: type | None,
    controller: Controller,
    group: str,
    knows: Knows,
    attribute: str,
) -> list[Route]:
    marks = marks_of(function)
    routes: list[Route] = []
    for mark in marks:
        where = source_of(function, owner)
        own_group = (
            (mark.group if isinstance(mark, EventPattern) else None) or controller.group or group
        )
        base = f"{own_group}.{owner.__name__}.{attribute}" if owner else f"{own_group}.{attribute}"
        pattern, contract = _pattern(mark, where)
        # The mark written nearest to the function has the plain name, so that adding another
        # above it renames nothing on the broker.
        plain = mark is marks[-1]
        name = mark.name or (base if plain else f"{base}.{pattern.text}")
        hints = resolve_hints(function, _scope(function, owner), where)
        routes.append(
            Route(
                name=name,
                mark=mark,
                pattern=pattern,
                contract=contract,
                function=function,
                owner=owner,
                group=own_group,
                where=where,
                layers=mark.layers.inside(controller.layers),
                parameters=read_parameters(
                    _without_self(function, owner), hints, pattern, knows, where
                ),
                returns=hints.get("return", Any),
            )
        )
        _check_kind(routes[-1])
    return routes


def _scope(function: Any, owner: type | None) -> Mapping[str, Any]:
    return {**scope_of(owner), **scope_of(function)} if owner else scope_of(function)


def _without_self(function: Callable[..., Any], owner: type | None) -> Callable[..., Any]:
    return function.__get__(object.__new__(_Anything), _Anything) if owner else function


class _Anything:
    """Stands for a controller's instance while its method's signature is read."""


def _pattern(
    mark: EventPattern | MessagePattern, where: str
) -> tuple[Pattern, Event[Any] | Rpc[Any, Any] | None]:
    stated = mark.pattern
    if isinstance(stated, Event):
        if isinstance(mark, MessagePattern):
            raise InvalidHandlerError(
                "an Event under @MessagePattern", where=where, remedy="@EventPattern"
            )
        return stated.pattern, stated
    if isinstance(stated, Rpc):
        if isinstance(mark, EventPattern):
            raise InvalidHandlerError(
                "an Rpc under @EventPattern", where=where, remedy="@MessagePattern"
            )
        return stated.pattern, stated
    with placed(where):
        return Pattern.of(stated), None


def _check_kind(route: Route) -> None:
    if inspect.isgeneratorfunction(route.function):
        raise InvalidHandlerError(
            "a plain generator would block the loop", where=route.where, remedy="make it async def"
        )
    if route.is_event and route.streams:
        raise InvalidHandlerError(
            "an event handler answers nobody, so it cannot yield", where=route.where
        )


def _check_names(routes: Sequence[Route]) -> None:
    seen: dict[str, Route] = {}
    for route in routes:
        other = seen.setdefault(route.name, route)
        if other is not route:
            raise DuplicateHandlerError(
                f"two handlers have the durable name {route.name!r}: {other.where}",
                where=route.where,
                remedy="give one of them name=...",
            )


def check_requests(routes: Sequence[Route], transports: Mapping[str, type[Transport]]) -> None:
    """Refuse two request handlers for one pattern on one token.

    :raises DuplicateHandlerError: naming both.
    """
    seen: dict[tuple[str, str], Route] = {}
    for route in routes:
        if route.is_event:
            continue
        for token in tokens_of(route, transports):
            other = seen.setdefault((token, route.pattern.filter), route)
            if other is not route:
                raise DuplicateHandlerError(
                    f"{route.pattern.text!r} is answered already by {other.where}",
                    where=route.where,
                    remedy="a request has one answer: use another pattern, or on= another token",
                )


def _context_types(route: Route) -> tuple[type[Context], ...]:
    for parameter in route.parameters:
        if parameter.source is Source.CONTEXT and Context not in parameter.contexts:
            return parameter.contexts
    return ()


def _nowhere(
    route: Route, wanted: tuple[type[Context], ...], transports: Mapping[str, type[Transport]]
) -> ConfigurationError:
    configured = ", ".join(f"{token} ({kind.kind})" for token, kind in transports.items()) or "none"
    if wanted:
        names = " | ".join(kind.__name__ for kind in wanted)
        option, kind = f"ctx: {names}", names.removesuffix("Context").lower()
    elif route.mark.transport is not None:
        option, kind = f"transport={route.mark.transport!r}", route.mark.transport
    else:
        return ConfigurationError(
            "the handler would listen nowhere: the application serves no transport",
            where=route.where,
            remedy="add one under transports=; those under clients= only call",
        )
    return UnsupportedOptionError(
        option,
        kind,
        f"the handler would listen nowhere; configured: {configured}",
        where=route.where,
        remedy="add the transport, or drop what narrows the handler to it",
    )


def _native(options: Sequence[HandlerOptions], kind: str) -> HandlerOptions | None:
    return next((one for one in options if one.kind == kind), None)


def _check_capabilities(route: Route, transport: type[Transport]) -> None:
    for option, flag in _asked(route).items():
        if not getattr(transport.capabilities, flag):
            raise UnsupportedOptionError(
                option,
                transport.kind,
                "its capabilities rule that out",
                where=route.where,
                remedy="narrow the handler with transport= or on=, or drop the option",
            )


def _asked(route: Route) -> dict[str, str]:
    """Return what a handler asks for beyond the defaults: options, and the flags they need."""
    mark = route.mark
    if isinstance(mark, MessagePattern):
        return {"requests": "requests"}
    asked = {
        ("broadcast", "broadcast"): mark.broadcast,
        ("group", "groups"): mark.group is not None,
        ("ordered", "ordered"): bool(mark.ordered),
        ("retry", "retry"): mark.retry != Retry(),
        ("dead_letter", "dead_letter"): isinstance(mark.dead_letter, DeadLettering),
        ("start_from", "replay"): mark.start_from != "new",
        ("pattern", "wildcards"): not route.pattern.is_concrete and _is_durable(route),
    }
    return {option: flag for (option, flag), wanted in asked.items() if wanted}


def _is_durable(route: Route) -> bool:
    return not isinstance(route.contract, Event) or route.contract.durable
