"""Messages as AMQP properties.

Where AMQP has a property, it is used: content type, reply-to, expiration, correlation id for the id
of a request, type for what a message to an inbox is. Everything else is a text header.
"""

from typing import Final

from wireloom.spi import Kind, Message
from wireloom.spi.headers import ATTEMPT, CONTENT_TYPE, DEADLINE, ID, KEY, SENT, bounded_int
from wireloom_rabbitmq.layout import bucket_of
from wireloom_rabbitmq.own_headers import ADDRESS, BUCKET, REPLAYED
from wireloom_rabbitmq.properties import Properties

__all__ = [
    "copy_properties",
    "event_properties",
    "inbox_properties",
    "remaining_ms",
    "replayed_properties",
    "request_properties",
]

PERSISTENT: Final = 2
_NAMES: Final = {kind: kind.name.lower() for kind in Kind if kind >= Kind.REPLY}
_LONGEST_MS: Final = 4_294_967_295
"""What AMQP takes as an expiration."""


def event_properties(
    message: Message,
    now: float,
    *,
    attempt: int = 1,
    durable: bool = True,
    timed: bool = False,
) -> Properties:
    """Return the properties of an event; `now` in seconds since the epoch. `timed` notes it."""
    headers = dict(message.headers)
    content_type = headers.pop(CONTENT_TYPE, None)
    headers[ID] = message.id
    if message.key is not None:
        headers[KEY] = message.key
        headers[BUCKET] = bucket_of(message.key)
    if attempt > 1:
        headers[ATTEMPT] = str(attempt)
    elif timed or DEADLINE in headers:
        headers.setdefault(SENT, _milliseconds(now))
    return Properties(
        content_type=content_type,
        headers=headers,
        delivery_mode=PERSISTENT if durable else 1,
        reply_to=message.reply_to,
    )


def copy_properties(message: Message, now: float, *, attempt: int = 1) -> Properties:
    """Return the properties of a later run of an event, or of its dead letter."""
    properties = event_properties(message, now, attempt=attempt)
    properties.headers = {**(properties.headers or {}), ADDRESS: message.address}
    return properties


def replayed_properties(message: Message) -> Properties:
    """Return the properties of an event's copy from a stream."""
    properties = copy_properties(message, 0.0)
    properties.headers = {**(properties.headers or {}), REPLAYED: "1"}
    return properties


def request_properties(message: Message, now: float, reply_to: str | None) -> Properties:
    """Return the properties of a request. The broker drops it when nobody waits any more."""
    headers = dict(message.headers)
    content_type = headers.pop(CONTENT_TYPE, None)
    remaining = remaining_ms(message)
    if remaining is not None:
        headers[SENT] = _milliseconds(now)
    if message.key is not None:
        headers[KEY] = message.key
    return Properties(
        content_type=content_type,
        headers=headers or None,
        correlation_id=message.id,
        reply_to=reply_to,
        expiration=remaining,
    )


def inbox_properties(message: Message) -> Properties:
    """Return the properties of a reply, an item, an error, credit."""
    headers = dict(message.headers)
    content_type = headers.pop(CONTENT_TYPE, None)
    return Properties(
        content_type=content_type,
        headers=headers or None,
        correlation_id=message.id,
        reply_to=message.reply_to,
        type=_NAMES[message.kind],
    )


def remaining_ms(message: Message) -> str | None:
    """Return an expiration for what the sender is still willing to wait, if it said so."""
    remaining = bounded_int(message.headers.get(DEADLINE), 0, _LONGEST_MS)
    return None if remaining is None else str(remaining)


def _milliseconds(now: float) -> str:
    return str(int(now * 1000))
