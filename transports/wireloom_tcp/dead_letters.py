"""Dead letters of one node: kept in its memory, bounded, reported."""

import itertools
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from wireloom.errors import TransportError
from wireloom.spi import DeadLetter, DeadLetters, Message

__all__ = ["DeadLetterStore"]

_log = logging.getLogger("wireloom.tcp")


class DeadLetterStore(DeadLetters):
    """At most `limit` letters and `max_bytes` bytes; beyond that the oldest is dropped and logged.

    `deliver` runs one again at its subscription; it raises TransportError when that is not here.
    """

    def __init__(self, limit: int, max_bytes: int, deliver: Callable[[DeadLetter], None]) -> None:
        self._limit = limit
        self._max_bytes = max_bytes
        self._deliver = deliver
        self._letters: dict[str, DeadLetter] = {}
        self._size = 0
        self._ids = itertools.count(1)

    def __len__(self) -> int:
        return len(self._letters)

    def add(self, subscription: str, message: Message, facts: Mapping[str, str]) -> None:
        """Keep a message that was given up.

        :raises TransportError: if it alone is over the limit.
        """
        size = len(message.body)
        if size > self._max_bytes:
            raise TransportError(f"{size} bytes are more than dead letters may take")
        while len(self._letters) >= self._limit or self._size + size > self._max_bytes:
            self._drop_oldest()
        letter = DeadLetter(
            id=str(next(self._ids)),
            subscription=subscription,
            address=message.address,
            message_id=message.id,
            body=message.body,
            headers=message.headers,
            facts=dict(facts),
            key=message.key,
        )
        self._letters[letter.id] = letter
        self._size += size
        _log.warning(
            "dead letter %s of %s: message %s to %s, %s",
            letter.id, subscription, letter.message_id, letter.address,
            facts.get("wl-dead-reason", "given up"),
        )  # fmt: skip

    async def read(self, subscription: str) -> AsyncIterator[DeadLetter]:
        """Go through those of one subscription, oldest first."""
        for letter in list(self._letters.values()):
            if letter.subscription == subscription and letter.id in self._letters:
                yield letter

    async def replay(self, letter: DeadLetter) -> None:
        """Run it again at its subscription, as run 1, and remove it here.

        :raises TransportError: if that subscription is not here.
        """
        self._deliver(letter)
        self._remove(letter.id)

    async def remove(self, letters: Sequence[DeadLetter]) -> None:
        """Drop these."""
        for letter in letters:
            self._remove(letter.id)

    def _drop_oldest(self) -> None:
        oldest = next(iter(self._letters.values()))
        _log.error(
            "dead letters are full: dropped %s of %s, message %s",
            oldest.id, oldest.subscription, oldest.message_id,
        )  # fmt: skip
        self._remove(oldest.id)

    def _remove(self, letter: str) -> None:
        found = self._letters.pop(letter, None)
        if found is not None:
            self._size -= len(found.body)
