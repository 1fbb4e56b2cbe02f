"""Options of the memory transport, and brokers by name."""

import asyncio

import pytest

from tests.unit.memory.rig import Basket, Rig, listens, publish
from wireloom.errors import ConfigurationError, ConnectionFailedError, UnsupportedOptionError
from wireloom_memory import MemoryBroker, MemoryOptions


def test_a_url_names_the_broker() -> None:
    assert MemoryOptions.from_url("memory://") == MemoryOptions()
    assert MemoryOptions.from_url("memory://Orders?namespace=n") == MemoryOptions(
        "Orders", namespace="n"
    )
    with pytest.raises(ConfigurationError, match="path"):
        MemoryOptions.from_url("memory://orders/1")


@pytest.mark.parametrize("option", [{"wire": "nestjs"}, {"driver": {"x": 1}}, {"client": object()}])
def test_an_option_without_meaning_in_process_is_refused(option: dict[str, object]) -> None:
    with pytest.raises(UnsupportedOptionError, match=next(iter(option))):
        MemoryOptions(**option)  # type: ignore[arg-type]


def test_one_name_is_one_broker() -> None:
    assert MemoryBroker.named("same") is MemoryBroker.named("same")
    assert MemoryBroker.named("same") is not MemoryBroker.named("other")


def test_a_broker_keeps_what_it_holds_from_one_loop_to_the_next() -> None:
    rig = Rig()

    async def publish_and_retry() -> None:
        transport = await rig.transport()
        basket = Basket()
        await transport.subscribe(listens("a"), basket)
        await publish(transport, b"1", b"2")
        await basket.take().retry(0.01, 2)

    async def receive() -> list[bytes]:
        transport = await rig.transport()
        basket = Basket()
        await transport.subscribe(listens("a"), basket)
        await basket.wait_for(2)
        await transport.close()
        return basket.bodies

    asyncio.run(publish_and_retry())
    assert asyncio.run(receive()) == [b"2", b"1"]


async def test_a_broker_refuses_a_second_event_loop_while_the_first_runs() -> None:
    rig = Rig()
    await rig.transport()
    with pytest.raises(ConnectionFailedError) as caught:
        await asyncio.to_thread(asyncio.run, rig.transport("b"))
    assert caught.value.fatal
