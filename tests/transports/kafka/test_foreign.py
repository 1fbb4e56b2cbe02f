"""The bare driver on one side, Wireloom on the other."""

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from tests.brokers import Broker
from tests.transports.kafka.harness import Collector, Join, environment, event, subscription
from wireloom.errors import UnsupportedOptionError
from wireloom_kafka import KafkaOptions
from wireloom_kafka.transport import KafkaTransport

pytestmark = pytest.mark.timeout(60)


async def test_bare_driver_reads_what_is_published(
    join: Join, kafka_broker: Broker, unique: str
) -> None:
    one = (await join()).transport
    await one.publish(event(f"{unique}.a", b'{"n":1}', id="7", key="k", headers={"tenant": "a"}))
    consumer = AIOKafkaConsumer(
        f"{unique}.a", bootstrap_servers=kafka_broker.url, auto_offset_reset="earliest"
    )
    async with consumer:
        record = await consumer.getone()
    assert (record.key, record.value) == (b"k", b'{"n":1}')
    headers = dict(record.headers)
    assert (headers["wl-id"], headers["tenant"]) == (b"7", b"a")


async def test_handler_receives_what_the_bare_driver_produces(
    join: Join, kafka_broker: Broker, unique: str
) -> None:
    one = (await join()).transport
    intake = Collector(acks=True)
    await one.subscribe(subscription(f"{unique}.h", f"{unique}.a"), intake)
    async with AIOKafkaProducer(bootstrap_servers=kafka_broker.url) as producer:
        await producer.send_and_wait(f"{unique}.a", b"plain")
        await producer.send_and_wait(
            f"{unique}.a", None, key=b"\xff", headers=[("X-Odd", b"\xfe"), ("wl-attempt", b"9e9")]
        )
        await producer.send_and_wait(f"{unique}.a", b"good", headers=[("wl-delay-ms", b"-5")])
    await intake.wait_for(3)
    assert sorted(intake.bodies()) == [b"", b"good", b"plain"]
    odd = next(d for d in intake.taken if not d.message.body)
    assert odd.attempt == 1
    assert odd.message.headers == {"x-odd": "\ufffd"}


async def test_given_producer_publishes_and_is_left_open(kafka_broker: Broker, unique: str) -> None:
    async with AIOKafkaProducer(
        bootstrap_servers=kafka_broker.url, enable_idempotence=True
    ) as producer:
        options = KafkaOptions(kafka_broker.url, client=producer)
        transport = KafkaTransport(options, environment(unique))
        await transport.connect()
        assert transport.unwrap() is producer
        await transport.publish(event(f"{unique}.a"))
        await transport.close()
        assert (await producer.send_and_wait(f"{unique}.a", b"still")).offset >= 0


async def test_client_that_is_no_producer_is_refused(unique: str) -> None:
    with pytest.raises(UnsupportedOptionError, match="client"):
        KafkaTransport(KafkaOptions(client=object()), environment(unique))
