"""The native wire of transports whose messages are a body and text headers."""

from collections.abc import Mapping

from wireloom.spi.headers import ID, KEY, KIND, REPLY_TO
from wireloom.spi.message import Kind, Message

__all__ = ["from_headers", "to_headers"]

_NAMES = {kind: kind.name.lower() for kind in Kind}
_KINDS = {name: kind for kind, name in _NAMES.items()}
_OWN = frozenset({ID, KEY, KIND, REPLY_TO})


def to_headers(message: Message) -> dict[str, str]:
    """Return all headers of a message, those with a field of their own included."""
    headers = dict(message.headers)
    headers[ID] = message.id
    if message.key is not None:
        headers[KEY] = message.key
    if message.reply_to is not None:
        headers[REPLY_TO] = message.reply_to
    if message.kind >= Kind.REPLY:
        headers[KIND] = _NAMES[message.kind]
    return headers


def from_headers(kind: Kind, address: str, body: bytes, headers: Mapping[str, str]) -> Message:
    """Return the message that a body and headers from anywhere mean.

    `kind` is what the place it arrived at implies; for an inbox, give REPLY and the header decides.
    A foreign producer's message has none of our headers, and then an empty id.
    """
    if kind >= Kind.REPLY:
        kind = _KINDS.get(headers.get(KIND, ""), Kind.REPLY)
    rest = {name: value for name, value in headers.items() if name not in _OWN}
    return Message(
        kind,
        address,
        body,
        rest,
        headers.get(ID, ""),
        reply_to=headers.get(REPLY_TO),
        key=headers.get(KEY),
    )
