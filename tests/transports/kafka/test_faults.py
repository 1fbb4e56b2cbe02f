"""A broker of these tests' own, which they stop and freeze."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.brokers import KafkaServer
from tests.transports.kafka.harness import (
    Collector,
    Party,
    environment,
    event,
    eventually,
    joined,
    subscription,
)
from wireloom.errors import ConnectionFailedError, PayloadTooLargeError, TransportError
from wireloom.spi import Status
from wireloom_kafka import KafkaOptions
from wireloom_kafka.transport import KafkaTransport

pytestmark = pytest.mark.timeout(120)  # the first one starts the broker


@pytest.fixture(scope="module")
def own() -> Iterator[KafkaServer]:
    with KafkaServer() as server:
        yield server


@pytest.fixture
async def party(own: KafkaServer, unique: str) -> AsyncIterator[Party]:
    party = await joined(own.url, unique, request_timeout=3.0)
    yield party
    await party.transport.close()


async def test_publishing_to_a_frozen_broker_fails_in_time_and_works_again_after(
    own: KafkaServer, party: Party, unique: str
) -> None:
    one = party.transport
    intake = Collector(acks=True)
    await one.subscribe(subscription(f"{unique}.h", f"{unique}.a"), intake)
    await one.publish(event(f"{unique}.a", b"before"))
    own.pause()
    try:
        async with asyncio.timeout(5):
            with pytest.raises(TransportError):
                await one.publish(event(f"{unique}.a", b"during"))
        await party.wait_for_status(Status.RECONNECTING)
    finally:
        own.resume()
    await party.wait_for_status(Status.CONNECTED)
    await one.publish(event(f"{unique}.a", b"after"))
    await eventually(lambda: b"after" in intake.bodies(), 30)


async def test_subscription_and_inbox_outlive_a_restart_of_the_broker(
    own: KafkaServer, party: Party, unique: str
) -> None:
    one = party.transport
    intake = Collector(acks=True)
    arrived = asyncio.Event()
    inbox = await one.open_inbox(lambda message: arrived.set())
    await one.subscribe(subscription(f"{unique}.h", f"{unique}.a"), intake)
    await asyncio.to_thread(own.restart)
    async with asyncio.timeout(40):
        while True:
            try:
                await one.publish(event(f"{unique}.a", b"after"))
                break
            except TransportError:
                continue
        await eventually(lambda: b"after" in intake.bodies(), 30)
        message = event(inbox)
        message.kind = type(message.kind).REPLY
        await one.publish(message)
        await arrived.wait()


async def test_closing_while_the_broker_is_frozen_is_bounded(own: KafkaServer, unique: str) -> None:
    party = await joined(own.url, unique, request_timeout=3.0)
    await party.transport.open_inbox(lambda message: None)
    await party.transport.subscribe(subscription(f"{unique}.h", f"{unique}.a"), Collector())
    own.pause()
    try:
        async with asyncio.timeout(30):
            await party.transport.close()
            await party.transport.close()
    finally:
        own.resume()


async def test_broker_that_is_not_there_is_a_failure_that_may_pass(unique: str) -> None:
    options = KafkaOptions("127.0.0.1:1", request_timeout=2.0)
    transport = KafkaTransport(options, environment(unique))
    with pytest.raises(ConnectionFailedError) as caught:
        await transport.connect()
    assert not caught.value.fatal
    await transport.close()


async def test_message_over_the_topics_limit_is_refused_and_the_next_one_passes(
    own: KafkaServer, party: Party, unique: str
) -> None:
    one = party.transport
    await one.publish(event(f"{unique}.a", b"x" * 1_000_000))
    with pytest.raises(PayloadTooLargeError):
        await one.publish(event(f"{unique}.a", b"x" * 1_200_000))
    await one.publish(event(f"{unique}.a", b"x"))
