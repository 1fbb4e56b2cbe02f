"""`wireloom call`: send a request and print its answer."""

from typing import Annotated, Any

import typer

from wireloom.cli import arguments
from wireloom.cli.failures import failures
from wireloom.cli.output import print_json
from wireloom.cli.session import connected, run
from wireloom.pattern import Pattern

__all__ = ["call"]


def call(
    url: arguments.Url,
    pattern: arguments.PatternText,
    payload: arguments.Payload = None,
    *,
    header: arguments.Headers = None,
    timeout: Annotated[
        float, typer.Option(min=0.001, help="Seconds to wait for the answer, or for each item.")
    ] = 10.0,
    stream: Annotated[
        bool, typer.Option("--stream", help="Print a streamed answer item by item, a line each.")
    ] = False,
) -> None:
    """Send a request and print its answer as JSON.

    An error is printed on stderr, its code first, and the exit code is 1; it is 2 if the command
    line is wrong.

    Example: wireloom call tcp://127.0.0.1:4000 users.get 1
    """
    value, headers = arguments.payload_of(payload), arguments.headers_of(header)
    with failures():
        parsed = arguments.pattern_of(pattern)
        work = _stream if stream else _send
        run(work(url, parsed, value, timeout=timeout, headers=headers))


async def _send(url: str, pattern: Pattern, payload: Any, **options: Any) -> None:
    async with connected(url) as client:
        print_json(await client.send(pattern, payload, **options))


async def _stream(url: str, pattern: Pattern, payload: Any, **options: Any) -> None:
    async with connected(url) as client, client.stream(pattern, payload, **options) as items:
        async for item in items:
            print_json(item)
