"""Frames and properties, against the driver's own reading and writing of them."""

import asyncio
import itertools
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands, frame
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from wireloom.errors import TransportError
from wireloom_rabbitmq import frames
from wireloom_rabbitmq.properties import Properties, decode_properties, encode_properties
from wireloom_rabbitmq.tap import SocketWire, _TappedProtocol

plain = st.text("ab09-./ \x00\u00e4\u20ac\U0001f600", max_size=60)
headers = st.dictionaries(
    st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12), plain, max_size=6
)
values = st.fixed_dictionaries(
    {},
    optional={
        "content_type": plain,
        "headers": headers,
        "delivery_mode": st.sampled_from([1, 2]),
        "priority": st.integers(0, 255),
        "correlation_id": plain,
        "reply_to": plain,
        "expiration": st.integers(0, 2**32 - 1).map(str),
        "message_id": plain,
        "type": plain,
    },
)


def drivers(given_values: dict[str, Any]) -> dict[str, Any]:
    """The same under the driver's names."""
    return {"message_type" if key == "type" else key: value for key, value in given_values.items()}


def shown(properties: Any, wanted: dict[str, Any]) -> dict[str, Any]:
    return {name: getattr(properties, name) or None for name in wanted}


def without_empty(wanted: dict[str, Any]) -> dict[str, Any]:
    return {name: value or None for name, value in wanted.items()}


@given(values)
def test_driver_reads_the_properties_we_write(given_values: dict[str, Any]) -> None:
    encoded = encode_properties(Properties(**given_values))
    raw = frames.content_frames(1, encoded, b"", 131_072)
    _, _, header = frame.unmarshal(raw)
    assert isinstance(header, ContentHeader)
    wanted = drivers(given_values)
    assert shown(header.properties, wanted) == without_empty(wanted)


@given(values)
def test_we_read_the_properties_that_the_driver_writes(given_values: dict[str, Any]) -> None:
    raw = commands.Basic.Properties(app_id="x", user_id="y", **drivers(given_values)).marshal()
    assert shown(decode_properties(raw, 0), given_values) == without_empty(given_values)


def test_headers_of_other_types_are_left_to_the_driver() -> None:
    table = {"n": 5, "deep": {"x": [1, "y"]}, "text": "t", "yes": True}
    raw = commands.Basic.Properties(headers=table).marshal()
    assert decode_properties(raw, 0).headers == table


@given(st.binary(max_size=5000), st.sampled_from([100, 1000, 131_072]))
def test_body_is_cut_into_frames_of_the_size_agreed(body: bytes, frame_max: int) -> None:
    raw = frames.content_frames(3, encode_properties(Properties()), body, frame_max)
    pieces, first = [], True
    while raw:
        used, channel, part = frame.unmarshal(raw)
        assert (channel, used <= max(frame_max, 30)) == (3, True)
        raw = raw[used:]
        if first:
            assert isinstance(part, ContentHeader)
            assert part.body_size == len(body)
            first = False
        else:
            assert isinstance(part, ContentBody)
            pieces.append(part.value)
    assert b"".join(filter(None, pieces)) == body


def test_methods_are_what_the_driver_takes_them_for() -> None:
    _, _, publish = frame.unmarshal(frames.publish_frame(1, "x", "k", mandatory=True))
    assert isinstance(publish, commands.Basic.Publish)
    assert (publish.exchange, publish.routing_key, publish.mandatory) == ("x", "k", True)
    _, _, ack = frame.unmarshal(frames.ack_frame(1, 7))
    assert isinstance(ack, commands.Basic.Ack)
    assert (ack.delivery_tag, ack.multiple) == (7, False)
    _, _, nack = frame.unmarshal(frames.nack_frame(1, 7, requeue=True))
    assert isinstance(nack, commands.Basic.Nack)
    assert (nack.delivery_tag, nack.multiple, nack.requeue) == (7, False, True)


def test_text_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="255"):
        frames.publish_frame(1, "x", "k" * 256, mandatory=False)


class Tap:
    """Takes body frames alone."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []

    def take(self, kind: int, frame: bytes) -> bool:
        if kind == frames.BODY:
            self.taken.append(frame[7:-1])
            return True
        return False

    def fail(self, error: TransportError) -> None:
        pass


def raw_frame(kind: int, channel: int, payload: bytes) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def feed(stream: bytes, cuts: list[int]) -> tuple[list[bytes], bytes, SocketWire]:
    """Return what the tap and the driver got of a stream that arrived in pieces."""

    async def run() -> tuple[list[bytes], bytes, SocketWire]:
        wire = SocketWire()
        tap = wire.taps[2] = Tap()
        reader = asyncio.StreamReader()
        protocol = _TappedProtocol(wire, reader)
        protocol._told = asyncio.get_running_loop().time()
        edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
        for start, end in itertools.pairwise(edges):
            if start < end:
                protocol.data_received(stream[start:end])
        reader.feed_eof()
        return tap.taken, await reader.read(), wire

    return asyncio.run(run())


@given(
    st.lists(st.tuples(st.sampled_from([1, 2, 3, 8]), st.integers(0, 3), st.binary(max_size=40))),
    st.lists(st.integers(0, 500), max_size=8),
)
def test_stream_is_cut_the_same_wherever_it_was_split(
    parts: list[tuple[int, int, bytes]], cuts: list[int]
) -> None:
    greeting = raw_frame(1, 0, b"\x00\x0a\x00\x0a")
    stream = greeting + b"".join(raw_frame(*part) for part in parts)
    taken, left, _ = feed(stream, cuts)
    ours = [part for part in parts if part[:2] == (3, 2)]
    assert taken == [payload for _, _, payload in ours]
    assert left == greeting + b"".join(raw_frame(*part) for part in parts if part not in ours)


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=4))
def test_garbage_never_raises(garbage: bytes, cuts: list[int]) -> None:
    feed(raw_frame(1, 0, b"x" * 4) + garbage, cuts)
    feed(garbage, cuts)


def test_greeting_in_another_protocol_is_the_drivers_to_refuse() -> None:
    assert feed(b"AMQP\x00\x00\x09\x01", [])[1] == b"AMQP\x00\x00\x09\x01"


def test_reason_of_a_refusal_is_kept() -> None:
    text = b"NOT_ALLOWED - vhost x not found"
    payload = b"\x00\x0a\x00\x32" + struct.pack(">HB", 530, len(text)) + text + b"\x00\x0a\x00\x28"
    _, _, wire = feed(raw_frame(1, 0, b"x" * 4) + raw_frame(1, 0, payload), [])
    assert wire.refusal == (530, text.decode())


def test_broken_frame_of_a_tapped_channel_cuts_the_connection() -> None:
    async def run() -> bool:
        wire = SocketWire()
        wire.taps[2] = Breaking()
        reader = asyncio.StreamReader()
        protocol = _TappedProtocol(wire, reader)
        ended = []
        wire.abort = lambda: ended.append(True)  # type: ignore[method-assign]
        protocol.data_received(raw_frame(1, 0, b"x" * 4) + raw_frame(1, 2, b"\x00"))
        return bool(ended)

    assert asyncio.run(run())


class Breaking(Tap):
    """Fails as reading a short frame does."""

    def take(self, kind: int, frame: bytes) -> bool:
        raise struct.error("too short")
