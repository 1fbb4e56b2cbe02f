"""The chaos proxy, between a client and an echo server."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from wireloom.testing import (
    Blackhole,
    ChaosProxy,
    Delay,
    Direction,
    DropReply,
    HalfClose,
    Hold,
    Pass,
    Rate,
    Refuse,
    ResetAfter,
    TruncateAfter,
)
from wireloom.testing.conformance.record import eventually

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[ChaosProxy]:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, ChaosProxy("127.0.0.1", port, seed=7) as proxy:
        yield proxy


@pytest.fixture
async def client(proxy: ChaosProxy) -> AsyncIterator[Streams]:
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        yield reader, writer
        writer.transport.abort()


async def ask(client: Streams, data: bytes) -> bytes:
    client[1].write(data)
    return await client[0].readexactly(len(data))


async def test_bytes_pass(client: Streams) -> None:
    assert await ask(client, b"x" * 200_000) == b"x" * 200_000


async def test_a_refused_client_is_reset_and_gets_in_again_on_the_same_port(
    proxy: ChaosProxy, client: Streams
) -> None:
    await ask(client, b"x")
    await proxy.plant(Refuse())
    with pytest.raises(ConnectionError):
        await client[0].readexactly(1)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", proxy.port)
    await proxy.plant(Pass())
    again = await asyncio.open_connection("127.0.0.1", proxy.port)
    assert await ask(again, b"y") == b"y"
    again[1].transport.abort()


async def test_a_black_hole_swallows_what_is_sent_and_keeps_the_connection(
    proxy: ChaosProxy, client: Streams
) -> None:
    await proxy.plant(Blackhole())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(ask(client, b"lost"), 0.1)
    await proxy.plant(Pass())
    assert await ask(client, b"found") == b"found"


async def test_held_bytes_pass_when_they_are_released(proxy: ChaosProxy, client: Streams) -> None:
    hold = Hold()
    await proxy.plant(hold)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(ask(client, b"held"), 0.1)
    hold.release()
    assert await client[0].readexactly(4) == b"held"


async def test_half_a_connection_is_closed(proxy: ChaosProxy, client: Streams) -> None:
    await proxy.plant(HalfClose(Direction.DOWN))
    client[1].write(b"x")
    assert await client[0].read() == b""
    assert proxy.connections == 1


async def test_bytes_are_delayed(proxy: ChaosProxy, client: Streams) -> None:
    await proxy.plant(Delay(0.05, jitter=0.01))
    start = time.monotonic()
    assert await ask(client, b"x") == b"x"
    assert 0.1 <= time.monotonic() - start < 2


async def test_bytes_pass_at_a_rate(proxy: ChaosProxy, client: Streams) -> None:
    await proxy.plant(Rate(100_000))
    start = time.monotonic()
    await ask(client, b"x" * 10_000)
    assert 0.1 <= time.monotonic() - start < 2


async def test_a_connection_is_reset_after_so_many_bytes(
    proxy: ChaosProxy, client: Streams
) -> None:
    await proxy.plant(ResetAfter(10, 20))
    assert await ask(client, b"x" * 9) == b"x" * 9
    client[1].write(b"x" * 20)
    with pytest.raises(ConnectionError):
        await client[0].read(100)


async def test_a_direction_ends_in_the_middle(proxy: ChaosProxy, client: Streams) -> None:
    await proxy.plant(TruncateAfter(5, direction=Direction.DOWN))
    client[1].write(b"0123456789")
    assert await client[0].read() == b"01234"


async def test_the_reply_of_one_request_is_dropped(proxy: ChaosProxy, client: Streams) -> None:
    fault = DropReply(b"GET", nth=2, cut=False)
    await proxy.plant(fault)
    assert await ask(client, b"GET 1") == b"GET 1"
    client[1].write(b"GET 2")
    await eventually(lambda: fault.dropped)
    assert await ask(client, b"GET 3") == b"GET 3"


async def test_a_dropped_reply_cuts_the_connection_if_asked(
    proxy: ChaosProxy, client: Streams
) -> None:
    await proxy.plant(DropReply(lambda data: data == b"GET"))
    client[1].write(b"GET")
    with pytest.raises(ConnectionError):
        await client[0].readexactly(3)


async def test_a_seed_is_shown_and_a_server_that_is_down_ends_the_connection() -> None:
    async with ChaosProxy("127.0.0.1", 1, seed=5) as proxy:
        assert "seed=5" in repr(proxy)
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        with contextlib.suppress(ConnectionError):
            assert await reader.read(1) == b""
        writer.transport.abort()
