"""From routes to endpoints: everything compiled before the first message comes."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from wireloom.binding import BoundHandler, OpenScope, Source, bind
from wireloom.container import Container
from wireloom.link import Link
from wireloom.middleware import Layers, fold
from wireloom.routing import Route
from wireloom.server.endpoint import Endpoint
from wireloom.server.watchdog import Watchdog
from wireloom.spi import Origin, Subscription

__all__ = ["bound_handlers", "endpoint"]

RunInThread = Callable[..., Awaitable[Any]]


async def bound_handlers(
    routes: list[Route], container: Container, run_in_thread: RunInThread
) -> Mapping[Route, BoundHandler]:
    """Build the controllers and compile every handler, once for all tokens.

    :raises ConfigurationError: if one cannot be compiled.
    """
    return {route: await _bound(route, container, run_in_thread) for route in routes}


def endpoint(
    route: Route,
    handler: BoundHandler,
    subscription: Subscription,
    link: Link,
    layers: Layers,
    watchdog: Watchdog,
) -> Endpoint:
    """Return the route on one token, with its layers folded around it."""
    origin = Origin(route.pattern, link.token, link.transport.kind, route.name)
    return Endpoint(
        route, subscription, link, watchdog, origin, handler, fold(handler.invoke, layers)
    )


async def _bound(route: Route, container: Container, run_in_thread: RunInThread) -> BoundHandler:
    function: Callable[..., Any] = route.function
    if route.owner is not None:
        owner = await container.get(route.owner)
        function = route.function.__get__(owner, type(owner))
    constants: dict[str, Any] = {}
    scoped: dict[str, tuple[Any, str]] = {}
    for parameter in route.parameters:
        if parameter.source is not Source.CONTAINER:
            continue
        if container.needs_request_scope(parameter.type, parameter.key):
            scoped[parameter.name] = (parameter.type, parameter.key)
        else:
            constants[parameter.name] = await container.get(parameter.type, parameter.key)
    mark = route.mark
    return bind(
        function,
        parameters=route.parameters,
        returns=route.returns,
        pattern=route.pattern,
        contract=route.contract,
        batch=getattr(mark, "batch", None) is not None,
        constants=constants,
        scope=_opener(container, scoped) if scoped else None,
        run_in_thread=run_in_thread,
        where=route.where,
    )


def _opener(container: Container, wanted: Mapping[str, tuple[Any, str]]) -> OpenScope:
    return lambda context: container.open(context, wanted)
