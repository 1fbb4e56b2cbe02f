"""Dead letters of the memory transport."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from itertools import count

from wireloom.errors import TransportError
from wireloom.spi import DeadLetter, Kind, Message
from wireloom_memory.stream import Entry

__all__ = ["Bring", "MemoryDeadLetters"]

Bring = Callable[[str, Message], bool]
"""Delivers a message to one subscription again; tells whether it exists."""


class MemoryDeadLetters:
    """What was given up in one namespace, by subscription, in order."""

    def __init__(self, bring: Bring) -> None:
        self._bring = bring
        self._letters: dict[str, dict[str, DeadLetter]] = {}
        self._ids = count(1)

    def add(self, subscription: str, entry: Entry, facts: Mapping[str, str]) -> None:
        """Keep an event with the facts of its failure."""
        message = entry.message
        letter = DeadLetter(
            id=str(next(self._ids)),
            subscription=subscription,
            address=message.address,
            message_id=message.id,
            body=message.body,
            headers=dict(message.headers),
            facts=dict(facts),
            key=message.key,
        )
        self._letters.setdefault(subscription, {})[letter.id] = letter

    async def read(self, subscription: str) -> AsyncIterator[DeadLetter]:
        """Go through what is there now, oldest first, removing nothing."""
        for letter in list(self._letters.get(subscription, {}).values()):
            yield letter

    async def replay(self, letter: DeadLetter) -> None:
        """Deliver it to its subscription alone, as run 1, then remove it here.

        :raises TransportError: if the subscription does not exist, or the letter is gone.
        """
        if letter.id not in self._letters.get(letter.subscription, {}):
            raise TransportError(f"dead letter {letter.id} of {letter.subscription!r} is gone")
        message = Message(
            Kind.EVENT,
            letter.address,
            letter.body,
            letter.headers,
            letter.message_id,
            key=letter.key,
        )
        if not self._bring(letter.subscription, message):
            raise TransportError(f"there is no subscription {letter.subscription!r}")
        await self.remove([letter])

    async def remove(self, letters: Sequence[DeadLetter]) -> None:
        """Drop these for good."""
        for letter in letters:
            self._letters.get(letter.subscription, {}).pop(letter.id, None)
