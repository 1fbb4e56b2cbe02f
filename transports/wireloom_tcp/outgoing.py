"""Events on their way out, until they are settled over there."""

import asyncio
from typing import Final

from wireloom.errors import TransportError
from wireloom.spi import Message, Receipt
from wireloom_tcp.headers import (
    ADDRESS,
    AGE,
    ATTEMPT,
    DELAY,
    DELIVERIES,
    KEY,
    TO,
    HeaderBlocks,
    encode_block,
)

__all__ = ["Outgoing", "Publication"]

OVERHEAD: Final = 256
"""Bytes that an event takes beside its body, about."""


class Publication:
    """One `publish` of an event. `done` has its receipt once all it goes to have accepted it."""

    __slots__ = ("_id", "_left", "done")

    def __init__(self, message_id: str, copies: int) -> None:
        self._id = message_id
        self._left = copies
        self.done: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()

    def accepted(self) -> None:
        """Note that one copy was accepted."""
        self._left -= 1
        if not self._left and not self.done.done():
            self.done.set_result(Receipt(self._id, "tcp", routed=True, acknowledged=True))

    def failed(self, error: TransportError) -> None:
        """Note that one copy will not be."""
        if not self.done.done():
            self.done.set_exception(error)
            self.done.exception()  # whoever waited may be gone


class Outgoing:
    """One copy of an event, to one audience."""

    __slots__ = (
        "attempt", "counted", "deliveries", "each", "key", "message", "not_before",
        "number", "publication", "shard", "since", "size", "stream",
    )  # fmt: skip

    def __init__(
        self,
        message: Message,
        *,
        key: tuple[str, str],
        each: bool,
        shard: int | None,
        since: float,
        publication: Publication,
    ) -> None:
        self.message = message
        self.key = key
        self.each = each
        self.shard = shard
        """The shard whose owner gets it; None when it is not ordered."""
        self.since = since
        """The clock's monotonic time of publishing."""
        self.publication: Publication | None = publication
        """Who waits for it to be accepted; None once it is."""
        self.size = len(message.body) + OVERHEAD
        self.number = 0
        """The subscription it was sent to last, in its member's numbering."""
        self.stream = 0
        self.counted = False
        """Whether it takes up room in its member's window."""
        self.attempt = 1
        self.deliveries = 0
        """How often it was sent."""
        self.not_before = 0.0
        """The clock's monotonic time before which it is not sent again."""

    @property
    def abandoned(self) -> bool:
        """Tell whether whoever published it gave up before it was accepted."""
        return self.publication is not None and self.publication.done.cancelled()

    def accepted(self) -> None:
        """Note that the other side has it. More than once is no error."""
        publication, self.publication = self.publication, None
        if publication is not None:
            publication.accepted()

    def failed(self, error: TransportError) -> None:
        """Note that nobody will take it."""
        publication, self.publication = self.publication, None
        if publication is not None:
            publication.failed(error)

    def block(self, blocks: HeaderBlocks, now: float) -> bytes:
        """Return the header block of its EVENT frame.

        :raises ValueError: if its headers are too long.
        """
        message = self.message
        if message.key is None and not message.delay and self.deliveries == 1:
            return blocks.encode_to(self.number, message.address, message.headers)
        pairs = [(ADDRESS, message.address), (TO, str(self.number))]
        if message.key is not None:
            pairs.append((KEY, message.key))
        age = now - self.since if self.deliveries > 1 else 0.0
        if message.delay > age:
            pairs.append((DELAY, str(round((message.delay - age) * 1000))))
        if self.deliveries > 1:
            pairs.append((ATTEMPT, str(self.attempt)))
            pairs.append((DELIVERIES, str(self.attempt + self.deliveries - 1)))
            pairs.append((AGE, str(round(age * 1000))))
        return encode_block((*pairs, *message.headers.items()))
