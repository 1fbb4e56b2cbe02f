"""A transport's connection to a broker in the same process."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from wireloom.errors import ConnectionLostError
from wireloom.spi import Intake, Kind, Receive, Status, Subscriber, Subscription
from wireloom_memory.queue import Member, Queue
from wireloom_memory.space import Space

__all__ = ["Link"]


class Link:
    """What one transport has at a broker; after a loss it is put back as it was."""

    def __init__(self, space: Space, report: Callable[[Status, Exception | None], None]) -> None:
        self.space = space
        self.up = True
        self._report = report
        self._inbox: tuple[str, Receive] | None = None
        self._parts: list[_Part] = []

    def open_inbox(self, address: str, receive: Receive) -> None:
        """Listen on an inbox."""
        self._inbox = (address, receive)
        self.space.inboxes[address] = receive

    def subscribe(self, subscription: Subscription, intake: Intake) -> Subscriber:
        """Take part in a subscription until the subscriber is stopped."""
        serves = subscription.kind is Kind.REQUEST
        part = (_Serving if serves else _Listening)(self, subscription, intake)
        part.begin()
        self._parts.append(part)
        return part

    def forget(self, part: "_Part") -> None:
        """Do not put this back after a loss."""
        if part in self._parts:
            self._parts.remove(part)

    def disconnect(self) -> None:
        """Lose the connection: what is unsettled goes to others."""
        if self.up:
            self._cut()
            self._report(Status.RECONNECTING, ConnectionLostError("the connection was dropped"))

    def reconnect(self) -> None:
        """Be connected again, with every subscription and the inbox."""
        if self.up:
            return
        self.up = True
        if self._inbox is not None:
            self.space.inboxes[self._inbox[0]] = self._inbox[1]
        for part in self._parts:
            part.begin()
        self._report(Status.CONNECTED, None)

    def close(self) -> None:
        """Leave for good: what is unsettled goes to others."""
        self._cut()
        for part in self._parts:
            part.end()
        self._parts.clear()

    def _cut(self) -> None:
        self.up = False
        if self._inbox is not None:
            self.space.inboxes.pop(self._inbox[0], None)
        for part in self._parts:
            part.lose()


class _Part(Subscriber, ABC):
    """A subscription that a link takes part in."""

    def __init__(self, link: Link, subscription: Subscription, intake: Intake) -> None:
        self._link = link
        self._space = link.space
        self._subscription = subscription
        self._intake = intake

    @abstractmethod
    def begin(self) -> None:
        """Take part, for the first time or again."""

    @abstractmethod
    def lose(self) -> None:
        """Take part no more for now, and lose what is unsettled."""

    @abstractmethod
    def end(self) -> None:
        """Leave nothing behind at the broker but what is durable."""


class _Serving(_Part):
    def begin(self) -> None:
        self._space.serve(self._subscription.pattern, self._intake)

    def lose(self) -> None:
        self._space.unserve(self._subscription.pattern, self._intake)

    def end(self) -> None:
        self.lose()

    async def stop(self) -> None:
        self.lose()
        self._link.forget(self)


class _Listening(_Part):
    def __init__(self, link: Link, subscription: Subscription, intake: Intake) -> None:
        super().__init__(link, subscription, intake)
        self._alone = subscription.broadcast or subscription.ephemeral
        self._queue = self._find_queue()
        self._member = Member(self._queue, intake)
        self._stopped = False

    def begin(self) -> None:
        if self._stopped:
            return
        if not self._alone:
            self._queue = self._find_queue()
        self._member = Member(self._queue, self._intake)
        self._queue.join(self._member)

    def lose(self) -> None:
        self._member.abandon()

    def end(self) -> None:
        keeps = self._subscription.durable and not self._alone
        if not keeps and not self._queue.members:
            self._space.close_queue(self._queue)

    async def stop(self) -> None:
        self._stopped = True
        self._member.leave()
        self.end()

    async def close(self) -> None:
        await self.stop()
        self.lose()
        self._link.forget(self)

    def _find_queue(self) -> Queue:
        find = self._space.open_queue if self._alone else self._space.queue
        return find(self._subscription)
