"""What processes that look after others wait for."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from typing import Any, Final

__all__ = ["first_of", "stop_requested"]

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def stop_requested(at_once: Callable[[], None]) -> asyncio.Event:
    """Return the event that the first signal sets; a second one calls `at_once` and exits."""
    requested = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if requested.is_set():
            at_once()
            os._exit(128 + number)
        requested.set()

    for number in SIGNALS:
        loop.add_signal_handler(number, on_signal, number)
    return requested


async def first_of(*waits: Coroutine[Any, Any, object]) -> None:
    """Return when one of these is over; the others are cancelled."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
