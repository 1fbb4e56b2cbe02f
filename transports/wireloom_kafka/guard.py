"""Bounded waits for the driver, whose errors end here."""

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, Final, TypeVar

from aiokafka import errors
from aiokafka.errors import KafkaError

from wireloom.errors import ConnectionLostError, TransportError

__all__ = ["bounded", "closed", "driver_error", "ended", "is_fatal", "started"]

T = TypeVar("T")

GRACE: Final = 2.0
"""Seconds for a start to end that nobody waits for any more: the driver's own bound is as long as
ours, and ends it cleanly."""

_LOST: Final = (
    errors.KafkaConnectionError,
    errors.NodeNotReadyError,
    errors.NoBrokersAvailable,
    errors.StaleMetadata,
)
_FATAL: Final = (
    errors.AuthenticationFailedError,
    errors.UnsupportedSaslMechanismError,
    errors.IllegalSaslStateError,
    errors.SaslAuthenticationFailed,
)


async def bounded(work: Awaitable[T], seconds: float, what: str) -> T:
    """Await the driver so many seconds at most.

    :raises TransportError: if there was no answer, or the driver's error is the answer.
    """
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError as error:
        raise TransportError(f"{what}: no answer within {seconds:g} s") from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        # The driver cancels futures of its own when a connection goes; nobody cancelled us.
        raise ConnectionLostError(f"{what}: the driver gave up") from error
    except (KafkaError, OSError, AssertionError) as error:
        raise driver_error(error, what) from error


def driver_error(error: BaseException, what: str) -> TransportError:
    """Return our error for the driver's."""
    text = f"{what}: {_text(error)}"
    if isinstance(error, (*_LOST, OSError)):
        return ConnectionLostError(text)
    return TransportError(text)


def is_fatal(error: BaseException) -> bool:
    """Tell whether trying the same again cannot help."""
    return isinstance(error, _FATAL)


async def ended(work: Awaitable[object], seconds: float, what: str) -> None:
    """Await the end of something that may be broken already; what goes wrong no longer matters."""
    try:
        await bounded(work, seconds, what)
    except TransportError:
        return


async def started(client: Any, seconds: float, what: str) -> None:
    """Start one of the driver's clients, or leave nothing of it behind. A start that is cancelled
    half-way forgets its first connection, so that it is given a moment to end by itself.

    :raises TransportError: if it did not start within so many seconds.
    """
    start = asyncio.get_running_loop().create_task(client.start(), name="kafka start")
    try:
        await bounded(asyncio.shield(start), seconds, what)
    except BaseException:
        await _to_the_end(_abandon(client, start))
        raise


async def closed(client: Any, seconds: float) -> None:
    """Stop one of the driver's clients; if it does not end within so many seconds, by force, or its
    connections and tasks would outlive it. Goes on although the caller is cancelled.
    """
    await _to_the_end(_close(client, seconds))


_CLOSING: Final[set["asyncio.Task[None]"]] = set()
"""Holds closings whose callers were cancelled; each ends within seconds."""


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.get_running_loop().create_task(work, name="kafka closing")
    _CLOSING.add(task)
    task.add_done_callback(_CLOSING.discard)
    await asyncio.shield(task)


async def _abandon(client: Any, start: "asyncio.Task[None]") -> None:
    await asyncio.wait([start], timeout=GRACE)
    start.cancel()
    await asyncio.wait([start], timeout=GRACE)
    if start.done() and not start.cancelled():
        start.exception()  # or asyncio complains that nobody looked
    await _close(client, GRACE)


async def _close(client: Any, seconds: float) -> None:
    stop = client.stop if hasattr(client, "stop") else client.close
    try:
        await bounded(stop(), seconds, "close")
    except TransportError:
        for part in ("_coordinator", "_fetcher", "_sender"):
            _cancel_tasks(getattr(client, part, None))
    inner = getattr(client, "_client", None) or client.client
    await ended(_close_stragglers(inner), 1.0, "close")


async def _close_stragglers(inner: Any) -> None:
    # A connection that was being made while the client closed is kept by it, and never closed.
    async with inner._get_conn_lock:
        pass
    await inner.close()


def _cancel_tasks(part: object) -> None:
    for value in list(vars(part).values()) if part is not None else ():
        if isinstance(value, asyncio.Task) and not value.done():
            value.cancel()


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__
