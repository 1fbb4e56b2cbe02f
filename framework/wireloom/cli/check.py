"""`wireloom check`: refuse what the start would refuse."""

import typer

from wireloom.cli.failures import failures
from wireloom.cli.program import Factory, Target, load

__all__ = ["check"]


def check(target: Target, *, factory: Factory = False) -> None:
    """Find whatever the start would refuse, without connecting.

    Exits with 0 if there is nothing, else with 2 and the reason on stderr.

    Example: wireloom check users.app:app
    """
    with failures():
        application = load(target, factory=factory)
        assembly = application.check()
    places = ", ".join(
        f"{token} ({link.transport.kind})" for token, link in application.links.items()
    )
    count = f"{len(assembly.routes)} handler{'' if len(assembly.routes) == 1 else 's'}"
    typer.echo(f"{application.name}: {count} on {places}; all is well")
