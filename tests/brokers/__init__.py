"""Real brokers for tests, benchmarks and developers.

A broker named by an environment URL is used as it is; else docker compose runs it, when an engine
answers; else it runs as a native process on a free port with a private data directory. Whatever
was started ends with the run that started it.

From a shell, `python -m tests.brokers start nats redis` prints the URLs and runs until interrupted;
`python -m tests.brokers ensure` installs what native brokers need. From tests, the fixtures of
`tests.brokers.fixtures` are the way in.
"""

from tests.brokers.broker import (
    Broker,
    BrokerError,
    BrokerStartError,
    MissingBrokerError,
    UnmanagedBrokerError,
)
from tests.brokers.choice import NAMES, choose, ensure
from tests.brokers.native.kafka import KafkaServer
from tests.brokers.native.nats import NatsServer
from tests.brokers.native.ports import free_port
from tests.brokers.native.rabbitmq import RabbitMqServer
from tests.brokers.native.redis import RedisServer

__all__ = [
    "NAMES",
    "Broker",
    "BrokerError",
    "BrokerStartError",
    "KafkaServer",
    "MissingBrokerError",
    "NatsServer",
    "RabbitMqServer",
    "RedisServer",
    "UnmanagedBrokerError",
    "choose",
    "ensure",
    "free_port",
]
