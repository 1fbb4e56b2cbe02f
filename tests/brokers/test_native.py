"""Each native broker serves its real driver, and keeps what it stored through SIGKILL."""

import asyncio

import aio_pika
import nats
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from redis.asyncio import Redis

from tests.brokers import Broker, KafkaServer, NatsServer, RabbitMqServer, RedisServer

pytestmark = pytest.mark.timeout(240)  # a test here starts its broker twice, perhaps on a busy CI

WAIT = 30.0  # seconds; the bound of every exchange with a driver


async def _killed_and_back(broker: Broker) -> None:
    url = broker.url
    broker.kill()
    await asyncio.to_thread(broker.start)
    assert broker.url == url


async def test_nats_answers_and_keeps_its_streams_through_a_kill() -> None:
    with NatsServer() as broker:
        async with asyncio.timeout(WAIT):
            client = await nats.connect(broker.url)
            await client.jetstream().add_stream(name="kept", subjects=["kept.>"])
            ack = await client.jetstream().publish("kept.one", b"body")
            await client.close()
        assert ack.seq == 1

        await _killed_and_back(broker)

        async with asyncio.timeout(WAIT):
            client = await nats.connect(broker.url)
            message = await client.jetstream().get_msg("kept", seq=1)
            await client.close()
        assert message.data == b"body"


async def test_redis_answers_and_keeps_its_keys_through_a_kill() -> None:
    with RedisServer(settings=["appendfsync always"]) as broker:
        async with asyncio.timeout(WAIT), Redis.from_url(broker.url) as client:
            assert await client.ping()
            await client.set("kept", b"body")

        await _killed_and_back(broker)

        async with asyncio.timeout(WAIT), Redis.from_url(broker.url) as client:
            assert await client.get("kept") == b"body"


async def test_rabbitmq_answers_and_keeps_its_queues_through_a_kill() -> None:
    with RabbitMqServer() as broker:
        async with asyncio.timeout(WAIT), await aio_pika.connect(broker.url) as connection:
            channel = await connection.channel()
            await channel.declare_queue("kept", durable=True)
            body = aio_pika.Message(b"body", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await channel.default_exchange.publish(body, "kept")

        await _killed_and_back(broker)

        async with asyncio.timeout(WAIT), await aio_pika.connect(broker.url) as connection:
            channel = await connection.channel()
            queue = await channel.declare_queue("kept", durable=True)
            message = await queue.get(timeout=WAIT)
            await message.ack()
        assert message.body == b"body"
        assert "kept" in broker.control("list_queues", "name").split()


async def test_kafka_answers_and_keeps_its_topics_through_a_kill() -> None:
    with KafkaServer() as broker:
        async with (
            asyncio.timeout(WAIT),
            AIOKafkaProducer(
                bootstrap_servers=broker.url, acks="all", enable_idempotence=True
            ) as producer,
        ):
            await producer.send_and_wait("kept", b"body")
        async with asyncio.timeout(WAIT), _consumer(broker, group="before") as consumer:
            assert (await consumer.getone()).value == b"body"

        await _killed_and_back(broker)

        async with asyncio.timeout(WAIT), _consumer(broker, group="after") as consumer:
            assert (await consumer.getone()).value == b"body"


def _consumer(broker: Broker, group: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        "kept",
        bootstrap_servers=broker.url,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
