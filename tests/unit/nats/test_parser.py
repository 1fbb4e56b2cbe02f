"""Our reading of the wire, against the driver's, split anywhere."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.errors import ProtocolError
from nats.protocol.parser import Parser

from wireloom_nats.parser import DirectParser

TOKENS = st.text("abc.$_>", min_size=1, max_size=8).map(str.encode)


class Recorder:
    """Stands where the driver's client does."""

    max_payload = 1 << 20

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None
    ) -> None:
        self.seen.append((sid, subject, reply, data, headers))

    async def _process_ping(self) -> None:
        self.seen.append(("ping",))

    async def _process_pong(self) -> None:
        self.seen.append(("pong",))

    async def _process_info(self, info: dict[str, Any]) -> None:
        self.seen.append(("info", info))

    async def _process_err(self, text: str) -> None:
        self.seen.append(("err", text))


def direct(client: Any) -> DirectParser:
    return DirectParser(client, lambda *message: False)


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from(["MSG", "HMSG", "PING", "PONG", "+OK", "INFO", "-ERR"]))
    if kind == "INFO":
        return b'INFO {"a": 1}\r\n'
    if kind == "-ERR":
        return b"-ERR 'Permissions Violation'\r\n"
    if kind in ("PING", "PONG", "+OK"):
        return kind.encode() + b"\r\n"
    subject, reply = draw(TOKENS), draw(st.one_of(st.just(b""), TOKENS))
    body = draw(st.binary(max_size=40))
    block = b"NATS/1.0\r\na: b\r\n\r\n" if kind == "HMSG" else b""
    sizes = b"%d %d" % (len(block), len(block + body)) if block else b"%d" % len(body)
    line = b" ".join(filter(None, [kind.encode(), subject, b"7", reply, sizes]))
    return line + b"\r\n" + block + body + b"\r\n"


async def read(parser_type: Callable[[Any], Parser], pieces: list[bytes]) -> list[tuple[Any, ...]]:
    recorder = Recorder()
    parser = parser_type(recorder)
    for piece in pieces:
        await parser.parse(piece)
    assert not parser.buf
    return recorder.seen


@given(st.lists(frames(), max_size=8), st.data())
def test_whatever_the_split_both_parsers_see_the_same(
    sent: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    edges = [0, *cuts, len(stream)]
    pieces = [stream[one:other] for one, other in itertools.pairwise(edges)]
    assert asyncio.run(read(direct, pieces)) == asyncio.run(read(Parser, [stream]))


@given(st.lists(frames(), min_size=1, max_size=4))
def test_byte_by_byte_nothing_is_lost(sent: list[bytes]) -> None:
    stream = b"".join(sent)
    pieces = [stream[at : at + 1] for at in range(len(stream))]
    assert asyncio.run(read(direct, pieces)) == asyncio.run(read(Parser, [stream]))


@pytest.mark.parametrize(
    "line",
    [
        b"MSG s 1 -5\r\n",
        b"MSG s 1 99999999999\r\n",
        b"MSG s x 1\r\na\r\n",
        b"MSG s\r\n",
        b"MSG s 1 r q 1\r\na\r\n",
        b"HMSG s 1 9 3\r\nabc\r\n",
        b"HMSG s 1 x 3\r\nabc\r\n",
        b"M" * 5000,
        b"INFO " + b"x" * (1 << 20),
        b"INFO {\r\n",
        b"nonsense\r\n",
    ],
)
async def test_what_no_sane_server_sends_ends_the_connection(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        await direct(Recorder()).parse(line)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    async def feed() -> None:
        try:
            await direct(Recorder()).parse(data)
        except ProtocolError:
            return

    asyncio.run(feed())
