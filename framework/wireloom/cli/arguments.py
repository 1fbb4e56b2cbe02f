"""What `call` and `emit` have in common on the command line."""

import json
import sys
from collections.abc import Iterable
from typing import Annotated, Any, TypeAlias

import typer

from wireloom.client.plans import EMPTY
from wireloom.pattern import Pattern
from wireloom.spi.headers import check_headers

__all__ = ["Headers", "PatternText", "Payload", "Url", "headers_of", "pattern_of", "payload_of"]

Url: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="URL",
        help="The transport, such as tcp://127.0.0.1:4000 or nats://127.0.0.1:4222.",
        show_default=False,
    ),
]
PatternText: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="PATTERN",
        help="""Text such as users.get, or a JSON object such as '{"cmd": "list"}'.""",
        show_default=False,
    ),
]
Payload: TypeAlias = Annotated[
    str | None,
    typer.Argument(
        metavar="JSON",
        help="""The payload as JSON, such as 1, '"text"' or '{"id": 1}'; - reads it from standard
        input. Without it the body is empty.""",
        show_default=False,
    ),
]
Headers: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--header", "-H", metavar="NAME=VALUE", help="A header; may be repeated."),
]


def pattern_of(text: str) -> Pattern:
    """Return the pattern that an argument means.

    :raises InvalidPatternError: if it is none.
    """
    if text.startswith("{"):
        try:
            literal = json.loads(text)
        except ValueError:  # text such as {name}.created
            return Pattern.of(text)
        return Pattern.of(literal)
    return Pattern.of(text)


def payload_of(text: str | None) -> Any:
    """Return the payload that an argument means.

    :raises typer.BadParameter: if it is not JSON.
    """
    if text is None:
        return EMPTY
    try:
        return json.loads(sys.stdin.read() if text == "-" else text)
    except ValueError as error:
        raise typer.BadParameter(
            f"{error}; text stands in double quotes within single ones, such as '\"Ada\"'",
            param_hint="JSON",
        ) from None


def headers_of(pairs: Iterable[str] | None) -> dict[str, str]:
    """Return the headers that `name=value` arguments mean.

    :raises typer.BadParameter: naming the one that is wrong.
    """
    found: dict[str, str] = {}
    for pair in pairs or ():
        name, separator, value = pair.partition("=")
        if not separator:
            raise typer.BadParameter(f"{pair!r} is not name=value", param_hint="--header")
        found[name] = value
    try:
        check_headers(found)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--header") from None
    return found
