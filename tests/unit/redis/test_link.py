"""One connection, against a server that a test writes by hand."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wireloom.errors import ConnectionLostError
from wireloom_redis.failures import RefusedError
from wireloom_redis.link import Link


class Rig:
    """A link whose other end is the test."""

    def __init__(self) -> None:
        self.pushed: list[Any] = []
        self.lost: list[Exception | None] = []
        self.link = Link(self.pushed.append, self.lost.append)
        self._connected: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]]

    async def open(self) -> "Rig":
        self._connected = asyncio.get_running_loop().create_future()

        def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._connected.set_result((reader, writer))

        self.server = await asyncio.start_server(accepted, "127.0.0.1", 0)
        port = self.server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        self.link.attach(writer)
        self.reader, self.writer = await self._connected
        return self

    async def close(self) -> None:
        await self.link.close()
        self.writer.close()
        self.server.close()


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    rig = await Rig().open()
    yield rig
    await rig.close()


async def test_answers_reach_their_commands_in_order(rig: Rig) -> None:
    answers = [rig.link.call("PING", number) for number in range(3)]
    sent = await asyncio.wait_for(rig.reader.read(1000), 5)
    assert sent == b"".join(b"*2\r\n$4\r\nPING\r\n$1\r\n%d\r\n" % number for number in range(3))
    rig.writer.write(b":0\r\n:1")
    rig.writer.write(b"\r\n-ERR no\r\n")
    assert [await answers[0], await answers[1]] == [0, 1]
    with pytest.raises(RefusedError, match="ERR no") as caught:
        await answers[2]
    assert caught.value.code == "ERR"


async def test_pushed_messages_are_no_answers_and_confirmations_are(rig: Rig) -> None:
    subscribed, pinged = rig.link.call("SUBSCRIBE", "c"), rig.link.call("PING")
    rig.writer.write(b">3\r\n$7\r\nmessage\r\n$1\r\nb\r\n$1\r\nm\r\n")
    rig.writer.write(b">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n+PONG\r\n")
    assert await subscribed == [b"subscribe", b"c", 1]
    assert await pinged == b"PONG"
    assert rig.pushed == [[b"message", b"b", b"m"]]


async def test_refused_subscription_does_not_shift_the_answers(rig: Rig) -> None:
    subscribed, pinged = rig.link.call("SUBSCRIBE", "c"), rig.link.call("PING")
    rig.writer.write(b"-NOPERM no\r\n+PONG\r\n")
    with pytest.raises(RefusedError):
        await subscribed
    assert await pinged == b"PONG"


async def test_cancelled_command_does_not_shift_the_answers(rig: Rig) -> None:
    first, second = rig.link.call("GET", "a"), rig.link.call("GET", "b")
    first.cancel()
    rig.writer.write(b"+a\r\n+b\r\n")
    assert await second == b"b"


async def test_lost_connection_fails_all_that_waits_and_all_that_follows(rig: Rig) -> None:
    answers = [rig.link.call("PING") for _ in range(3)]
    rig.writer.transport.abort()  # type: ignore[attr-defined]
    for answer in answers:
        with pytest.raises(ConnectionLostError):
            await answer
    assert len(rig.lost) == 1
    with pytest.raises(ConnectionLostError) as caught:
        rig.link.call("PING")
    assert not caught.value.maybe_executed


@pytest.mark.parametrize("error", ["READONLY replica", "LOADING data", "MOVED 1 127.0.0.1:2"])
async def test_server_that_takes_no_writes_is_left(rig: Rig, error: str) -> None:
    answer = rig.link.call("SET", "a", 1)
    rig.writer.write(f"-{error}\r\n".encode())
    with pytest.raises(RefusedError):
        await answer
    assert len(rig.lost) == 1


async def test_closed_link_writes_what_waits_and_tells_nobody(rig: Rig) -> None:
    answer = rig.link.call("PING")
    await rig.link.close()
    assert b"PING" in await asyncio.wait_for(rig.reader.read(1000), 5)
    with pytest.raises(ConnectionLostError):
        await answer
    assert rig.lost == []


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=8))
def test_garbage_from_the_server_never_leaves_an_exception(chunks: list[bytes]) -> None:
    async def feed() -> None:
        lost: list[Exception | None] = []
        link = Link(lambda push: None, lost.append)
        for chunk in chunks:
            link.data_received(chunk)

    asyncio.run(feed())
