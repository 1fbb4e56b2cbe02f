"""Headers and frames, against the driver's own reading of them."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.protocol.parser import Parser

from wireloom.errors import PublishError
from wireloom_nats.frames import from_driver, header_lines, publish_frame, read_headers

NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_.", min_size=1, max_size=20)
VALUES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=40)


def block_of(frame: bytes) -> tuple[bytes, bytes]:
    """Header block and body of an HPUB frame."""
    line, rest = frame.split(b"\r\n", 1)
    _, _, _, block, size = line.split(b" ")
    return rest[: int(block)], rest[int(block) : int(size)]


@given(st.dictionaries(NAMES, VALUES, min_size=1, max_size=8), st.binary(max_size=64))
def test_headers_are_read_as_they_were_written(headers: dict[str, str], body: bytes) -> None:
    frame, size = publish_frame("a.b", "r", header_lines(headers), body)
    block, sent = block_of(frame)
    assert read_headers(block) == (0, headers)
    assert sent == body
    assert size == len(block) + len(body)
    assert frame.endswith(body + b"\r\n")


@given(st.binary(max_size=200))
def test_any_bytes_are_read_as_some_headers(block: bytes) -> None:
    status, headers = read_headers(b"NATS/1.0" + block)
    assert status >= 0
    assert all(isinstance(name, str) and name == name.lower() for name in headers)


@pytest.mark.parametrize(
    ("block", "status", "text"),
    [
        (b"NATS/1.0 503\r\n\r\n", 503, ""),
        (b"NATS/1.0 404 No Messages\r\n\r\n", 404, "No Messages"),
        (
            b"NATS/1.0 408 Request Timeout\r\nNats-Pending-Messages: 3\r\n\r\n",
            408,
            "Request Timeout",
        ),
        (b"NATS/1.0 abc\r\n\r\n", 0, ""),
    ],
)
def test_what_the_server_says_itself_is_a_status(block: bytes, status: int, text: str) -> None:
    found, headers = read_headers(block)
    assert (found, headers.get("description")) == (status, text)
    if status == 408:
        assert headers["nats-pending-messages"] == "3"


@pytest.mark.parametrize("value", ["a\r\nPUB x 1", "a\nb", "a\rb"])
def test_a_line_break_in_a_header_is_refused(value: str) -> None:
    with pytest.raises(PublishError, match="line break"):
        header_lines({"x": value})


class Recorder:
    """Stands where the driver's client does for its parser."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    async def _process_msg(self, *message: Any) -> None:
        self.seen.append(message)


@given(st.dictionaries(NAMES, VALUES, max_size=3), st.binary(max_size=64))
def test_the_driver_reads_our_frames(headers: dict[str, str], body: bytes) -> None:
    frame, _ = publish_frame("a.b", "re.ply", header_lines(headers), body)
    recorder = Recorder()
    received = frame.replace(b"HPUB a.b", b"HMSG a.b 7").replace(b"PUB a.b", b"MSG a.b 7", 1)
    asyncio.run(Parser(recorder).parse(received))
    [(sid, subject, reply, data, block)] = recorder.seen
    assert (sid, subject, reply, data) == (7, b"a.b", b"re.ply", body)
    assert (read_headers(block)[1] if block else {}) == headers


def test_headers_that_the_driver_has_parsed_are_read_alike() -> None:
    assert from_driver({"Status": "503", "Tenant": "a"}) == (503, {"tenant": "a"})
    assert from_driver(None) == (0, {})
    assert from_driver({"Status": "x"}) == (0, {})
