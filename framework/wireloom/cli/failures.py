"""How errors end a command: what is printed, and the exit code."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import typer
from pydantic_core import to_json

from wireloom.errors import (
    ConfigurationError,
    InvalidPayloadError,
    NoHandlerError,
    OverloadedError,
    PayloadTooLargeError,
    RequestTimeoutError,
    RpcError,
    TransportError,
    WireloomError,
)

__all__ = ["FAILED", "REFUSED", "code_of", "failures"]

FAILED: Final = 1
"""The exit code of a call that was answered by an error, or not at all."""
REFUSED: Final = 2
"""The exit code of what could not start: the program, its settings or the command line is wrong."""

_CODES: Final[tuple[tuple[type[WireloomError], str], ...]] = (
    (NoHandlerError, "UNIMPLEMENTED"),
    (RequestTimeoutError, "DEADLINE_EXCEEDED"),
    (OverloadedError, "RESOURCE_EXHAUSTED"),
    (InvalidPayloadError, "INVALID_ARGUMENT"),
    (PayloadTooLargeError, "INVALID_ARGUMENT"),
    (TransportError, "UNAVAILABLE"),
)


@contextmanager
def failures() -> Iterator[None]:
    """Print errors of Wireloom on stderr, without a traceback, and end with their exit code.

    :raises typer.Exit: 2 for a ConfigurationError, 1 for any other WireloomError.
    """
    try:
        yield
    except ConfigurationError as error:
        typer.echo(f"wireloom: {error}", err=True)
        raise typer.Exit(REFUSED) from None
    except WireloomError as error:
        typer.echo(_told(error), err=True)
        raise typer.Exit(FAILED) from None


def code_of(error: WireloomError) -> str | int:
    """Return the code that a remote caller would have got for this error."""
    if isinstance(error, RpcError):
        return error.code
    return next((code for kind, code in _CODES if isinstance(error, kind)), "UNKNOWN")


def _told(error: WireloomError) -> str:
    message = error.message if isinstance(error, RpcError) else str(error)
    rows = [f"{code_of(error)}: {message}"]
    details: Any = getattr(error, "details", None)
    if details:
        rows.append(f"details: {to_json(details).decode()}")
    if error_id := getattr(error, "error_id", None):
        rows.append(f"error id: {error_id} (the service's log says more)")
    return "\n".join(rows)
