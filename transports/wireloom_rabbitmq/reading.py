"""Messages from AMQP properties, and what else those tell. Anybody may have written them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

from wireloom.spi import Kind, Message
from wireloom.spi.headers import ATTEMPT, CONTENT_TYPE, ID, KEY, SENT, bounded_int
from wireloom_rabbitmq.lane import Delivered
from wireloom_rabbitmq.own_headers import ADDRESS, BUCKET, REPLAYED
from wireloom_rabbitmq.properties import Properties

__all__ = [
    "Death",
    "address_of",
    "age_of",
    "attempt_of",
    "crashes_of",
    "death_of",
    "event_message",
    "inbox_message",
    "is_before",
    "is_replayed",
    "offset_of",
    "request_message",
]

_KINDS: Final = {kind.name.lower(): kind for kind in Kind if kind >= Kind.REPLY}
_ALLOWED_SKEW: Final = 5.0
"""Seconds by which clocks of two machines may differ."""
_OWN: Final = (ID, KEY, ATTEMPT, BUCKET, ADDRESS, REPLAYED)
_MAX_ATTEMPT: Final = 1_000_000
_BROKERS: Final = ("x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-stream-")
_DELIVERY_COUNT: Final = "x-delivery-count"


def event_message(address: str, delivered: Delivered) -> Message:
    """Return the event that anybody may have published."""
    properties = delivered.properties
    headers = _text_headers(properties)
    own = {name: headers.pop(name, None) for name in _OWN}
    message_id = own[ID] or properties.message_id or ""
    return Message(Kind.EVENT, address, delivered.body, headers, message_id, key=own[KEY])


def request_message(address: str, delivered: Delivered) -> Message:
    """Return the request that anybody may have sent."""
    properties = delivered.properties
    headers = _text_headers(properties)
    own_id, key = headers.pop(ID, None), headers.pop(KEY, None)
    return Message(
        Kind.REQUEST,
        address,
        delivered.body,
        headers,
        properties.correlation_id or own_id or properties.message_id or "",
        reply_to=properties.reply_to,
        key=key,
    )


def inbox_message(delivered: Delivered) -> Message:
    """Return what came to this instance's inbox."""
    properties = delivered.properties
    return Message(
        _KINDS.get(properties.type or "", Kind.REPLY),
        delivered.key,
        delivered.body,
        _text_headers(properties),
        properties.correlation_id or "",
        reply_to=properties.reply_to,
    )


def address_of(delivered: Delivered) -> str | None:
    """Return where a later run or a dead letter was published to first."""
    address = (delivered.properties.headers or {}).get(ADDRESS)
    return address if isinstance(address, str) else None


def attempt_of(delivered: Delivered) -> int:
    """Return which run this is, by our own header; whoever wrote nonsense begins with 1."""
    value = (delivered.properties.headers or {}).get(ATTEMPT)
    return bounded_int(value if isinstance(value, str) else None, 1, _MAX_ATTEMPT) or 1


def crashes_of(delivered: Delivered) -> int:
    """Return how often this copy was delivered before, by the broker's count."""
    count = (delivered.properties.headers or {}).get(_DELIVERY_COUNT)
    return count if isinstance(count, int) else int(delivered.redelivered)


def is_replayed(delivered: Delivered) -> bool:
    """Tell whether this is a copy from a stream."""
    return REPLAYED in (delivered.properties.headers or {})


def is_before(moment: float, delivered: Delivered) -> bool:
    """Tell whether an event was published before a moment, in seconds since the epoch; what does
    not say when it was, was not.
    """
    sent = (delivered.properties.headers or {}).get(SENT)
    milliseconds = bounded_int(sent if isinstance(sent, str) else None, 0, 10**15)
    return milliseconds is not None and milliseconds < int(moment * 1000)


def offset_of(delivered: Delivered) -> int:
    """Return the place in a stream that a message came from."""
    offset = (delivered.properties.headers or {}).get("x-stream-offset")
    return offset if isinstance(offset, int) else 0


class Death(NamedTuple):
    """Why and where the broker gave a message up."""

    reason: str
    queue: str
    exchange: str
    key: str


def death_of(delivered: Delivered) -> Death | None:
    """Return the last of a message's deaths; None if it had none."""
    deaths = (delivered.properties.headers or {}).get("x-death")
    if not isinstance(deaths, list) or not deaths or not isinstance(deaths[0], Mapping):
        return None
    last = deaths[0]
    keys = last.get("routing-keys") or [""]
    return Death(str(last.get("reason")), str(last["queue"]), str(last["exchange"]), str(keys[0]))


def age_of(message: Message, now: float) -> float:
    """Return for how many seconds at least the message was under way."""
    sent = bounded_int(message.headers.get(SENT), 0, 10**15)
    return 0.0 if sent is None else max(0.0, now - sent / 1000 - _ALLOWED_SKEW)


def _text_headers(properties: Properties) -> dict[str, str]:
    headers = {
        name.lower(): text
        for name, value in (properties.headers or {}).items()
        if (text := _text(value)) is not None and not name.startswith(_BROKERS)
    }
    if properties.content_type:
        headers[CONTENT_TYPE] = properties.content_type
    return headers


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray):
        return value.decode("utf-8", "replace")
    if isinstance(value, datetime):
        return value.isoformat()
    if value is None or isinstance(value, Mapping | list):
        return None
    return str(value)
