"""Session-wide brokers for pytest: `nats_broker`, `redis_broker` and so on.

A broker starts before the first test that asks for it, outside that test's time limit, serves the
whole session, and is closed at its end. One that is missing fails every test that asks for it. A
test that gets a fixture by `request.getfixturevalue` names the broker in a mark:
`@pytest.mark.brokers("kafka")`.

These are for sharing: tests that stop or freeze a broker start one of their own, such as
`NatsServer()`.
"""

import contextlib
from collections.abc import Iterator

import pytest

from tests.brokers.broker import Broker, BrokerError
from tests.brokers.choice import NAMES, choose

_FIXTURES = {f"{name}_broker": name for name in NAMES}


class BrokerSession:
    """The brokers of one pytest session, started when they are first asked for."""

    def __init__(self) -> None:
        self._known: dict[str, Broker | BrokerError] = {}
        self._close = contextlib.ExitStack()

    def prepare(self, name: str) -> Broker | BrokerError:
        """Start a broker, once; what went wrong is kept for those who `get` it."""
        if name not in self._known:
            try:
                self._known[name] = self._close.enter_context(choose(name))
            except BrokerError as error:
                self._known[name] = error
        return self._known[name]

    def get(self, name: str) -> Broker:
        """A running broker.

        Raises:
            BrokerError: it is missing or did not start.
        """
        broker = self.prepare(name)
        if isinstance(broker, BrokerError):
            raise broker
        return broker

    def close(self) -> None:
        """Close all that was started."""
        self._close.close()


_SESSION = pytest.StashKey[BrokerSession]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "brokers(*names): brokers to start before this test")
    config.stash[_SESSION] = BrokerSession()


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[_SESSION].close()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Start what the test asks for before anything measures the test's time."""
    for name in _wanted(item):
        item.config.stash[_SESSION].prepare(name)
    return (yield)


def _wanted(item: pytest.Item) -> set[str]:
    fixtures = getattr(item, "fixturenames", ())
    marked = {name for mark in item.iter_markers("brokers") for name in mark.args}
    return marked | {_FIXTURES[name] for name in fixtures if name in _FIXTURES}


@pytest.fixture(scope="session")
def nats_broker(request: pytest.FixtureRequest) -> Broker:
    """A NATS server with JetStream."""
    return request.config.stash[_SESSION].get("nats")


@pytest.fixture(scope="session")
def redis_broker(request: pytest.FixtureRequest) -> Broker:
    """A Redis server with an append-only file."""
    return request.config.stash[_SESSION].get("redis")


@pytest.fixture(scope="session")
def rabbitmq_broker(request: pytest.FixtureRequest) -> Broker:
    """A RabbitMQ node."""
    return request.config.stash[_SESSION].get("rabbitmq")


@pytest.fixture(scope="session")
def kafka_broker(request: pytest.FixtureRequest) -> Broker:
    """A Kafka node."""
    return request.config.stash[_SESSION].get("kafka")
