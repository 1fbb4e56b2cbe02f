"""What the parts of one transport share."""

from dataclasses import dataclass

from wireloom.spi import Environment, Subscription
from wireloom_redis.bell import Bell
from wireloom_redis.channels import Channels
from wireloom_redis.clock import ServerClock
from wireloom_redis.declared import Declared
from wireloom_redis.delays import Delays
from wireloom_redis.names import Names
from wireloom_redis.options import RedisHandlerOptions, RedisOptions
from wireloom_redis.session import Session
from wireloom_redis.tasks import Tasks

__all__ = ["Group", "Hub"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """One connection's parts, made together and closed together."""

    options: RedisOptions
    environment: Environment
    names: Names
    session: Session
    channels: Channels
    clock: ServerClock
    bell: Bell
    delays: Delays
    declared: Declared
    tasks: Tasks


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One subscription's group: its names on the server and how it is handled."""

    name: str
    address: str
    consumer: str
    stream: str
    due: str
    """The stream of what is due again for this subscription alone."""
    dead: str
    native: RedisHandlerOptions
    ordered: bool = False

    @classmethod
    def of(cls, subscription: Subscription, names: Names, instance: str) -> "Group":
        """Return the group that a subscription means."""
        native = subscription.native
        return cls(
            name=subscription.name,
            address=subscription.pattern.text,
            consumer=subscription.name if subscription.ordered else instance,
            stream=names.stream(subscription.pattern.text),
            due=names.due(subscription.name),
            dead=names.dead(subscription.name),
            native=native if isinstance(native, RedisHandlerOptions) else RedisHandlerOptions(),
            ordered=subscription.ordered,
        )
