"""Makes the subscriber that a subscription needs."""

from wireloom.errors import ConfigurationError
from wireloom.spi import Intake, Kind, StartFrom, Subscriber, Subscription
from wireloom_redis.entry import before, first_of
from wireloom_redis.failures import RefusedError
from wireloom_redis.hub import Group, Hub
from wireloom_redis.ordered import OrderedSubscriber
from wireloom_redis.scripts import GROUP
from wireloom_redis.serving import Serving
from wireloom_redis.signals import SignalSubscriber
from wireloom_redis.subscriber import CopySubscriber, GroupSubscriber

__all__ = ["Subscribing", "create_group"]


class Subscribing:
    """Opens subscriptions; each is live at the server when it is returned."""

    def __init__(self, hub: Hub, serving: Serving) -> None:
        self._hub = hub
        self._serving = serving

    async def open(self, subscription: Subscription, intake: Intake) -> Subscriber:
        """Begin to deliver.

        :raises ConfigurationError: if its stream's name is taken, or its group is missing and may
            not be created.
        :raises TransportError: if the server refused it or is gone.
        """
        if subscription.kind is Kind.REQUEST:
            return await self._serving.open(subscription, intake)
        group = Group.of(subscription, self._hub.names, self._hub.environment.instance)
        copies = subscription.broadcast or subscription.ephemeral
        if not subscription.durable:
            signals = SignalSubscriber(self._hub, group, subscription.pattern, intake)
            await signals.start()
            return signals
        self._hub.delays.watch(group.stream)
        if copies:
            after, last = await self._place(group, subscription.start_from)
            return CopySubscriber(self._hub, group, intake, after, last)
        self._hub.delays.watch(group.due)
        born = await create_group(self._hub, group, subscription)
        if subscription.ordered:
            return await OrderedSubscriber.open(self._hub, group, subscription, intake, born)
        return GroupSubscriber(self._hub, group, intake, born)

    async def _place(self, group: Group, start: StartFrom) -> tuple[str, str]:
        """Return after which entry copies begin, and the last entry that is there."""
        newest = await self._hub.session.call("XREVRANGE", group.stream, "+", "-", "COUNT", 2)
        ids = [raw.decode() for raw, _ in newest]
        last = ids[0] if ids else "0-0"
        if start == "new":
            return last, last
        if start == "last":
            return (before(last) if ids else last), last
        return before(first_of(start) or "0-1"), last


async def create_group(hub: Hub, group: Group, subscription: Subscription) -> str:
    """Create a group unless it is there; return the last entry from before it began.

    :raises ConfigurationError: if its stream's name is taken, or it may not be created.
    """
    first = first_of(subscription.start_from)
    start = str(subscription.start_from) if first is None else before(first)
    facts = hub.names.registry("groups")
    try:
        born, _ = await GROUP.run(
            hub.session,
            [group.stream, facts, group.due],
            *(group.name, start, int(not hub.options.declare)),
        )
    except RefusedError as error:
        raise _explained(error, group, subscription) from error
    return str(born.decode())


def _explained(error: RefusedError, group: Group, subscription: Subscription) -> Exception:
    if error.code == "WRONGTYPE":
        return ConfigurationError(
            f"the key {group.stream!r} exists and is no stream",
            where=subscription.where,
            remedy="remove it, or use another pattern or namespace",
        )
    if error.code == "NOGROUP":
        return ConfigurationError(
            f"{error}, and declare=False",
            where=subscription.where,
            remedy="wireloom topology apply",
        )
    return error
