"""The driver's errors as Wireloom's. No other leaves this package."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator

from aiormq.exceptions import (
    AMQPError,
    AuthenticationError,
    ChannelAccessRefused,
    ChannelInvalidStateError,
    ProbableAuthenticationError,
)

from wireloom.errors import ConnectionFailedError, TransportError

__all__ = ["DRIVER_ERRORS", "bounded", "connect_error", "transport_error"]

DRIVER_ERRORS = (AMQPError, ChannelInvalidStateError, OSError, RuntimeError, EOFError)

_FATAL = (AuthenticationError, ProbableAuthenticationError, ssl.SSLCertVerificationError)
_FATAL_CODES = (403, 530)
"""Access refused, and not allowed: user, password or virtual host are wrong."""


@contextlib.asynccontextmanager
async def bounded(what: str, seconds: float) -> AsyncIterator[None]:
    """Bound calls of the driver in time, and turn their errors into ours.

    :raises TransportError: instead of any error of the driver, a cancellation that nobody asked for
        included: the driver cancels those who wait when it loses a connection.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise TransportError(f"{what}: RabbitMQ did not answer within {seconds} s") from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise TransportError(f"{what}: the connection to RabbitMQ was lost") from error
    except DRIVER_ERRORS as error:
        raise transport_error(what, error) from error


def transport_error(what: str, error: BaseException) -> TransportError:
    """Return ours for the driver's."""
    if isinstance(error, TransportError):
        return error
    return TransportError(f"{what}: {_text(error)}")


def connect_error(
    where: str, error: BaseException, refusal: tuple[int, str] | None
) -> ConnectionFailedError:
    """Return why there is no connection, and whether trying again can help; `refusal` is the
    broker's own code and text.
    """
    causes = (error, error.__cause__)
    fatal = any(isinstance(cause, _FATAL) for cause in causes)
    if refusal is None:
        return ConnectionFailedError(f"{where}: {_text(error)}", fatal=fatal)
    code, text = refusal
    return ConnectionFailedError(f"{where}: {text}", fatal=fatal or code in _FATAL_CODES)


def access_refused(error: BaseException | None) -> bool:
    """Tell whether the user may not do what was asked."""
    return isinstance(error, ChannelAccessRefused)


def _text(error: BaseException) -> str:
    return " ".join(str(part) for part in error.args) or type(error).__name__
