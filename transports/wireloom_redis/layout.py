"""Messages from a body and headers, without a second dictionary on the hot path."""

from wireloom.spi import Kind, Message
from wireloom.spi.headers import ID, KEY, KIND, REPLY_TO

__all__ = ["message_of"]

_REPLY = Kind.REPLY
_KINDS = {kind.name.lower(): kind for kind in Kind}


def message_of(kind: Kind, address: str, body: bytes, headers: dict[str, str]) -> Message:
    """Return the message that a body and headers from anywhere mean; takes the headers over.

    `kind` is what the place it arrived at implies; for an inbox, give REPLY and a header decides.
    """
    named = headers.pop(KIND, None)
    if kind >= _REPLY:
        kind = _KINDS.get(named or "", _REPLY)
    number = headers.pop(ID, "")
    key, reply_to = headers.pop(KEY, None), headers.pop(REPLY_TO, None)
    return Message(kind, address, body, headers, number, reply_to=reply_to, key=key)
