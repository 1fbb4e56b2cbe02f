"""The transport: everything on one server, for one token."""

import asyncio
import logging
from collections.abc import Sequence
from typing import ClassVar

from wireloom.errors import ClosedError, ConnectionLostError, TransportError
from wireloom.spi import (
    Capabilities,
    Change,
    Context,
    DeadLetters,
    Declaration,
    Environment,
    Intake,
    Kind,
    Message,
    Receipt,
    Receive,
    Subscriber,
    Subscription,
    Transport,
    TransportOptions,
)
from wireloom_redis import checks, frame
from wireloom_redis.context import RedisContext
from wireloom_redis.dead import StreamDeadLetters
from wireloom_redis.events import Events
from wireloom_redis.inboxes import Inboxes
from wireloom_redis.members import Members
from wireloom_redis.options import RedisOptions
from wireloom_redis.permissions import permissions
from wireloom_redis.plant import Plant
from wireloom_redis.requests import Requests
from wireloom_redis.serving import Serving
from wireloom_redis.subscribing import Subscribing
from wireloom_redis.topology import Topology

__all__ = ["RedisTransport"]

_log = logging.getLogger("wireloom.redis")
_CLOSE_TIMEOUT = 2.0
_REQUEST, _EVENT = Kind.REQUEST, Kind.EVENT


class RedisTransport(Transport):
    """Stored events on streams with consumer groups; requests, replies and events that are not
    stored on pub/sub.
    """

    kind = "redis"
    options_type: ClassVar[type[TransportOptions]] = RedisOptions
    context_type: ClassVar[type[Context]] = RedisContext
    capabilities = Capabilities(
        native_dedup=True,
        durable=True,
        redelivers=True,
        publisher_ack=True,
        replay=True,
        wildcards=False,
        notes={"wildcards": "refused"},
    )

    def __init__(self, options: RedisOptions, environment: Environment) -> None:
        super().__init__(options, environment)
        self._plant = plant = Plant(options, environment)
        hub = self._hub = plant.hub
        inboxes = Inboxes(hub.session, hub.names)
        members = Members(hub.session, hub.names, hub.clock, environment.clock, hub.tasks)
        self._serving = Serving(hub, inboxes)
        self._events = Events(hub)
        self._inboxes = inboxes
        self._requests = Requests(hub.session, members, hub.clock, hub.tasks)
        self._subscribing = Subscribing(hub, self._serving)
        self._dead_letters = StreamDeadLetters(hub)
        self._topology = Topology(hub)
        self._opened = self._closed = False
        plant.restore_last(members.forget, self._serving.list_all)

    async def connect(self) -> None:
        """Connect once, then keep the connection up."""
        if self._closed:
            raise ClosedError("the transport was closed")
        await self._plant.open(self._serving.list_all)
        self._opened = True
        if self._closed:  # while it connected
            await self._plant.close()

    async def close(self) -> None:
        """Leave the lists, write what is waiting, disconnect."""
        if self._closed:
            return
        self._closed = True
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await self._serving.leave_all()
        except (TransportError, TimeoutError) as error:
            _log.debug("closed without a word: %s", error)
        await self._plant.close()

    def check(self, subscription: Subscription) -> None:
        """Refuse what Redis cannot do for a handler."""
        checks.check(subscription)

    def check_declaration(self, declaration: Declaration) -> None:
        """Refuse limits that Redis does not have."""
        checks.check_declaration(declaration)

    async def declare(self, declarations: Sequence[Declaration]) -> None:
        """See that no event's name is taken by something else, and remember its limits."""
        await self._topology.declare(declarations)

    async def publish(self, message: Message) -> Receipt:
        """Store an event, or send a message to one live instance or inbox."""
        self._check_open()
        kind = message.kind
        if kind is _REQUEST:
            return await self._requests.send(message)
        if kind is _EVENT:
            return await self._events.publish(message)
        return await self._inboxes.send(message)

    async def publish_many(self, messages: Sequence[Message]) -> list[Receipt | TransportError]:
        """Publish events by one write."""
        self._check_open()
        return await self._events.publish_many(messages)

    async def subscribe(self, subscription: Subscription, intake: Intake) -> Subscriber:
        """Begin to deliver into the intake."""
        self._check_open()
        return await self._subscribing.open(subscription, intake)

    async def open_inbox(self, receive: Receive) -> str:
        """Listen on this instance's own channel."""
        self._check_open()
        self._requests.receive = receive
        address = f"inbox.{self.environment.instance}"
        channel = self._hub.names.inbox(address) or address

        def heard(_: bytes, data: bytes) -> None:
            message, _sent = frame.decode(Kind.REPLY, address, data)
            if self._hub.names.inbox(message.reply_to) is None:
                message.reply_to = None
            receive(message)

        await self._hub.channels.add(self._hub.session, channel, heard)
        return address

    async def plan(
        self, declarations: Sequence[Declaration], subscriptions: Sequence[Subscription]
    ) -> list[Change]:
        """Compare what these need with what is there."""
        return await self._topology.plan(declarations, subscriptions)

    async def apply(
        self, declarations: Sequence[Declaration], subscriptions: Sequence[Subscription]
    ) -> list[Change]:
        """Create what is missing, change what can be changed."""
        return await self._topology.apply(declarations, subscriptions)

    def permissions(
        self, declarations: Sequence[Declaration], subscriptions: Sequence[Subscription]
    ) -> list[str]:
        """Return the ACL rule of a user with exactly what these need."""
        return permissions(self._hub.names, self.environment.group, declarations, subscriptions)

    async def probe(self) -> None:
        """Make a round trip."""
        self._check_open()
        try:
            async with asyncio.timeout(self._hub.options.heartbeat):
                await self._hub.session.call("PING")
        except TimeoutError:
            raise ConnectionLostError("Redis does not answer") from None

    @property
    def dead_letters(self) -> DeadLetters:
        """Return what was given up, by subscription."""
        return self._dead_letters

    def unwrap(self) -> object:
        """Return the client of redis-py; None before `connect`."""
        return self._plant.native if self._opened else None

    def _check_open(self) -> None:
        if self._closed or not self._opened:
            raise ClosedError("not connected" if not self._closed else "the transport was closed")
