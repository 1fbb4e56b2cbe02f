"""What travels: bytes, text headers and an address."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Kind", "Message", "Receipt"]


class Kind(enum.IntEnum):
    """What a message is. Everything from REPLY on goes to an inbox."""

    EVENT = 1
    REQUEST = 2
    REPLY = 3
    """The only value, or the last one of a stream."""
    ITEM = 4
    """One value of a stream, more to come. The first one names the serving inbox in `reply_to`."""
    END = 5
    """The end of a stream, without a value."""
    ERROR = 6
    """The end of a request or stream by an error."""
    CREDIT = 7
    """From the caller: so many more items are welcome (decimal text in the body; 0 keeps alive)."""
    CANCEL = 8
    """From the caller: nobody waits for the answer any more."""


class Message:
    """One message, the same on every transport and wire. Treat it as immutable once published.

    `address` is a concrete pattern for events and requests, an inbox for everything else, without
    namespace or escaping: those are the transport's. `id` is the event's or request's own id; in
    messages to an inbox it is the id of the request they belong to. `headers` has lower-case names
    and holds the user's headers and our `wl-*` ones, except for what has a field of its own.
    `delay` is in seconds and counts from publishing.
    """

    __slots__ = ("address", "body", "delay", "headers", "id", "key", "kind", "reply_to")

    def __init__(
        self,
        kind: Kind,
        address: str,
        body: bytes,
        headers: Mapping[str, str],
        id: str,
        reply_to: str | None = None,
        key: str | None = None,
        delay: float = 0.0,
    ) -> None:
        self.kind = kind
        self.address = address
        self.body = body
        self.headers = headers
        self.id = id
        self.reply_to = reply_to
        self.key = key
        self.delay = delay

    def __repr__(self) -> str:
        return f"<{self.kind.name} {self.address!r} id={self.id!r} {len(self.body)} bytes>"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What is known of a published message. What a transport cannot know is None."""

    id: str
    transport: str
    stream: str | None = None
    """The stream, topic, queue or exchange that took it."""
    sequence: int | str | None = None
    """Its place there: NATS's stream sequence, Redis's entry id."""
    partition: int | None = None
    offset: int | None = None
    duplicate: bool | None = None
    """Whether the broker had this id already and dropped this copy."""
    routed: bool | None = None
    """Whether anybody listens: a queue, group or live subscriber took it."""
    acknowledged: bool = False
    """Whether the broker or peer confirmed that it has it."""
