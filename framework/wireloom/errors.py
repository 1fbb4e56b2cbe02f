"""Every error Wireloom raises.

WireloomError
├── ConfigurationError              at start: the program is wrong; says where and what to do
│   ├── InvalidPatternError  DuplicateHandlerError  InvalidHandlerError  UnsupportedOptionError
│   ├── UnknownTransportError  MissingDriverError
├── TransportError                  raised by transports only, from their driver's error
│   ├── ConnectionFailedError  ConnectionLostError  ClosedError  PublishError  PayloadTooLargeError
├── InvalidPayloadError             the body is not what the handler takes; never retried
├── Reject, RetryLater              raised by handlers to settle an event themselves
└── RequestError                    how a request ended, if not with an answer
    ├── RequestTimeoutError  NoHandlerError  OverloadedError
    └── RpcError
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Self

__all__ = [
    "BatchError",
    "ClosedError",
    "ConfigurationError",
    "ConnectionFailedError",
    "ConnectionLostError",
    "DuplicateHandlerError",
    "InvalidHandlerError",
    "InvalidPatternError",
    "InvalidPayloadError",
    "MissingDriverError",
    "NoHandlerError",
    "OverloadedError",
    "PayloadTooLargeError",
    "PublishError",
    "Reject",
    "RequestError",
    "RequestTimeoutError",
    "RetryLater",
    "RpcError",
    "TransportError",
    "UnknownTransportError",
    "UnsupportedOptionError",
    "WireloomError",
]

MAX_DETAILS = 20
"""Validation details that ever leave a process: an attacker chooses how many there are."""


class WireloomError(Exception):
    """Base of everything Wireloom raises on purpose."""


class ConfigurationError(WireloomError):
    """The program is wrong, found before anything was sent.

    The text names what is wrong, `where` (controller, method, file and line) and the remedy.
    """

    def __init__(self, message: str, *, where: str = "", remedy: str = "") -> None:
        self.where = where
        self.remedy = remedy
        parts = [f"{where}: {message}" if where else message]
        if remedy:
            parts.append(remedy)
        super().__init__("\n  ".join(parts))

    def at(self, where: str) -> Self:
        """Return the same error with the place that it was found at; one that has it keeps it."""
        if not self.where:
            self.where = where
            self.args = (f"{where}: {self}",)
        return self


@contextmanager
def placed(where: str) -> Iterator[None]:
    """Let a configuration error that is raised inside say where it was found."""
    try:
        yield
    except ConfigurationError as error:
        raise error.at(where) from error.__cause__


class InvalidPatternError(ConfigurationError):
    """A pattern that no transport could carry, or that means nothing."""


class DuplicateHandlerError(ConfigurationError):
    """Two handlers claim what only one can have."""


class InvalidHandlerError(ConfigurationError):
    """A handler's signature cannot be filled from a message and the container."""


class UnsupportedOptionError(ConfigurationError):
    """An option that the transport of this handler cannot honour."""

    def __init__(
        self, option: str, transport: str, reason: str, *, where: str = "", remedy: str = ""
    ) -> None:
        self.option = option
        self.transport = transport
        super().__init__(
            f"option {option!r} cannot be honoured by transport {transport!r}: {reason}",
            where=where,
            remedy=remedy,
        )


class UnknownTransportError(ConfigurationError):
    """No such transport is installed, or no such token is configured."""

    def __init__(
        self,
        name: str,
        *,
        installed: Iterable[str] = (),
        noun: str = "transport",
        where: str = "",
    ) -> None:
        self.name = name
        self.installed = tuple(sorted(installed))
        known = ", ".join(self.installed) or "none"
        label = "installed" if noun == "transport" else "configured"
        super().__init__(f"unknown {noun} {name!r}; {label}: {known}", where=where)


class MissingDriverError(ConfigurationError):
    """The package that speaks to this broker is not installed."""

    def __init__(self, transport: str, extra: str, missing: str) -> None:
        self.transport = transport
        self.extra = extra
        super().__init__(
            f"transport {transport!r} needs {missing!r}, which is not installed",
            remedy=f'pip install "wireloom[{extra}]"',
        )


class TransportError(WireloomError):
    """A transport could not do what it was asked to; the driver's error is the cause."""


class ConnectionFailedError(TransportError):
    """No connection could be made: unreachable, refused, or not let in.

    `fatal` tells that trying again cannot help (wrong credentials, wrong settings).
    """

    def __init__(self, message: str, *, fatal: bool = False) -> None:
        self.fatal = fatal
        super().__init__(message)


class ConnectionLostError(TransportError):
    """The connection ended while an answer was due.

    `maybe_executed` tells whether the request may have run.
    """

    def __init__(self, message: str, *, maybe_executed: bool = True) -> None:
        self.maybe_executed = maybe_executed
        super().__init__(message)


class ClosedError(TransportError):
    """It was closed by us, or not started yet."""


class PublishError(TransportError):
    """The message was not taken, or it is unknown whether it was.

    From `emit_many`, `outcomes` has a receipt or an error for each message, in order.
    """

    def __init__(self, message: str, outcomes: Sequence[object] = ()) -> None:
        self.outcomes = list(outcomes)
        super().__init__(message)


class PayloadTooLargeError(TransportError):
    """The message is larger than the transport carries; nothing was sent."""

    def __init__(self, size: int, limit: int) -> None:
        self.size = size
        self.limit = limit
        super().__init__(f"{size} bytes is over the limit of {limit} bytes a message")


class InvalidPayloadError(WireloomError):
    """A body that cannot be decoded or is not what the handler takes.

    `details` holds at most 20 entries `{"loc": ..., "type": ..., "msg": ...}` and never the input.
    """

    def __init__(self, message: str, details: Sequence[Mapping[str, object]] = ()) -> None:
        self.details = [dict(detail) for detail in details[:MAX_DETAILS]]
        super().__init__(message)


class UnreadableMessageError(InvalidPayloadError):
    """The message that is being handled is not what its handler takes: its sender's mistake.

    What a handler meets in its own calls is a plain InvalidPayloadError, and its own.
    """


class Reject(WireloomError):  # noqa: N818 - a verdict of the handler, not a failure of Wireloom
    """Raise in a handler: this message will never succeed; dead-letter it now."""

    def __init__(self, reason: str = "rejected") -> None:
        self.reason = reason
        super().__init__(reason)


class RetryLater(WireloomError):  # noqa: N818 - a verdict of the handler, not a failure of Wireloom
    """Raise in a handler: run this message again, `after` seconds from now (None: the backoff)."""

    def __init__(self, after: float | None = None, reason: str = "retry later") -> None:
        if after is not None and not 0 <= after < float("inf"):
            raise ValueError(f"after={after!r}: a number of seconds from 0 up, or None")
        self.after = after
        self.reason = reason
        super().__init__(reason)


class BatchError(WireloomError):
    """Raise in a batch handler: the items at these positions failed, the others succeeded."""

    def __init__(self, failed: Mapping[int, Exception]) -> None:
        self.failed = dict(failed)
        super().__init__(f"{len(self.failed)} items of the batch failed")


class RequestError(WireloomError):
    """A request that ended without an answer of the handler's."""


class RequestTimeoutError(RequestError, TimeoutError):
    """No answer came in time. Whether the handler ran is unknown."""


class NoHandlerError(RequestError):
    """Nobody handles this pattern; the request was not run."""


class OverloadedError(RequestError):
    """Too much is waiting already, here or there; the request was not run."""


class RpcError(RequestError):
    """An error that a handler raises and the caller gets: code, message and details as they are.

    `code` is any text or integer. Ours are gRPC's names; `http_status` maps those.
    `error_id` is set at the caller for errors that were only logged at the server.
    """

    def __init__(
        self,
        message: str,
        code: str | int = "INTERNAL",
        details: object = None,
        *,
        error_id: str | None = None,
    ) -> None:
        self.message = message
        self.code = code
        self.details = details
        self.error_id = error_id
        super().__init__(message)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    def __reduce__(self) -> tuple[object, ...]:
        return (_restore_rpc_error, (self.message, self.code, self.details, self.error_id))

    @property
    def http_status(self) -> int:
        """Return the HTTP status that says the same; an integer code in 400–599 is one already."""
        if isinstance(self.code, int):
            return self.code if 400 <= self.code <= 599 else HTTPStatus.INTERNAL_SERVER_ERROR
        return HTTP_STATUS.get(self.code, HTTPStatus.INTERNAL_SERVER_ERROR)


def _restore_rpc_error(
    message: str, code: str | int, details: object, error_id: str | None
) -> RpcError:
    return RpcError(message, code, details, error_id=error_id)


HTTP_STATUS: Mapping[str, int] = {
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 412,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}
