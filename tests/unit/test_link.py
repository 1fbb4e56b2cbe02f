"""One token's connection: signs of life, and messages to its inbox from anybody."""

import asyncio

import pytest

from tests.unit.apps import TOKEN, application, started
from wireloom import ConnectionFailedError, MessagePattern, Status
from wireloom.spi import Kind, Message
from wireloom.testing import ManualClock, idle
from wireloom_memory import MemoryBroker
from wireloom_memory.transport import MemoryTransport


@MessagePattern("get")
async def get() -> int:
    return 1


async def test_frozen_broker_makes_the_application_not_ready_and_ready_again() -> None:
    broker, clock = MemoryBroker(), ManualClock()
    async with started(get, broker=broker, clock=clock) as app:
        broker.freeze()
        await clock.advance(5.1)
        await clock.advance(5.1)
        assert not app.ready
        link = app.health()["transports"][TOKEN]
        assert (link["status"], link["healthy"]) == ("connected", False)
        assert "does not answer" in link["error"]
        broker.thaw()
        await clock.advance(6)
        assert app.ready


async def test_restarted_application_is_ready_whatever_its_last_probe_said() -> None:
    broker, clock = MemoryBroker(), ManualClock()
    app = application(get, broker=broker, clock=clock)
    async with app:
        broker.freeze()
        await clock.advance(5.1)
        await clock.advance(5.1)
        assert not app.ready
        broker.thaw()
    async with app:
        assert app.ready


@pytest.mark.parametrize("kind", [Kind.REPLY, Kind.ITEM, Kind.END, Kind.ERROR])
async def test_answer_to_nobody_is_dropped_and_counted(kind: Kind) -> None:
    async with started(get) as app:
        link = app.links[TOKEN]
        await link.transport.publish(Message(kind, link.inbox, b"x", {}, "nobody"))
        await idle()
        assert link.counters.late_replies == 1
        assert await app.client(TOKEN).send("get") == 1


@pytest.mark.parametrize("body", [b"", b"-1", b"abc", b"9" * 100, b"\xff", "٣".encode()])
async def test_credit_and_cancel_from_anybody_do_no_harm(body: bytes) -> None:
    async with started(get) as app:
        link = app.links[TOKEN]
        for kind in (Kind.CREDIT, Kind.CANCEL):
            await link.transport.publish(Message(kind, link.inbox, body, {}, "nobody"))
        assert await app.client(TOKEN).send("get") == 1


async def test_status_begins_closed_and_ends_closed() -> None:
    app = application(get)
    link = app.links[TOKEN]
    assert link.status is Status.CLOSED
    async with app:
        assert link.status is Status.CONNECTED
    assert link.status is Status.CLOSED


async def test_connection_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hangs(self: MemoryTransport) -> None:
        await asyncio.Event().wait()

    app = application(get)
    object.__setattr__(app.links[TOKEN].options, "startup_timeout", 0.05)
    with monkeypatch.context() as patch:
        patch.setattr(MemoryTransport, "connect", hangs)
        with pytest.raises(ConnectionFailedError, match="not connected in"):
            await app.start()
