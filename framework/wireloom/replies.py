"""Errors as they travel: what a caller is told, and what it makes of it."""

from typing import Any

from pydantic_core import from_json, to_json

from wireloom.errors import (
    ConnectionLostError,
    NoHandlerError,
    Reject,
    RequestTimeoutError,
    RetryLater,
    RpcError,
    UnreadableMessageError,
    WireloomError,
)
from wireloom.spi import Kind, Message
from wireloom.spi.headers import ERROR

__all__ = ["LOST", "error_message", "error_of", "told"]

LOST = "wl-lost"
"""Set by a transport on an error that it made itself because a connection ended."""


def told(error: BaseException, error_id: str) -> RpcError:
    """Return what a caller may know of an error: its own words for ours, an id for all others."""
    if isinstance(error, RpcError):
        return error
    if isinstance(error, UnreadableMessageError):
        return RpcError(str(error), "INVALID_ARGUMENT", error.details or None)
    if isinstance(error, Reject):
        return RpcError(error.reason, "FAILED_PRECONDITION")
    if isinstance(error, RetryLater):
        after = None if error.after is None else {"retry_after": error.after}
        return RpcError(error.reason, "UNAVAILABLE", after)
    if isinstance(error, RequestTimeoutError):
        return RpcError("the handler ran out of time", "DEADLINE_EXCEEDED")
    return RpcError("internal error", "INTERNAL", error_id=error_id)


def error_message(request: Message, error: RpcError) -> Message:
    """Return the message that ends a request with an error."""
    content: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.details is not None:
        content["details"] = error.details
    if error.error_id is not None:
        content["error_id"] = error.error_id
    try:
        body = to_json(content)
    except Exception:  # noqa: BLE001 - these are the handler's own objects; the error must travel
        body = to_json({name: _plain(value) for name, value in content.items()})
    headers = {ERROR: header_safe(str(error.code))}
    return Message(Kind.ERROR, request.reply_to or "", body, headers, request.id)


def _plain(value: object) -> object:
    """Return what JSON can always hold: text without half surrogate pairs, or a type's name."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    return value if isinstance(value, int) else type(value).__name__


def header_safe(text: str) -> str:
    """Return text as a header may hold it."""
    return "".join(char if " " <= char < "\x7f" else "?" for char in text[:200])


def error_of(message: Message) -> WireloomError:
    """Return the exception that an error message raises at the caller."""
    code = message.headers.get(ERROR, "UNKNOWN")
    content = _content(message.body)
    text = str(content.get("message", "")) or code
    if message.headers.get(LOST):
        return ConnectionLostError(text if message.body else "the connection was lost")
    if code == "UNIMPLEMENTED":
        return NoHandlerError(text)
    if code == "DEADLINE_EXCEEDED":
        return RequestTimeoutError(text)
    stated = content.get("code", code)
    error_id = content.get("error_id")
    return RpcError(
        text,
        stated if isinstance(stated, (int, str)) else code,
        content.get("details"),
        error_id=error_id if isinstance(error_id, str) else None,
    )


def _content(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    try:
        content = from_json(body, allow_inf_nan=False)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {"message": str(content)}
