"""One namespace for each test on the session's broker."""

import pytest

from tests.brokers import Broker
from tests.transports.rabbitmq.harness import Place


@pytest.fixture
def place(rabbitmq_broker: Broker) -> Place:
    return Place(rabbitmq_broker.url)
