"""`wireloom run`: serve an application until a signal."""

import logging
from enum import StrEnum
from typing import Annotated

import typer

from wireloom.application import Application
from wireloom.cli.child import Command
from wireloom.cli.failures import failures
from wireloom.cli.lifeline import hold_lifeline
from wireloom.cli.program import Factory, Target, load
from wireloom.cli.reloader import reload_on_change
from wireloom.cli.sharing import share_ports
from wireloom.cli.supervisor import supervise

__all__ = ["run"]


class LogLevel(StrEnum):
    """How much is logged on stderr."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def run(
    target: Target,
    *,
    factory: Factory = False,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes that share the work, and the port if it is TCP.")
    ] = 1,
    reload: Annotated[
        bool, typer.Option("--reload", help="Start again when a Python file below here changes.")
    ] = False,
    log_level: Annotated[
        LogLevel,
        typer.Option(help="What is logged on stderr, unless the application sets up logging."),
    ] = LogLevel.INFO,
    supervised: Annotated[bool, typer.Option("--supervised", hidden=True)] = False,
    share: Annotated[bool, typer.Option("--share-ports", hidden=True)] = False,
) -> None:
    """Run an application until SIGTERM or Ctrl-C, then drain it.

    A second signal ends it at once. With --workers, a process that dies is started again. Exit
    codes: 0 drained; 1 it crashed, or did not drain in time; 2 it could not start, and why is on
    stderr.

    Example: wireloom run users.app:app --workers 2
    """
    if reload and workers > 1:
        raise typer.BadParameter("it runs one process: leave out --workers", param_hint="--reload")
    command = Command(target, factory=factory, log_level=log_level, share_ports=workers > 1)
    with failures():
        if reload:
            _set_up_logging(log_level)
            raise typer.Exit(reload_on_change(command))
        application = _load(target, factory=factory, share=share or workers > 1)
        _set_up_logging(log_level)
        if workers > 1:
            application.check()
            raise typer.Exit(supervise(command, workers, application.blueprint.grace))
        if supervised:
            hold_lifeline()
        application.run()


def _load(target: str, *, factory: bool, share: bool) -> Application:
    application = load(target, factory=factory)
    if share:
        share_ports(application)
    return application


def _set_up_logging(level: LogLevel) -> None:
    """Log to stderr; this does nothing when the application has set up logging."""
    logging.basicConfig(
        level=level.upper(), format="%(asctime)s %(levelname)s %(name)s [%(process)d]: %(message)s"
    )
