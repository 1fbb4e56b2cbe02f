"""What a new group gets of the past: copied once, from a stream into the group's own queue.

A stream has no groups: everybody who reads it gets everything, and its broker remembers nobody's
place. So it only keeps history, and a group that is created copies its part before it begins.
"""

from collections.abc import Sequence
from typing import Final

from wireloom.errors import ConfigurationError
from wireloom.pattern import Pattern
from wireloom.spi import Clock, Subscription
from wireloom_rabbitmq.copying import Copy
from wireloom_rabbitmq.coverage import covers
from wireloom_rabbitmq.errors import bounded
from wireloom_rabbitmq.items import Binding, Item, Queue
from wireloom_rabbitmq.layout import Layout, Placement
from wireloom_rabbitmq.names import Names
from wireloom_rabbitmq.session import Session

__all__ = ["History"]

_LONGEST: Final = 600.0
"""Seconds that another instance may take to copy, before this one gives up waiting for it."""


class History:
    """Brings the past to subscriptions that ask for it when they are created."""

    def __init__(
        self, layout: Layout, names: Names, streams: Sequence[str], clock: Clock, timeout: float
    ) -> None:
        self._layout = layout
        self._names = names
        self._streams = [Pattern(text) for text in streams]
        self._clock = clock
        self._timeout = timeout

    async def begin(
        self, session: Session, subscription: Subscription, placement: Placement
    ) -> None:
        """Declare a subscription; copy its history first if it is new, or was not copied whole.

        :raises ConfigurationError: if something exists otherwise.
        :raises TransportError: if the broker did not answer.
        """
        main = placement.queues[0]
        unfinished = self._layout.unfinished(main)
        exists = await session.topology.exists(Queue(main))
        if exists and not await session.topology.exists(unfinished):
            await session.topology.declare(placement.items)
            return
        lock = self._layout.lock(main)
        if not await self._locked(session, lock, unfinished):
            await session.topology.declare(placement.items)
            return
        try:
            await self._bring(session, subscription, placement, unfinished)
        finally:
            await session.topology.delete(lock)

    def stream_for(self, pattern: Pattern) -> Pattern | None:
        """Return a stream that keeps all that a pattern stands for."""
        return next((stream for stream in self._streams if covers(stream, pattern)), None)

    async def _locked(self, session: Session, lock: Queue, unfinished: Queue) -> bool:
        """Become the one who copies; or wait until another has, and return False."""
        async with bounded("wait for another instance's copy of the history", _LONGEST):
            while not await session.topology.claim(lock):
                await self._clock.sleep(0.2)
                if not await session.topology.exists(unfinished):
                    return False
        return True

    async def _bring(
        self,
        session: Session,
        subscription: Subscription,
        placement: Placement,
        unfinished: Queue,
    ) -> None:
        live = [item for item in placement.items if self._is_live(item)]
        await session.topology.declare(
            [unfinished, *(item for item in placement.items if item not in live)]
        )
        for queue in placement.queues:
            await session.topology.purge(queue)
        stream = self.stream_for(subscription.pattern)
        if stream is None:
            raise ConfigurationError(f"no stream keeps {subscription.pattern.text!r}")
        copy = Copy(session, subscription, self._names, placement.entry, self._timeout)
        try:
            await copy.past(self._names.stream(stream))
            # Published from here on it comes by itself; what came in between is copied once more.
            await session.topology.declare(live)
            await copy.until_now()
        finally:
            await copy.close()
        await session.topology.delete(unfinished)

    def _is_live(self, item: Item) -> bool:
        return isinstance(item, Binding) and item.source in (self._names.events, self._names.due)
