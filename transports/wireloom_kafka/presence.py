"""Whether anybody handles a request, as far as its consumer group tells."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from aiokafka import TopicPartition

from wireloom.errors import NoHandlerError, TransportError
from wireloom.spi import Clock, Kind, Message
from wireloom.spi.headers import DEADLINE, ERROR, bounded_int
from wireloom_kafka.admin import Admin
from wireloom_kafka.tracker import Marks

__all__ = ["Presence"]

FRESH: Final = 0.5
"""Seconds for which a group that had members is taken to have them."""
STALE: Final = 2.0
"""Seconds for which that is taken on trust while the broker is asked again."""
LOOK: Final = 0.5
"""Seconds between looks at groups whose answers are due."""
LONGEST: Final = 60.0
"""Seconds for which an answer without a deadline of its own is looked after."""


@dataclass(frozen=True, slots=True)
class _Due:
    message: Message
    place: TopicPartition
    offset: int
    until: float


class Presence:
    """Asks before a request is sent, and looks after those whose handlers left meanwhile."""

    def __init__(self, admin: Admin, clock: Clock) -> None:
        self._admin = admin
        self._clock = clock
        self._seen: dict[str, float] = {}
        self._asking: dict[str, asyncio.Task[bool]] = {}
        self._due: dict[str, _Due] = {}
        self._arrived = asyncio.Event()
        self._receive: Callable[[Message], None] | None = None

    def deliver_to(self, receive: Callable[[Message], None]) -> None:
        """Tell where late news of missing handlers goes."""
        self._receive = receive

    async def require(self, group: str, address: str) -> None:
        """Return if the group has members.

        :raises NoHandlerError: if it has none.
        :raises TransportError: if the broker does not say.
        """
        age = self._clock.monotonic() - self._seen.get(group, float("-inf"))
        if age < FRESH:
            return
        asking = self._asking.get(group) or self._ask(group)
        if age < STALE:
            return
        if not await asyncio.shield(asking):
            raise NoHandlerError(f"nobody handles {address!r}: group {group!r} has no members")

    def sent(self, message: Message, place: TopicPartition, offset: int) -> None:
        """Look after the answer to a request."""
        remaining = bounded_int(message.headers.get(DEADLINE), 0, 2**40)
        seconds = LONGEST if remaining is None else remaining / 1000
        until = self._clock.monotonic() + seconds
        self._due[message.id] = _Due(message, place, offset, until)
        self._arrived.set()

    def answered(self, request: str) -> None:
        """Note that somebody answers; unknown requests are no error."""
        self._due.pop(request, None)

    async def run(self) -> None:
        """Look after answers until cancelled."""
        while True:
            await self._arrived.wait()
            await self._clock.sleep(LOOK)
            self._forget()
            for group in {due.place.topic for due in self._due.values()}:
                await self._look(group)
            if not self._due:
                self._arrived.clear()

    async def close(self) -> None:
        """Stop asking."""
        for task in list(self._asking.values()):
            task.cancel()

    def _ask(self, group: str) -> "asyncio.Task[bool]":
        task = asyncio.get_running_loop().create_task(self._asked(group), name="kafka presence")
        self._asking[group] = task
        task.add_done_callback(lambda _: self._asking.pop(group, None))
        task.add_done_callback(_retrieve)
        return task

    async def _asked(self, group: str) -> bool:
        present = await self._admin.has_members(group)
        if present:
            self._seen[group] = self._clock.monotonic()
        else:
            self._seen.pop(group, None)
        return present

    def _forget(self) -> None:
        now = self._clock.monotonic()
        for request in [request for request, due in self._due.items() if due.until < now]:
            del self._due[request]

    async def _look(self, group: str) -> None:
        try:
            if await self._asked(group):
                return
            waiting = [due for due in self._due.values() if due.place.topic == group]
            known = await self._admin.committed(group, {due.place for due in waiting})
        except TransportError:
            return
        for due in _never_started(waiting, known):
            self._due.pop(due.message.id, None)
            if self._receive is not None:
                self._receive(_unhandled(due.message))


def _never_started(
    waiting: Iterable[_Due], known: dict[TopicPartition, tuple[int, str]]
) -> Iterable[_Due]:
    # Requests are committed when they start, so that what is not committed has not started.
    for due in waiting:
        offset, metadata = known.get(due.place, (0, ""))
        done = Marks.from_text(metadata, offset).done
        if due.offset >= offset and not any(low <= due.offset <= high for low, high in done):
            yield due


def _unhandled(request: Message) -> Message:
    headers = {ERROR: "UNIMPLEMENTED"}
    return Message(Kind.ERROR, request.reply_to or "", b"", headers, request.id)


def _retrieve(task: "asyncio.Task[bool]") -> None:
    if not task.cancelled():
        task.exception()
