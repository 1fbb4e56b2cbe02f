"""Which queues an application has had: AMQP cannot list them, and a renamed handler leaves one.

A queue of the application's holds one message for each, and is read without emptying it.
"""

import asyncio
from collections.abc import Collection, Iterable

from aiormq.abc import AbstractChannel
from aiormq.exceptions import ChannelNotFoundEntity
from pamqp.commands import Basic

from wireloom_rabbitmq.errors import bounded
from wireloom_rabbitmq.items import Queue
from wireloom_rabbitmq.names import Names
from wireloom_rabbitmq.properties import Properties
from wireloom_rabbitmq.session import Session

__all__ = ["Registry"]

_MOST = 10_000
"""Names looked at; a bound on what anybody could have put there."""


class Registry:
    """The names of one application's durable queues, past and present."""

    def __init__(self, names: Names, group: str, timeout: float) -> None:
        self.queue = Queue(names.registry(group), {"x-queue-type": "classic"})
        self._timeout = timeout
        self._lock = asyncio.Lock()
        self._known: set[str] | None = None

    async def note(self, session: Session, queues: Iterable[str]) -> None:
        """See that these are among the names.

        :raises TransportError: if the broker did not answer.
        """
        async with self._lock:
            await session.topology.declare([self.queue])
            if self._known is None:
                self._known = await self.read(session)
            for name in sorted(set(queues) - self._known):
                lane = await session.events()
                properties = Properties(delivery_mode=2)
                await lane.confirmed("", self.queue.name, properties, name.encode())
                self._known.add(name)

    async def read(self, session: Session) -> set[str]:
        """Return the names; what stands there twice is removed.

        :raises TransportError: if the broker did not answer.
        """
        found: set[str] = set()
        async with session.consuming.throw_away() as channel:
            for _ in range(_MOST):
                async with bounded("read the names of queues", self._timeout):
                    name = await self._next(channel, found)
                if name is None:
                    break
                found.add(name)
        return found

    async def _next(self, channel: AbstractChannel, found: Collection[str]) -> str | None:
        try:
            message = await channel.basic_get(self.queue.name, timeout=self._timeout)
        except ChannelNotFoundEntity:
            return None
        if isinstance(message.delivery, Basic.GetEmpty):
            return None
        name = message.body.decode("utf-8", "replace")
        if name in found:
            await channel.basic_ack(message.delivery_tag or 0)
        return name

    async def orphans(self, session: Session, used: Collection[str]) -> list[str]:
        """Return the queues that still exist and are used no more.

        :raises TransportError: if the broker did not answer.
        """
        past = await self.read(session) - set(used)
        return [name for name in sorted(past) if await session.topology.exists(Queue(name))]
