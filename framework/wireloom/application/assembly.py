"""From a blueprint to everything that can be known, and refused, without connecting."""

import inspect
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic.errors import PydanticUserError

from wireloom.application.blueprint import Blueprint
from wireloom.application.bootstrap import resolve
from wireloom.binding import Source, bind, source_of
from wireloom.client import ClientProxy
from wireloom.codec import JSON, check_codec, codec_for
from wireloom.container import Container, provide
from wireloom.contracts import Event
from wireloom.decorators import EventPattern, controller_of, marks_of
from wireloom.errors import ConfigurationError, UnknownTransportError, placed
from wireloom.link import Link
from wireloom.middleware import ExceptionFilter, Layers
from wireloom.outgoing import concrete_address
from wireloom.pattern import Pattern
from wireloom.routing import Route, check_requests, find_routes, subscription_of, tokens_of
from wireloom.spi import Declaration, Limits, Subscription

__all__ = ["Assembly", "assemble", "links_of"]


@dataclass(frozen=True, slots=True)
class Assembly:
    """An application, compiled as far as that goes without a connection."""

    container: Container
    routes: Sequence[Route]
    subscriptions: Mapping[str, Sequence[tuple[Route, Subscription]]]
    """By token."""
    declarations: Mapping[str, Sequence[Declaration]]
    """By token: the events that it handles or emits."""
    layer_classes: Sequence[type]
    """Middleware and guards that the container makes."""


def links_of(blueprint: Blueprint) -> dict[str, Link]:
    """Return a link for every token. Nothing is connected.

    :raises ConfigurationError: naming the token whose value is wrong.
    """
    links: dict[str, Link] = {}
    tokens = [(token, value, True) for token, value in blueprint.transports.items()]
    tokens += [(token, value, False) for token, value in blueprint.clients.items()]
    for token, value, serves in tokens:
        if token in links:
            raise ConfigurationError(f"token {token!r} stands under transports= and clients=")
        transport_type, options = resolve(token, value, blueprint.load)
        links[token] = Link(
            transport_type,
            options,
            token=token,
            group=blueprint.name,
            instance=f"{_plain(blueprint.name)}-{secrets.token_hex(6)}",
            serves=serves,
            clock=blueprint.clock,
        )
    _check_addresses([links[token] for token in blueprint.transports])
    return links


def assemble(
    blueprint: Blueprint, links: Mapping[str, Link], clients: Mapping[str, ClientProxy]
) -> Assembly:
    """Check and compile everything; nothing is connected and no object of the user's is made.

    :raises ConfigurationError: naming controller, method, file and line, and the remedy.
    """
    layer_classes = _layer_classes(blueprint)
    entries = [
        *blueprint.providers,
        *blueprint.controllers,
        *layer_classes,
        *(provide(value=client, token=token) for token, client in clients.items()),
    ]
    if len(clients) == 1:
        entries.append(provide(value=next(iter(clients.values())), type=ClientProxy))
    container = Container(entries, blueprint.overrides)
    routes = find_routes(blueprint.controllers, blueprint.handlers, blueprint.name, container.knows)
    for route in routes:
        _check_route(route, container, blueprint)
    serving = {token: links[token] for token in blueprint.transports}
    types = {token: type(link.transport) for token, link in serving.items()}
    check_requests(routes, types)
    subscriptions: dict[str, list[tuple[Route, Subscription]]] = {token: [] for token in serving}
    for route in routes:
        for token in tokens_of(route, types):
            subscription = subscription_of(route, types[token])
            links[token].transport.check(subscription)
            subscriptions[token].append((route, subscription))
    declarations = _declarations(blueprint, subscriptions, links)
    return Assembly(container, routes, subscriptions, declarations, layer_classes)


def _layer_classes(blueprint: Blueprint) -> list[type]:
    """Return the middleware and guards that are classes, at any level: the container makes them."""
    levels = [(f"application {blueprint.name!r}", blueprint.layers)]
    handlers: list[tuple[Any, type | None]] = [(one, None) for one in blueprint.handlers]
    for cls in blueprint.controllers:
        controller = controller_of(cls)
        levels += [(cls.__qualname__, controller.layers)] if controller else []
        handlers += [(inspect.getattr_static(cls, name), cls) for name in dir(cls)]
    for function, owner in handlers:
        levels += [(source_of(function, owner), mark.layers) for mark in marks_of(function)]
    for where, layers in levels:
        _check_layers(layers, where)
    every: list[Any] = [one for _, level in levels for one in (*level.middleware, *level.guards)]
    return list(dict.fromkeys(one for one in every if isinstance(one, type)))


def _check_layers(layers: Layers, where: str) -> None:
    for one in (*layers.middleware, *layers.guards):
        if not callable(one):
            raise ConfigurationError(f"{one!r} is no middleware and no guard", where=where)
    for candidate in layers.filters:
        if not isinstance(candidate, ExceptionFilter):
            raise ConfigurationError(
                f"{candidate!r} is no exception filter",
                where=where,
                remedy="on_error(KindOfError, convert)",
            )


def _check_route(route: Route, container: Container, blueprint: Blueprint) -> None:
    for parameter in route.parameters:
        if parameter.source is Source.CONTAINER and not container.knows(
            parameter.type, parameter.key
        ):
            raise UnknownTransportError(
                parameter.key, installed=container.tokens, noun="token", where=route.where
            )
    guarded = [*route.layers.guards, *blueprint.layers.guards]
    if blueprint.require_guard and not guarded:
        raise ConfigurationError(
            "it has no guard, and the application demands one",
            where=route.where,
            remedy="guards=[...] on the handler, its controller or the application",
        )
    # Compiled for its errors only: the controller itself is made when the application starts.
    bind(
        route.function,
        parameters=route.parameters,
        returns=route.returns,
        pattern=route.pattern,
        contract=route.contract,
        batch=isinstance(route.mark, EventPattern) and route.mark.batch is not None,
        constants={one.name: None for one in route.parameters if one.source is Source.CONTAINER},
        scope=None,
        run_in_thread=_never,
        where=route.where,
    )


async def _never(*_: Any, **__: Any) -> None:
    raise AssertionError("compiled for its errors only")


def _declarations(
    blueprint: Blueprint,
    subscriptions: Mapping[str, Sequence[tuple[Route, Subscription]]],
    links: Mapping[str, Link],
) -> dict[str, list[Declaration]]:
    found: dict[str, dict[str, Declaration]] = {token: {} for token in links}
    for token, entries in subscriptions.items():
        for route, subscription in entries:
            _declare_handled(found[token], route, subscription)
    for token, emitted in _emits_by_token(blueprint, links).items():
        for one in emitted:
            _declare_emitted(found[token], one, "emits=[...]")
    for token, declared in found.items():
        for declaration in declared.values():
            links[token].transport.check_declaration(declaration)
    return {token: list(declared.values()) for token, declared in found.items()}


def _declare_handled(
    found: dict[str, Declaration], route: Route, subscription: Subscription
) -> None:
    mark = route.mark
    if not isinstance(mark, EventPattern):
        return
    _declare(found, subscription.pattern, subscription.limits, subscription.durable, route.where)
    if mark.emits is not None:
        _declare_emitted(found, mark.emits, route.where)
        _check_emitter(mark.emits, route.where)


def _emits_by_token(blueprint: Blueprint, links: Mapping[str, Link]) -> Mapping[str, Sequence[Any]]:
    if not isinstance(blueprint.emits, Mapping):
        return dict.fromkeys(blueprint.transports or links, blueprint.emits)
    for token in blueprint.emits:
        if token not in links:
            raise UnknownTransportError(token, installed=links, noun="token")
    return blueprint.emits


def _declare_emitted(found: dict[str, Declaration], emitted: Any, where: str) -> None:
    if isinstance(emitted, Event):
        check_codec(emitted.codec, where)
        _declare(found, emitted.pattern, emitted.limits, emitted.durable, where)
    else:
        with placed(where):
            pattern = Pattern.of(emitted)
        _declare(found, pattern, Limits(), True, where)


def _check_emitter(emitted: Any, where: str) -> None:
    """Compile what a handler's result is emitted by, for its errors only."""
    contract = emitted if isinstance(emitted, Event) else None
    with placed(where):
        concrete_address(contract.pattern if contract else Pattern.of(emitted))
    try:
        codec_for(contract.codec if contract else JSON).encoder(contract.type if contract else None)
    except PydanticUserError as error:
        raise ConfigurationError(f"{emitted!r} cannot be written: {error}", where=where) from error


def _declare(
    found: dict[str, Declaration], pattern: Pattern, limits: Limits, durable: bool, where: str
) -> None:
    declaration = Declaration(pattern=pattern, limits=limits, durable=durable)
    other = found.setdefault(pattern.filter, declaration)
    if (other.limits, other.durable) != (limits, durable):
        raise ConfigurationError(
            f"event {pattern.text!r} is declared twice, with other limits or durability",
            where=where,
            remedy="share one Event(...) contract",
        )


def _check_addresses(links: Sequence[Link]) -> None:
    seen: dict[tuple[str, str], Link] = {}
    for link in links:
        broker = link.options.broker_id()
        if broker is None:
            continue
        other = seen.setdefault((broker, link.options.namespace), link)
        if other is not link:
            raise ConfigurationError(
                f"tokens {other.token!r} and {link.token!r} serve the same addresses of one broker",
                remedy="give them different namespace=... values, or make one a client",
            )


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "-", name)
