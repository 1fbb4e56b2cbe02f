"""A client for the length of one command."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final

from wireloom.application import Application
from wireloom.application.bootstrap import resolve
from wireloom.application.process import loop_factory
from wireloom.client import ClientProxy
from wireloom.discovery import load_transport
from wireloom.errors import ConnectionFailedError
from wireloom.spi import Status, redact_url

__all__ = ["connected", "run"]

TOKEN: Final = "url"
CONNECT_TIMEOUT: Final = 5.0
"""Seconds within which the other side has to be there: a person is waiting."""


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a command's work on an event loop of its own."""
    # What goes wrong is printed once, as the command's own error.
    logging.getLogger("wireloom").addHandler(logging.NullHandler())
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(work)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[ClientProxy]:
    """Give a client that is connected to what the URL names.

    :raises ConfigurationError: if the URL means no transport.
    :raises ConnectionFailedError: if nobody is there.
    """
    _, options = resolve(TOKEN, url, load_transport)
    hurried = replace(options, startup_timeout=min(options.startup_timeout, CONNECT_TIMEOUT))
    application = Application("wireloom-cli", clients={TOKEN: hurried}, grace=0.0)
    client = application.client(TOKEN)
    up = asyncio.Event()
    stop_listening = client.on_status(_setter(up))
    async with application:
        await _until_up(application, client, up, url)
        stop_listening()
        yield client


def _setter(up: asyncio.Event) -> Callable[[Status, Exception | None], None]:
    return lambda status, _error: up.set() if status is Status.CONNECTED else up.clear()


async def _until_up(
    application: Application, client: ClientProxy, up: asyncio.Event, url: str
) -> None:
    if client.status is Status.CONNECTED:
        return
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            await up.wait()
    except TimeoutError:
        reason = application.links[TOKEN].error
        raise ConnectionFailedError(
            f"not connected to {redact_url(url)} in {CONNECT_TIMEOUT:g} s"
            + (f": {reason}" if reason else "")
        ) from None
