r"""How a message is laid out on a channel: a line `WL/1`, a line `name: value` for each header, an
empty line, the body. Anything else is a body without headers, so that anybody may publish.
"""

from collections.abc import Iterable, Mapping
from operator import methodcaller
from typing import Final, cast

from wireloom.errors import PublishError
from wireloom.spi import Kind, Message
from wireloom.spi.headers import SENT
from wireloom.spi.native import to_headers
from wireloom_redis.layout import message_of

__all__ = ["ADDRESS", "decode", "encode"]

ADDRESS: Final = "wl-address"
"""The request's address, since one channel may serve a pattern with wildcards."""
_MAGIC = b"WL/1\n"
_pair = methodcaller("split", ": ", 1)


def encode(message: Message, more: Mapping[str, str] | None = None) -> bytes:
    """Return the bytes of a message, with these headers besides its own.

    :raises PublishError: if a header holds a line break.
    """
    headers = to_headers(message)
    if more is not None:
        headers.update(more)
    text = "\n".join(map(": ".join, headers.items()))
    if text.count("\n") != len(headers) - 1:
        raise PublishError(f"a header of {message!r} holds a line break")
    return b"%b%b\n\n%b" % (_MAGIC, text.encode(), message.body)


def decode(kind: Kind, address: str, data: bytes) -> tuple[Message, str | None]:
    """Return the message that came by a channel, and when it says that it was sent."""
    if not data.startswith(_MAGIC):
        return Message(kind, address, data, {}, ""), None
    head, _, body = data[len(_MAGIC) :].partition(b"\n\n")
    try:
        headers = dict(cast("Iterable[tuple[str, str]]", map(_pair, head.decode().split("\n"))))
    except ValueError:  # not of ours after all, though it begins alike
        return Message(kind, address, data, {}, ""), None
    address, sent = headers.pop(ADDRESS, address), headers.pop(SENT, None)
    return message_of(kind, address, body, headers), sent
