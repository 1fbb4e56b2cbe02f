"""The stream of what could not be handled."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Final

from wireloom.errors import TransportError
from wireloom.spi import DeadLetter
from wireloom.spi.headers import ID, KEY
from wireloom_nats.delivery import NatsDelivery
from wireloom_nats.frames import Arrival
from wireloom_nats.inbox import NO_RESPONDERS, Inbox
from wireloom_nats.jetstream import TIMEOUT, JetStream, read_answer
from wireloom_nats.names import Names

__all__ = ["ADDRESS", "MESSAGE_ID", "NatsDeadLetters"]

ADDRESS: Final = "wl-address"
"""Where a dead letter was sent to, as its own subject tells the subscription."""
STREAM: Final = "wl-stream"
"""The stream that it came from, and goes back to."""
MESSAGE_ID: Final = "Nats-Msg-Id"
_FACT: Final = "wl-dead-"
_OWN: Final = frozenset({ID, KEY, ADDRESS, STREAM})


class NatsDeadLetters:
    """Dead letters of one namespace: subject `dead.<subscription>` of one stream."""

    def __init__(
        self,
        inbox: Inbox,
        jetstream: JetStream,
        names: Names,
        hold: Callable[[], Awaitable[None]],
    ) -> None:
        """`hold` is awaited when there is no stream of dead letters: it makes one, or raises."""
        self._hold = hold
        self._inbox = inbox
        self._jetstream = jetstream
        self._names = names

    async def store(
        self, subscription: str, delivery: NatsDelivery, facts: Mapping[str, str]
    ) -> None:
        """Store a delivery; return when the server has it.

        :raises TransportError: if that is not sure.
        """
        message = delivery.message
        subject = self._names.dead_letters(subscription)
        source = f"{delivery.stream}:{delivery.stream_sequence}" if delivery.stream else message.id
        headers = {
            **message.headers,
            **facts,
            ID: message.id,
            ADDRESS: message.address,
            STREAM: delivery.stream or "",
            MESSAGE_ID: f"{subject}:{source}",
        }
        if message.key is not None:
            headers[KEY] = message.key
        answer = await self._inbox.ask(subject, message.body, headers, timeout=TIMEOUT)
        if answer.status == NO_RESPONDERS:
            await self._hold()
            answer = await self._inbox.ask(subject, message.body, headers, timeout=TIMEOUT)
        read_answer(answer)

    async def read(self, subscription: str) -> AsyncIterator[DeadLetter]:
        """Go through what is there now, oldest first."""
        subject = self._names.dead_letters(subscription)
        last = await self._jetstream.get(self._names.dead, last=subject)
        end = 0 if last is None else _sequence(last)
        position = 1
        while position <= end:
            found = await self._jetstream.get(self._names.dead, seq=position, next_of=subject)
            if found is None:
                return
            position = _sequence(found) + 1
            if position <= end + 1:
                yield _letter(subscription, found)

    async def replay(self, letter: DeadLetter) -> None:
        """Deliver it to its subscription alone, then remove it here. Repeating that within the
        duplicate window delivers it once.

        :raises TransportError: if it came from no stream of ours, or the server does not answer.
        """
        found = await self._jetstream.get(
            self._names.dead,
            seq=int(letter.id),
            next_of=self._names.dead_letters(letter.subscription),
        )
        if found is None or _sequence(found) != int(letter.id):
            raise TransportError(f"dead letter {letter.id} of {letter.subscription!r} is gone")
        stream = found.headers.get(STREAM, "")
        if not self._names.is_ours(stream):
            raise TransportError(
                f"dead letter {letter.id} of {letter.subscription!r} came from "
                f"{stream or 'core NATS'!r}, where nothing is delivered to one subscription alone"
            )
        subject = self._names.replays(stream, letter.subscription)
        headers = {**letter.headers, ID: letter.message_id, ADDRESS: letter.address}
        headers[MESSAGE_ID] = f"{subject}:{letter.id}"
        if letter.key is not None:
            headers[KEY] = letter.key
        read_answer(await self._inbox.ask(subject, letter.body, headers, timeout=TIMEOUT))
        await self.remove([letter])

    async def remove(self, letters: Sequence[DeadLetter]) -> None:
        """Drop these for good; those that are gone already are no error."""
        for letter in letters:
            question = {"seq": int(letter.id), "no_erase": True}
            await self._jetstream.find(f"STREAM.MSG.DELETE.{self._names.dead}", question)


def _sequence(found: Arrival) -> int:
    return int(found.headers.get("nats-sequence", "0"))


def _letter(subscription: str, found: Arrival) -> DeadLetter:
    headers = {
        name: value
        for name, value in found.headers.items()
        if not name.startswith((_FACT, "nats-")) and name not in _OWN
    }
    return DeadLetter(
        id=str(_sequence(found)),
        subscription=subscription,
        address=found.headers.get(ADDRESS, ""),
        message_id=found.headers.get(ID, ""),
        body=found.body,
        headers=headers,
        facts={name: text for name, text in found.headers.items() if name.startswith(_FACT)},
        key=found.headers.get(KEY),
    )
