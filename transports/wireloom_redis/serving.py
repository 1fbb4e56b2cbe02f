"""Serving requests: this instance's own channels, and its place in the lists of who serves what."""

import asyncio

from wireloom.errors import ConnectionLostError
from wireloom.pattern import Pattern
from wireloom.spi import Intake, Kind, Message, Subscriber, Subscription
from wireloom.spi.headers import bounded_int
from wireloom_redis import frame
from wireloom_redis.delivery import RedisDelivery
from wireloom_redis.hub import Hub
from wireloom_redis.inboxes import Inboxes

__all__ = ["RequestSubscriber", "Serving"]

LIVES = 3
"""Rounds of the heartbeat after which an instance that is not heard of is left out."""


class RequestDelivery(RedisDelivery):
    """A request. It is gone from the server once it was handed over."""

    __slots__ = ("_inboxes",)

    def __init__(self, message: Message, inboxes: Inboxes) -> None:
        super().__init__(message)
        self._inboxes = inboxes

    async def reply(self, message: Message) -> None:
        """Send to the requester's inbox."""
        await self._inboxes.send(message)

    async def give_back(self) -> None:
        """Drop it: whoever sent it has its answer from the core."""


class Serving:
    """The channels of this instance, listed with the time until which they count as live."""

    def __init__(self, hub: Hub, inboxes: Inboxes) -> None:
        self._hub = hub
        self._inboxes = inboxes
        self._listed: dict[str, str] = {}

    async def open(self, subscription: Subscription, intake: Intake) -> "RequestSubscriber":
        """Serve a pattern; live at the server on return."""
        subscriber = RequestSubscriber(self._hub, self, subscription.pattern, intake, self._inboxes)
        await self._hub.channels.add(self._hub.session, subscriber.channel, subscriber.heard)
        listed = self._listed[subscriber.channel] = self._list(subscription.pattern)
        await self._renew(subscriber.channel, listed)
        return subscriber

    async def leave(self, channel: str) -> None:
        """List a channel no more."""
        if (listed := self._listed.pop(channel, None)) is not None:
            await self._hub.session.call("ZREM", listed, channel)

    async def leave_all(self) -> None:
        """List nothing more."""
        for channel in list(self._listed):
            await self.leave(channel)

    async def list_all(self) -> None:
        """List every channel anew, and drop those that nobody has listed for long."""
        await asyncio.gather(*(self._renew(*listed) for listed in self._listed.items()))

    async def _renew(self, channel: str, listed: str) -> None:
        now = int(self._hub.clock.now_ms())
        lives = int(LIVES * self._hub.options.heartbeat * 1000)
        link = self._hub.session.link
        await asyncio.gather(
            link.call("ZADD", listed, now + lives, channel),
            link.call("ZREMRANGEBYSCORE", listed, "-inf", now),
            link.call("PEXPIRE", listed, 2 * lives),
        )

    def _list(self, pattern: Pattern) -> str:
        names = self._hub.names
        return names.members(pattern.text) if pattern.is_concrete else names.wild_members


class RequestSubscriber(Subscriber):
    """One pattern that is served here."""

    def __init__(
        self, hub: Hub, serving: Serving, pattern: Pattern, intake: Intake, inboxes: Inboxes
    ) -> None:
        self.channel = hub.names.member(pattern, hub.environment.instance)
        self._hub = hub
        self._serving = serving
        self._pattern = pattern
        self._intake = intake
        self._inboxes = inboxes

    def heard(self, channel: bytes, data: bytes) -> None:
        """Hand a request over, straight from the socket."""
        message, stated = frame.decode(Kind.REQUEST, self._pattern.text, data)
        if not self._pattern.matches(message.address):
            return
        if self._hub.names.inbox(message.reply_to) is None:
            message.reply_to = None
        delivery = RequestDelivery(message, self._inboxes)
        if (sent := bounded_int(stated, 0, 1 << 53)) is not None:
            delivery.age = max(0.0, (self._hub.clock.now_ms() - sent) / 1000)
        self._intake.put(delivery)

    async def stop(self) -> None:
        """Be listed no more, then listen no more; requests go elsewhere from then on."""
        try:
            await self._serving.leave(self.channel)
            await self._hub.channels.remove(self._hub.session, self.channel, self.heard)
        except ConnectionLostError:
            return  # gone with the connection
