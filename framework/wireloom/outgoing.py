"""Messages as they leave: ids, and what is passed on from the call that is being served."""

import itertools
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any, Final

from wireloom.contracts import Event
from wireloom.errors import ConfigurationError, InvalidPatternError, PayloadTooLargeError
from wireloom.pattern import Pattern
from wireloom.spi import Context, Kind, Message, current_context
from wireloom.spi.headers import CONTENT_TYPE, CORRELATION, DEADLINE, TRACEPARENT, TRACESTATE

__all__ = [
    "Held",
    "check_size",
    "concrete_address",
    "event_key",
    "event_message",
    "held_emits",
    "new_ids",
    "passed_on",
]

_ABSENT: Final = object()
Held = list[Callable[[], Awaitable[object]]]
held_emits: ContextVar[Held | None] = ContextVar("wireloom_held_emits", default=None)
"""Where a handler's emits wait until it has succeeded; None: they are sent at once."""


def new_ids() -> Callable[[], str]:
    """Return a source of ids that are unique to everybody: a random part, then a count."""
    start = secrets.token_hex(8)
    numbers = itertools.count(1)
    return lambda: f"{start}-{next(numbers)}"


def passed_on(context: Context | None) -> dict[str, str]:
    """Return the headers that follow a call: correlation and trace."""
    if context is None:
        return {}
    headers = {CORRELATION: context.correlation_id}
    for name in (TRACEPARENT, TRACESTATE):
        if (value := context.headers.get(name)) is not None:
            headers[name] = value
    return headers


def concrete_address(pattern: Pattern) -> str:
    """Return the address that a message is sent to.

    :raises InvalidPatternError: if the pattern stands for many addresses.
    """
    if pattern.is_concrete:
        return pattern.text
    remedy = "fill its tokens with .at(...)" if pattern.parameters else "name one address"
    raise InvalidPatternError(f"{pattern.text!r} is no address to send to", remedy=remedy)


def event_key(contract: Event[Any] | None, payload: Any) -> str | None:
    """Return the ordering key that the contract finds in the payload; None where that is None.

    :raises ConfigurationError: if the payload has no such field.
    """
    if contract is None or contract.key is None:
        return None
    value = contract.key(payload) if callable(contract.key) else _field(contract.key, payload)
    if value is _ABSENT:
        raise ConfigurationError(
            f"{contract!r} has key={contract.key!r}, and the payload has no such field"
        )
    return None if value is None else str(value)


def _field(name: str, payload: Any) -> Any:
    if isinstance(payload, Mapping):
        return payload.get(name, _ABSENT)
    return getattr(payload, name, _ABSENT)


def check_size(body: bytes, limit: int) -> None:
    """Refuse a body that no transport of these options carries.

    :raises PayloadTooLargeError: naming size and limit.
    """
    if len(body) > limit:
        raise PayloadTooLargeError(len(body), limit)


def event_message(
    address: str,
    body: bytes,
    id: str,
    *,
    content_type: str,
    headers: Mapping[str, str] | None = None,
    key: str | None = None,
    delay: float = 0.0,
    ttl: float | None = None,
) -> Message:
    """Return an event with everything that follows the call being served.

    :raises ValueError: if `ttl` is not a number of seconds above 0.
    """
    every = {CONTENT_TYPE: content_type, **passed_on(current_context.get()), **(headers or {})}
    if ttl is not None:
        if not 0 < ttl < float("inf"):
            raise ValueError(f"ttl={ttl!r}: seconds above 0")
        every[DEADLINE] = str(max(1, int(ttl * 1000)))
    return Message(Kind.EVENT, address, body, every, id, key=key, delay=delay)
