"""Foreign producers, hostile headers, and servers gone mad."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import nats
import pytest

from tests.brokers.native.nats import NatsServer
from tests.transports.nats.conftest import Site, Taken, declaration, event, subscription
from wireloom.errors import ConfigurationError, ConnectionFailedError, TransportError

INFO = (
    b'INFO {"server_id":"x","version":"2.15.1","max_payload":1048576,"headers":true,"proto":1}\r\n'
)


async def test_a_foreign_producer_reaches_a_handler_and_reads_what_is_emitted(site: Site) -> None:
    transport = await site.connect()
    taken = Taken()
    await transport.subscribe(subscription("user.created"), taken)
    client = await nats.connect(site.url)
    ack = await client.jetstream().publish(f"{site.namespace}.user.created", b'{"id": 1}')
    message = (await taken.take()).message
    assert (message.address, message.body, message.key) == ("user.created", b'{"id": 1}', None)
    assert message.id == f"{ack.stream}:{ack.seq}"
    listening = await client.subscribe(f"{site.namespace}.user.created")
    await client.flush()  # the driver's first PING overtakes what it was to flush
    await client.flush()
    await transport.publish(event("user.created", b'{"id": 2}', id="u", headers={"tenant": "a"}))
    seen = await listening.next_msg(timeout=10)
    assert seen.data == b'{"id": 2}'
    assert seen.headers is not None
    assert (seen.headers["tenant"], seen.headers["wl-id"]) == ("a", "u")
    await client.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"wl-delay-ms": "-1"},
        {"wl-delay-ms": "9" * 30},
        {"wl-delay-ms": "1_0"},
        {"wl-address": "elsewhere"},
        {"wl-stream": "$JS"},
        {"Wl-Id": "", "Nats-Msg-Id": "n"},
        {f"h{number}": "x" * 50 for number in range(1000)},
        {"wl-reply-to": "$JS.API.STREAM.DELETE.x", "wl-kind": "cancel"},
    ],
)
async def test_hostile_headers_change_nothing(site: Site, headers: dict[str, str]) -> None:
    transport = await site.connect()
    taken = Taken()
    await transport.subscribe(subscription("user.created"), taken)
    client = await nats.connect(site.url)
    await client.publish(f"{site.namespace}.user.created", b"1", headers=headers)
    delivery = await taken.take()
    assert (delivery.attempt, delivery.message.address) == (1, "user.created")
    assert delivery.message.reply_to is None
    await client.close()


async def test_what_anybody_writes_to_a_consumers_inbox_is_no_delivery(site: Site) -> None:
    transport = await site.connect()
    taken = Taken()
    await transport.subscribe(subscription("user.created"), taken)
    client = await nats.connect(site.url)
    target = f"{transport._inbox.address}~1.p"
    await client.publish(target, b"x", reply="$JS.ACK.a.b.c")
    await client.publish(target, b"x", headers={"Nats-Pending-Messages": "x"})
    await client.flush()
    sent = await transport.publish(event("user.created"))
    assert (await taken.take()).message.id == sent.id
    assert taken.waiting == 0
    await client.close()


async def test_an_account_without_jetstream_is_told_apart() -> None:
    accounts = (
        'accounts { A { users: [{ user: a, password: "a" }] }, '
        'B { jetstream: enabled, users: [{ user: b, password: "b" }] } }'
    )
    with NatsServer([accounts, "no_auth_user: a"]) as server:
        site = Site(server.url)
        transport = await site.connect()
        await transport.declare([declaration("ping", durable=False)])
        with pytest.raises(ConfigurationError, match="need JetStream"):
            await transport.declare([declaration("user.created")])
        await site.close()


@asynccontextmanager
async def mad_server(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], object],
) -> AsyncIterator[int]:
    """A server that says what it likes."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await talk(reader, writer)  # type: ignore[misc]
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize(
    "greeting",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"INFO {\r\n",
        b"INFO []\r\n",
        b"\xff" * 5000 + b"\r\n",
    ],
)
async def test_a_server_that_greets_nonsense_is_no_connection(greeting: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await writer.drain()

    async with mad_server(talk) as port:
        site = Site(f"nats://127.0.0.1:{port}")
        with pytest.raises(ConnectionFailedError):
            await site.connect(connect_timeout=1.0)
        await site.close()


@pytest.mark.parametrize(
    "garbage",
    [
        b"MSG s 1 -5\r\n",
        b"MSG s 1 99999999999\r\n",
        b"nonsense\r\n",
        b"INFO [1]\r\n",
        b"M" * 10_000,
        b"INFO " + b"x" * (2 << 20),
    ],
)
async def test_garbage_ends_the_connection_and_it_is_tried_again(garbage: bytes) -> None:
    talks = 0
    again = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal talks
        talks += 1
        if talks > 1:
            again.set()
        writer.write(INFO)
        await reader.readuntil(b"PING\r\n")
        writer.write(b"PONG\r\n" + garbage)
        await writer.drain()
        await reader.read()

    async with mad_server(talk) as port:
        site = Site(f"nats://127.0.0.1:{port}")
        transport = site.build(connect_timeout=2.0)
        with pytest.raises(TransportError):
            await transport.connect()
        async with asyncio.timeout(5):
            while not again.is_set() and talks < 2:
                try:
                    await transport.connect()
                except TransportError:
                    continue
        await site.close()
