"""Which broker a run gets: the environment's, docker compose's, or a process of this machine."""

import os
from collections.abc import Callable, Iterable, Mapping

from tests.brokers.broker import Broker, MissingBrokerError
from tests.brokers.compose import ComposeBroker, docker_answers
from tests.brokers.external import ExternalBroker
from tests.brokers.install.apt import ensure_rabbitmq, ensure_redis
from tests.brokers.install.maven import ensure_kafka
from tests.brokers.install.wheel import ensure_nats
from tests.brokers.native.kafka import KafkaServer
from tests.brokers.native.nats import NatsServer
from tests.brokers.native.rabbitmq import RabbitMqServer
from tests.brokers.native.redis import RedisServer

NAMES = ("nats", "redis", "rabbitmq", "kafka")

_NATIVE: Mapping[str, Callable[[], Broker]] = {
    "nats": NatsServer,
    "redis": RedisServer,
    "rabbitmq": RabbitMqServer,
    "kafka": KafkaServer,
}
_ENSURE: Mapping[str, Callable[[], None]] = {
    "nats": ensure_nats,
    "redis": ensure_redis,
    "rabbitmq": ensure_rabbitmq,
    "kafka": ensure_kafka,
}


def variable(name: str) -> str:
    """The environment variable that names a running broker."""
    return f"WIRELOOM_{name.upper()}_URL"


def choose(name: str) -> Broker:
    """The broker called `name`, not started yet, installed if that is what it takes.

    Raises:
        MissingBrokerError: nothing provides it and this machine does not let us install it.
    """
    url = os.environ.get(variable(name))
    if url:
        return ExternalBroker(name, variable(name), url)
    if docker_answers():
        return ComposeBroker(name)
    _ENSURE[name]()
    return _NATIVE[name]()


def ensure(names: Iterable[str] = NAMES) -> None:
    """Install what `choose` would have to, so that no test waits for it.

    Raises:
        MissingBrokerError: one text for all that is still missing, with the commands to run.
    """
    missing = [text for name in names if (text := _complaint(name))]
    if missing:
        raise MissingBrokerError("\n".join(missing))


def _complaint(name: str) -> str | None:
    if os.environ.get(variable(name)) or docker_answers():
        return None
    try:
        _ENSURE[name]()
    except MissingBrokerError as error:
        return f"{name}: {error}\n  or set {variable(name)} to a broker that runs"
    return None
