"""The session's brokers start once, before the clock of the test that asks first."""

import socket

import pytest

from tests.brokers import Broker, BrokerError, MissingBrokerError, choice, fixtures

# Starting it takes longer than this on any machine, answering does not.
START_IS_NOT_COUNTED = pytest.mark.timeout(1)


@START_IS_NOT_COUNTED
def test_time_to_start_is_not_the_tests_time(rabbitmq_broker: Broker) -> None:
    port = int(rabbitmq_broker.url.rpartition(":")[2])
    socket.create_connection(("127.0.0.1", port), 1).close()


@pytest.mark.brokers("redis")
def test_marked_test_may_fetch_its_broker_later(request: pytest.FixtureRequest) -> None:
    broker = request.getfixturevalue("redis_broker")
    assert broker is request.getfixturevalue("redis_broker")


def test_all_share_one_broker(redis_broker: Broker, request: pytest.FixtureRequest) -> None:
    assert request.config.stash[fixtures._SESSION].get("redis") is redis_broker


def test_missing_broker_fails_each_test_that_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = []

    def missing(name: str) -> Broker:
        attempts.append(name)
        raise MissingBrokerError("not here")

    monkeypatch.setattr(fixtures, "choose", missing)
    session = fixtures.BrokerSession()
    assert isinstance(session.prepare("nats"), BrokerError)
    for _ in range(2):
        with pytest.raises(MissingBrokerError, match="not here"):
            session.get("nats")
    assert attempts == ["nats"]
    assert set(choice.NAMES) == {"nats", "redis", "rabbitmq", "kafka"}
