"""Transports joined to a real Kafka broker."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.brokers import Broker
from tests.transports.kafka.harness import Join, Party, joined


@pytest.fixture
def unique() -> str:
    """A word that no other test uses in a name."""
    return f"t{uuid.uuid4().hex[:10]}"


@pytest.fixture
async def join(kafka_broker: Broker, unique: str) -> AsyncIterator[Join]:
    """Connects parties, and closes them at the end."""
    parties: list[Party] = []

    async def connect(group: str = unique, **options: Any) -> Party:
        party = await joined(kafka_broker.url, group, **options)
        parties.append(party)
        return party

    yield connect
    for party in parties:
        await party.transport.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is below this folder: the Kafka transport is not finished."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.unproven)
