"""An application as a process: loop, signals, exit codes."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

from wireloom.errors import WireloomError

try:
    import uvloop
except ImportError:  # an extra; asyncio's own loop does the same, slower
    uvloop = None  # type: ignore[assignment]

__all__ = ["FAILED", "loop_factory", "run_process"]

log = logging.getLogger("wireloom")
SAME_SIGNAL: Final = 0.2
"""Seconds in which a signal is the first one again: tools signal a process and its group."""
FAILED: Final = 2
"""The exit code of an application that could not start."""


class _Runnable(Protocol):
    name: str

    async def start(self) -> None: ...
    async def stop(self, grace: float | None = None) -> None: ...


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's factory where it is installed; None means asyncio's own."""
    return None if uvloop is None else uvloop.new_event_loop


def run_process(application: _Runnable) -> int:
    """Run until a signal, drain, and return the exit code."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(_serve(application))


async def _serve(application: _Runnable) -> int:
    stopping = asyncio.Event()
    starting = asyncio.ensure_future(application.start())
    _on_signals(stopping, starting)
    try:
        await starting
    except WireloomError as error:
        sys.stderr.write(f"{application.name}: {error}\n")
        return FAILED
    except asyncio.CancelledError:
        if not stopping.is_set():
            raise
        return 0
    await stopping.wait()
    await application.stop()
    return 0


def _on_signals(stopping: asyncio.Event, starting: "asyncio.Future[None]") -> None:
    loop = asyncio.get_running_loop()
    since = loop.time()

    def on_signal(number: signal.Signals) -> None:
        nonlocal since
        if stopping.is_set():
            if loop.time() - since < SAME_SIGNAL:
                return
            log.warning("second signal: ending now")
            os._exit(128 + number)
        since = loop.time()
        stopping.set()
        starting.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, on_signal, number)
