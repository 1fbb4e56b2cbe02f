"""The codec: whatever comes, frames or one ProtocolError, and never more memory than a frame."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wireloom_tcp.decoder import FrameDecoder
from wireloom_tcp.frames import (
    FRAME_HEAD,
    IGNORABLE,
    MAGIC,
    MAX_BLOCK,
    VERSION,
    Code,
    FrameType,
    ProtocolError,
    frame,
    max_length,
)
from wireloom_tcp.headers import HeaderBlocks, decode_block, encode_block

MAX_PAYLOAD = 5000
Seen = list[tuple[int, int, int, bytes, bytes, bytes]]

names = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_.", min_size=1, max_size=20)
values = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters=[*map(chr, range(32)), "\x7f"]),
    max_size=50,
)
headers = st.dictionaries(names, values, max_size=8)


@st.composite
def frames(draw: st.DrawFn) -> tuple[int, int, int, bytes, bytes, bytes]:
    return (
        draw(st.sampled_from(list(FrameType))),
        draw(st.integers(0, 0xFFFF)),
        draw(st.integers(0, 0xFFFFFFFF)),
        encode_block(draw(headers).items()),
        draw(st.binary(max_size=255)),
        draw(st.binary(max_size=300)),
    )


def encoded(fields: tuple[int, int, int, bytes, bytes, bytes]) -> bytes:
    kind, flags, stream, block, ident, body = fields
    return frame(kind, stream, block, ident, body, flags)


def decoder(seen: Seen) -> FrameDecoder:
    def sink(kind: int) -> object:
        return lambda *fields: seen.append((kind, *fields))

    sinks = {int(kind): sink(kind) for kind in FrameType}
    return FrameDecoder(sinks, length=max_length(MAX_PAYLOAD), body=MAX_PAYLOAD)  # type: ignore[arg-type]


@given(st.lists(frames(), min_size=1, max_size=4))
def test_frames_come_out_as_they_went_in(
    sent: list[tuple[int, int, int, bytes, bytes, bytes]],
) -> None:
    seen: Seen = []
    decoder(seen).feed(b"".join(map(encoded, sent)))
    assert seen == sent


@settings(max_examples=30)
@given(st.lists(frames(), min_size=1, max_size=2))
def test_frames_split_at_every_byte_are_the_same(
    sent: list[tuple[int, int, int, bytes, bytes, bytes]],
) -> None:
    data = b"".join(map(encoded, sent))
    for position in range(len(data) + 1):
        seen: Seen = []
        cut = decoder(seen)
        cut.feed(data[:position])
        cut.feed(data[position:])
        assert seen == sent
        assert cut.held == 0


@settings(max_examples=50)
@given(st.lists(frames(), min_size=1, max_size=3))
def test_frames_fed_byte_by_byte_are_the_same(
    sent: list[tuple[int, int, int, bytes, bytes, bytes]],
) -> None:
    seen: Seen = []
    cut = decoder(seen)
    for byte in b"".join(map(encoded, sent)):
        cut.feed(bytes((byte,)))
    assert seen == sent


@given(frames(), st.data())
def test_flipped_bits_give_frames_or_a_protocol_error(
    sent: tuple[int, int, int, bytes, bytes, bytes], draw: st.DataObject
) -> None:
    data = bytearray(encoded(sent))
    for _ in range(draw.draw(st.integers(1, 4))):
        data[draw.draw(st.integers(0, len(data) - 1))] ^= 1 << draw.draw(st.integers(0, 7))
    seen: Seen = []
    cut = decoder(seen)
    try:
        cut.feed(bytes(data))
    except ProtocolError:
        return
    assert cut.held <= max_length(MAX_PAYLOAD) + FRAME_HEAD.size


@given(st.binary(max_size=2000), st.integers(1, 50))
def test_random_bytes_give_a_protocol_error_at_once(data: bytes, chunk: int) -> None:
    cut = decoder([])
    refused = False
    try:
        for position in range(0, len(data), chunk):
            cut.feed(data[position : position + chunk])
    except ProtocolError:
        refused = True
    assert refused or b"WL".startswith(data[:2]) or data.startswith(b"WL")


@given(st.binary(max_size=300))
def test_random_blocks_give_headers_or_a_protocol_error(data: bytes) -> None:
    try:
        found = decode_block(data)
    except ProtocolError:
        return
    assert encode_block(found.items()) == data


@given(headers)
def test_headers_come_out_as_they_went_in(sent: dict[str, str]) -> None:
    assert decode_block(encode_block(sent.items())) == sent
    blocks = HeaderBlocks()
    for _ in range(2):
        own = {name: value for name, value in sent.items() if not name.startswith("wl-")}
        assert dict(blocks.decode(blocks.encode(own)).headers) == own
        fields = blocks.decode(blocks.encode_to(7, "some.address", own))
        assert (fields.to, fields.address, dict(fields.headers)) == (7, "some.address", own)


@pytest.mark.parametrize(
    "length", [0, 1, 2, max_length(MAX_PAYLOAD) + 1, 2**31 - 1, 2**31, 2**32 - 1]
)
def test_an_illegal_length_is_refused_from_fourteen_bytes(length: int) -> None:
    seen: Seen = []
    cut = decoder(seen)
    with pytest.raises(ProtocolError):
        cut.feed(FRAME_HEAD.pack(MAGIC, VERSION, FrameType.PING, 0, 0, length))
    assert not seen


@pytest.mark.parametrize("length", [3, 13, 14, 17, MAX_PAYLOAD])
def test_a_legal_length_is_waited_for(length: int) -> None:
    seen: Seen = []
    cut = decoder(seen)
    cut.feed(FRAME_HEAD.pack(MAGIC, VERSION, FrameType.PING, 0, 0, length))
    assert cut.held == 14
    cut.feed(b"\0" * length)
    assert seen == [(FrameType.PING, 0, 0, b"", b"", b"\0" * (length - 3))]
    assert cut.held == 0


def test_a_body_of_the_limit_passes_and_one_byte_more_does_not() -> None:
    seen: Seen = []
    decoder(seen).feed(frame(FrameType.PING, body=b"x" * MAX_PAYLOAD))
    assert len(seen) == 1
    with pytest.raises(ProtocolError) as raised:
        decoder([]).feed(frame(FrameType.PING, body=b"x" * (MAX_PAYLOAD + 1)))
    assert raised.value.code is Code.FRAME_TOO_LARGE


def test_a_frame_with_everything_at_its_limit_passes() -> None:
    seen: Seen = []
    block, ident, body = b"\x01a\x1f\xfc" + b"x" * 8188, b"i" * 255, b"b" * MAX_PAYLOAD
    assert len(block) == MAX_BLOCK
    decoder(seen).feed(frame(FrameType.PING, 1, block, ident, body))
    assert seen == [(FrameType.PING, 0, 1, block, ident, body)]


def test_a_stopped_decoder_keeps_what_comes_and_goes_on_after() -> None:
    seen: Seen = []
    cut = decoder(seen)
    cut.feed(frame(FrameType.PING, 1)[:5])
    cut.stopped = True
    cut.feed(frame(FrameType.PING, 1)[5:])
    cut.feed(frame(FrameType.PING, 2) + frame(FrameType.PING, 3)[:9])
    assert not seen
    cut.resume()
    assert [fields[2] for fields in seen] == [1, 2]
    cut.feed(frame(FrameType.PING, 3)[9:])
    assert [fields[2] for fields in seen] == [1, 2, 3]


def test_a_sink_that_stops_gets_no_further_frame() -> None:
    seen: list[int] = []
    cut = FrameDecoder({}, length=100, body=100)

    def sink(flags: int, stream: int, block: bytes, ident: bytes, body: bytes) -> None:
        seen.append(stream)
        cut.stopped = True

    cut.sinks = {FrameType.PING: sink}
    cut.feed(b"".join(frame(FrameType.PING, stream) for stream in range(3)))
    assert seen == [0]
    cut.resume()
    assert seen == [0, 1]
    cut.resume()
    assert seen == [0, 1, 2]


def test_skipped_frames_are_told_to_the_sink_that_asks() -> None:
    skipped: list[int] = []
    sinks = {256: lambda flags, *_: skipped.append(flags)}
    cut = FrameDecoder(sinks, length=100, body=100)
    cut.feed(frame(99, flags=IGNORABLE))
    assert skipped == [IGNORABLE]
    with pytest.raises(ProtocolError):
        cut.feed(frame(99))


def test_what_is_remembered_of_headers_is_bounded() -> None:
    blocks = HeaderBlocks()
    for number in range(10_000):
        blocks.decode(encode_block([("n", str(number))]))
        blocks.encode({"n": str(number)})
        blocks.encode_to(number, "address", {})
    assert len(blocks._decoded) <= 4096
    assert len(blocks._encoded) <= 4096


def test_large_blocks_are_not_remembered() -> None:
    blocks = HeaderBlocks()
    blocks.decode(encode_block([("n", "x" * 1000)]))
    assert len(blocks._decoded) == 1


def test_headers_of_a_message_cannot_be_changed_for_the_next_one() -> None:
    blocks = HeaderBlocks()
    found = blocks.decode(encode_block([("a", "b")])).headers
    with pytest.raises(TypeError):
        found["a"] = "c"  # type: ignore[index]


@pytest.mark.parametrize(
    "pairs", [[(f"h{n}", "") for n in range(65)], [("a", "x" * 8189)], [("n" * 256, "")]]
)
def test_headers_over_the_limit_are_refused_before_they_are_sent(
    pairs: list[tuple[str, str]],
) -> None:
    with pytest.raises(ValueError, match=r"limit|range"):
        encode_block(pairs)
