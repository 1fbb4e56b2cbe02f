"""`wireloom routes`: what an application handles."""

import typer

from wireloom.application import Application
from wireloom.cli.failures import failures
from wireloom.cli.output import table
from wireloom.cli.program import Factory, Target, load
from wireloom.routing import Route

__all__ = ["routes"]

HEAD = ("KIND", "PATTERN", "HANDLER", "GROUP", "TOKENS")


def routes(target: Target, *, factory: Factory = False) -> None:
    """Show the patterns that an application handles, without connecting.

    One row for each pattern of each handler, with its group and the tokens of the transports on
    which it listens. Exits with 2 if the application would not start.

    Example: wireloom routes users.app:app
    """
    with failures():
        rows = _rows(load(target, factory=factory))
    typer.echo(table(HEAD, rows))


def _rows(application: Application) -> list[tuple[str, ...]]:
    assembly = application.check()
    tokens: dict[Route, list[str]] = {route: [] for route in assembly.routes}
    for token, entries in assembly.subscriptions.items():
        for route, _ in entries:
            tokens[route].append(token)
    return sorted(_row(route, where) for route, where in tokens.items())


def _row(route: Route, tokens: list[str]) -> tuple[str, ...]:
    owner = f"{route.owner.__name__}." if route.owner else ""
    return (
        _kind(route),
        route.pattern.text,
        f"{owner}{route.function.__name__}",
        route.group,
        ", ".join(tokens),
    )


def _kind(route: Route) -> str:
    if route.is_event:
        return "event"
    return "stream" if route.streams else "request"
