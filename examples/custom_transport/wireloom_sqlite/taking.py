"""Taking messages from the file: the tasks of one connection."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from wireloom.errors import ConnectionLostError, TransportError
from wireloom.spi import Environment, Intake, Kind, Receive, Status, Subscriber, Subscription
from wireloom_sqlite.delivery import SqliteDelivery, message_of
from wireloom_sqlite.store import Store

__all__ = ["Queue", "Taking"]

BUSY, IDLE = 0.001, 0.02
"""Seconds between looks at the file: soon after something happened, and else."""
CALM = 0.25
"""Seconds without anything new after which it is idle."""
BEAT = 2.0
"""Seconds between signs of life."""
AT_ONCE = 100
"""Messages taken in one transaction."""


class Taking:
    """Watches the file, and wakes whoever takes from it."""

    def __init__(self, store: Store, environment: Environment) -> None:
        self.store = store
        self.queues: list[Queue] = []
        self.clock = environment.clock
        self._report = environment.report
        self._task = asyncio.create_task(self._watch(), name="sqlite watch")

    def wake(self) -> None:
        """Let all look at the file."""
        for queue in self.queues:
            queue.news.set()

    def open_inbox(self, address: str, receive: Receive) -> None:
        """Hand what comes to an address to `receive`."""
        self.store.open_inbox(address)
        queue = Queue(self, address, drop=True)
        queue.start(self._receive(queue, receive))

    def subscribe(self, subscription: Subscription, intake: Intake) -> "Queue":
        """Hand what comes to a subscription to its intake."""
        alone = subscription.broadcast or subscription.ephemeral
        name = f"{subscription.name} {Kind(subscription.kind).name}"
        name = f"{name} {self.store.instance}" if alone else name
        self.store.join(name, subscription, alone=alone)
        queue = Queue(self, name, drop=alone)
        queue.start(self._take(queue, subscription.name, intake))
        return queue

    async def close(self) -> None:
        """End all tasks."""
        for queue in list(self.queues):
            await queue.close()
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _watch(self) -> None:
        """Look for news, and give signs of life. A file that cannot be read is a lost broker, until
        it can be again.
        """
        version, changed, beaten = -1, 0.0, 0.0
        while True:
            now = self.clock.monotonic()
            try:
                if now - beaten >= BEAT:
                    self.store.beat()
                    beaten = now
                    self.wake()
                if (seen := self.store.version()) != version:
                    version, changed = seen, now
                    self.wake()
                self._report(Status.CONNECTED, None)
            except TransportError as error:
                self._report(Status.RECONNECTING, ConnectionLostError(str(error)))
            await self.clock.sleep(BUSY if now - changed < CALM else IDLE)

    async def _take(self, queue: "Queue", subscription: str, intake: Intake) -> None:
        claim = self.store.claim
        while True:
            room = await intake.wait_for_room()
            for row in await queue.some(claim, min(room, AT_ONCE)):
                intake.put(SqliteDelivery(self.store, self.clock, self.wake, subscription, row))
            await self.clock.sleep(BUSY)  # the turn of other instances

    async def _receive(self, queue: "Queue", receive: Receive) -> None:
        while True:
            for row in await queue.some(self.store.drain, AT_ONCE):
                receive(message_of(row))


class Queue(Subscriber):
    """Our part in one queue of the file."""

    def __init__(self, taking: Taking, name: str, *, drop: bool) -> None:
        self.news = asyncio.Event()
        self._taking = taking
        self._name = name
        self._drop = drop
        self._task: asyncio.Task[None] | None = None
        taking.queues.append(self)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Take from it until it is stopped."""
        self._task = asyncio.create_task(work, name=f"sqlite {self._name}")

    async def some(self, take: Callable[[str, int], list[Any]], limit: int) -> list[Any]:
        """Wait until there is something; take it."""
        while True:
            self.news.clear()
            try:
                if rows := take(self._name, limit):
                    return rows
                await self._news_or_due(self._taking.store.due_in(self._name))
            except TransportError:  # the watch reports it, and wakes us later
                await self.news.wait()

    async def _news_or_due(self, seconds: float | None) -> None:
        if seconds is None:
            await self.news.wait()
            return
        clock = self._taking.clock
        timer = clock.call_at(clock.monotonic() + seconds, self.news.set)
        try:
            await self.news.wait()
        finally:
            timer.cancel()

    async def stop(self) -> None:
        """Take nothing more; what was taken can still be settled."""
        if self._task is None:
            return
        task, self._task = self._task, None
        task.cancel()
        await asyncio.wait([task])
        self._taking.queues.remove(self)
        self._taking.store.leave(self._name, drop=False)

    async def close(self) -> None:
        """Stop, and drop what goes with us."""
        await self.stop()
        if self._drop:
            self._taking.store.leave(self._name, drop=True)
