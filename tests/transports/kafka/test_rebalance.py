import asyncio
import sys

import pytest

from tests.brokers import Broker
from tests.transports.kafka.harness import Collector, Join, Party, event, eventually, subscription
from wireloom.errors import ConfigurationError
from wireloom.spi import Delivery
from wireloom_kafka import KafkaHandlerOptions
from wireloom_kafka.tracker import Marks

pytestmark = pytest.mark.timeout(90)
FOUR = KafkaHandlerOptions(partitions=4)


async def committed(party: Party, group: str, topic: str) -> dict[int, tuple[int, str]]:
    admin = party.transport._link.admin
    known = await admin.committed(group, await admin.partitions([topic]))
    return {tp.partition: row for tp, row in known.items()}


async def test_second_member_waits_for_what_the_first_one_runs_and_nothing_is_lost_or_repeated(
    join: Join, unique: str
) -> None:
    one, two = (await join()).transport, (await join()).transport
    first, second = Collector(1000), Collector(1000, acks=True)
    wanted = subscription(f"{unique}.h", f"{unique}.a")
    await one.subscribe(wanted, first)
    await one.publish_many([event(f"{unique}.a", str(n).encode(), key=str(n)) for n in range(40)])
    running = list(await first.wait_for(40))[:20]

    joining = asyncio.ensure_future(two.subscribe(wanted, second))
    await eventually(lambda: all(delivery.lost for delivery in first.taken), 20)
    assert not second.taken
    for delivery in running:
        await delivery.ack()
    for delivery in first.taken[20:40]:
        await delivery.give_back()  # as the core does with what is lost before it started
    await joining

    def acknowledge(deliveries: list[Delivery]) -> list[bytes]:
        return [delivery.message.body for delivery in deliveries]

    await eventually(lambda: len(first.taken) - 40 + len(second.taken) >= 20, 20)
    await asyncio.sleep(1.0)
    again = acknowledge(first.taken[40:]) + second.bodies()
    done = acknowledge(running)
    assert sorted(map(int, done + again)) == list(range(40))


async def test_commit_never_passes_an_unfinished_event_and_marks_what_is_beyond(
    join: Join, unique: str
) -> None:
    party = await join(partitions=1)
    intake = Collector(100)
    await party.transport.subscribe(subscription(f"{unique}.h", f"{unique}.a"), intake)
    for number in range(10):
        await party.transport.publish(event(f"{unique}.a", str(number).encode()))
    taken = list(await intake.wait_for(10))
    for delivery in taken[:3] + taken[5:7]:
        await delivery.ack()
    async with asyncio.timeout(10):
        while (found := (await committed(party, f"{unique}.h", f"{unique}.a"))[0])[0] < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    marks = Marks.from_text(found[1], found[0])
    assert found[0] == 3
    assert marks.done == ((5, 6),)
    assert marks.crashes == 1  # were this process to die now


async def test_work_of_a_killed_process_runs_again_elsewhere_and_is_counted(
    join: Join, kafka_broker: Broker, unique: str
) -> None:
    address = f"{unique}.a"
    party = await join(session_timeout=6.0)
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.transports.kafka.dying",
        kafka_broker.url,
        unique,
        address,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(40):
            assert child.stdout is not None
            assert await child.stdout.readline() == b"subscribed\n"
            await party.transport.publish(event(address, b"x"))
            assert await child.stdout.readline() == b"taken\n"
    finally:
        child.kill()
        await child.communicate()
    intake = Collector(acks=True)
    await party.transport.subscribe(subscription(f"{unique}.h", address), intake)
    (again,) = await intake.wait_for(1, within=20)
    assert (again.message.body, again.attempt) == (b"x", 1)
    assert again.deliveries > again.attempt


async def test_retry_that_waits_survives_its_process(join: Join, unique: str) -> None:
    one = (await join()).transport
    wanted = subscription(f"{unique}.h", f"{unique}.a")
    first = Collector()
    subscriber = await one.subscribe(wanted, first)
    await one.publish(event(f"{unique}.a", b"x"))
    (delivery,) = await first.wait_for(1)
    await delivery.retry(2.5, 3)
    await subscriber.close()
    second = Collector(acks=True)
    await one.subscribe(wanted, second)
    (again,) = await second.wait_for(1)
    assert again.attempt == 3


async def test_topic_with_too_few_partitions_for_the_shards_is_refused(
    join: Join, unique: str
) -> None:
    one = (await join(partitions=2)).transport
    await one.publish(event(f"{unique}.a"))
    other = (await join()).transport
    with pytest.raises(ConfigurationError, match="partitions=2"):
        await other.subscribe(
            subscription(f"{unique}.h", f"{unique}.a", ordered=True, shards=4), Collector()
        )
    with pytest.raises(ConfigurationError, match="partitions=2"):
        await other.subscribe(subscription(f"{unique}.h", f"{unique}.a", native=FOUR), Collector())
