"""A node under pressure: descriptors run out, strangers send garbage, many connections are idle."""

import asyncio
import contextlib
import os
import random
import resource
import socket

import pytest

from tests.unit.tcp.nodes import BOUND, TestNode, echo, listening
from tests.unit.tcp.test_codec_fuzz import inputs
from tests.unit.tcp.test_nodes import calling
from wireloom.spi import Status
from wireloom_tcp import listener


async def test_a_node_out_of_descriptors_waits_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "EXHAUSTED", 0.05)
    async with TestNode("a", listening()) as a:
        host, _, port = a.address.rpartition(":")
        clients = [socket.create_connection((host, int(port))) for _ in range(3)]
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) - 1, hard))
        try:
            calls = 0
            accept = listener.Listener._accept

            def counted(self: listener.Listener, sock: socket.socket) -> None:
                nonlocal calls
                calls += 1
                accept(self, sock)

            monkeypatch.setattr(listener.Listener, "_accept", counted)
            for _ in range(200):
                await asyncio.sleep(0)
            assert calls <= 3
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        async with TestNode("b", calling(a.address)) as b:
            await a.serve("echo", echo)
            assert (await b.call("echo", b"hi")).body == b"hi"
        for client in clients:
            client.close()


@pytest.mark.timeout(120)
async def test_ten_thousand_connections_of_garbage_disturb_nobody() -> None:
    options = listening(max_handshakes_per_ip=1000, max_connections_per_ip=1000)
    async with TestNode("a", options) as a, TestNode("b", calling(a.address)) as b:
        await a.serve("echo", echo)
        host, _, port = a.address.rpartition(":")
        data = list(inputs(random.Random(7), 10_000))
        answered = 0

        async def strangers() -> None:
            nonlocal answered
            while data:
                for _ in range(min(10, len(data))):
                    await _bad_connection(host, int(port), data.pop())
                assert (await b.call("echo", b"hi")).body == b"hi"
                answered += 1

        await asyncio.gather(*(strangers() for _ in range(20)))
        assert answered >= 1000
        assert len(a.transport.unwrap().peers) == 1  # type: ignore[union-attr]
        assert not a.hub.in_flight


async def _bad_connection(host: str, port: int, data: bytes) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(data)
    writer.write_eof()
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(BOUND):
            await reader.read()
    writer.close()


@pytest.mark.timeout(60)
async def test_an_idle_connection_costs_little() -> None:
    """Objects alone: less than 20 KiB for each of 200 connections, both ends included."""
    many = listening(max_connections_per_ip=1000, max_handshakes_per_ip=1000, backlog=512)
    async with TestNode("a", many) as a:
        await a.serve("echo", echo)
        before = _resident()
        async with TestNode("b", calling(a.address, connections=200)) as b:
            await b.until(Status.CONNECTED)
            assert len(b.transport.unwrap().peers) == 200  # type: ignore[union-attr]
            assert (_resident() - before) / 200 < 2 * 20 * 1024


def _resident() -> int:
    """Return the bytes of memory that this process holds."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()
