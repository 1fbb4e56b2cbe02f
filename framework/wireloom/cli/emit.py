"""`wireloom emit`: publish an event."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from wireloom.cli import arguments
from wireloom.cli.failures import failures
from wireloom.cli.output import print_json
from wireloom.cli.session import connected, run
from wireloom.pattern import Pattern

__all__ = ["emit"]


def emit(
    url: arguments.Url,
    pattern: arguments.PatternText,
    payload: arguments.Payload = None,
    *,
    uid: Annotated[
        str | None, typer.Option(help="The event's id: the same one again is handled once.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="The ordering key: events of one key stay in order.")
    ] = None,
    header: arguments.Headers = None,
    delay: Annotated[
        float | None, typer.Option(min=0.0, help="Seconds before it may be handled.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.001, help="Seconds to wait until it is taken.")
    ] = 10.0,
    require_route: Annotated[
        bool, typer.Option("--require-route", help="Fail if it is known that nobody listens.")
    ] = False,
) -> None:
    """Publish an event and print its receipt as JSON.

    If it was not taken, the reason is printed on stderr and the exit code is 1; it is 2 if the
    command line is wrong.

    Example: wireloom emit nats://127.0.0.1:4222 user.created '{"id": 1}' --uid user-1
    """
    value, headers = arguments.payload_of(payload), arguments.headers_of(header)
    with failures():
        parsed = arguments.pattern_of(pattern)
        run(
            _emit(
                url,
                parsed,
                value,
                uid=uid,
                key=key,
                headers=headers,
                delay=delay,
                timeout=timeout,
                require_route=require_route,
            )
        )


async def _emit(url: str, pattern: Pattern, payload: Any, **options: Any) -> None:
    async with connected(url) as client:
        receipt = asdict(await client.emit(pattern, payload, **options))
    print_json({name: value for name, value in receipt.items() if value is not None})
