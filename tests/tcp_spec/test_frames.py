"""Sections 2 and 3: frames and header blocks."""

import struct

import pytest

from tests.tcp_spec.conftest import NodeUnderTest, Start
from tests.tcp_spec.wire import IGNORABLE, NUMBERS, Wire, block, raw

LARGEST = 3 + 8192 + 255 + 1_048_576


async def test_2_1_frames_split_at_every_byte_are_understood(peer: Wire) -> None:
    data = raw(NUMBERS["PING"], 5, block([("a", "b")]), b"id", b"body")
    for byte in data:
        peer.send_bytes(bytes((byte,)))
        await peer.writer.drain()
    assert (await peer.expect("PONG")).stream == 5


async def test_2_1_many_frames_in_one_segment_are_understood(peer: Wire) -> None:
    peer.send_bytes(b"".join(raw(NUMBERS["PING"], stream) for stream in range(50)))
    assert [(await peer.expect("PONG")).stream for _ in range(50)] == list(range(50))


@pytest.mark.parametrize("length", [0, 1, 2])
async def test_2_3_a_length_below_three_ends_the_connection(peer: Wire, length: int) -> None:
    peer.send_bytes(raw(NUMBERS["PING"], length=length))
    await peer.expect_error("PROTOCOL_ERROR")


async def test_2_3_a_block_that_does_not_fit_its_frame_ends_the_connection(peer: Wire) -> None:
    start = struct.pack(">HBBHIIHB", 0x574C, 1, NUMBERS["PING"], 0, 0, 13, 11, 0)
    peer.send_bytes(start + b"x" * 10)
    await peer.expect_error("PROTOCOL_ERROR")


async def test_2_3_an_id_that_does_not_fit_its_frame_ends_the_connection(peer: Wire) -> None:
    peer.send_bytes(struct.pack(">HBBHIIHB", 0x574C, 1, NUMBERS["PING"], 0, 0, 5, 0, 3) + b"xx")
    await peer.expect_error("PROTOCOL_ERROR")


async def test_2_3_a_block_over_8192_bytes_ends_the_connection(peer: Wire) -> None:
    peer.send_bytes(struct.pack(">HBBHIIHB", 0x574C, 1, NUMBERS["PING"], 0, 0, 9000, 8193, 0))
    await peer.expect_error("PROTOCOL_ERROR")


@pytest.mark.parametrize("length", [LARGEST + 1, 2**31 - 1, 2**31, 2**32 - 1])
async def test_2_3_an_oversized_length_is_refused_from_fourteen_bytes(
    peer: Wire, length: int
) -> None:
    peer.send_bytes(struct.pack(">HBBHII", 0x574C, 1, NUMBERS["PING"], 0, 0, length))
    await peer.expect_error("FRAME_TOO_LARGE")


async def test_2_3_a_body_one_byte_over_the_limit_is_refused(peer: Wire) -> None:
    head = struct.pack(">HBBHIIHB", 0x574C, 1, NUMBERS["PING"], 0, 0, 3 + 1_048_577, 0, 0)
    peer.send_bytes(head)
    await peer.expect_error("FRAME_TOO_LARGE")


async def test_2_3_a_body_of_the_limit_passes(peer: Wire) -> None:
    body = b"x" * 1_048_576
    peer.request(1, "echo", "echo", body)
    assert (await peer.expect("REPLY", 1)).body == body


async def test_2_3_the_limit_is_what_the_node_says(start: Start) -> None:
    node = await start(max_payload=1000)
    async with await Wire.open(node.address) as wire:
        peer = await wire.greet()
        assert peer.peer["wl-max-payload"] == "1000"
        peer.request(1, "echo", "echo", b"x" * 1001)
        await peer.expect_error("FRAME_TOO_LARGE")


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"x"])
async def test_2_4_other_protocols_are_closed_without_a_word(wire: Wire, data: bytes) -> None:
    wire.send_bytes(data)
    await wire.expect_closed()


async def test_2_4_garbage_after_the_greeting_is_closed_without_a_word(peer: Wire) -> None:
    peer.send_bytes(b"\x00" * 40)
    await peer.expect_closed()


@pytest.mark.parametrize("version", [0, 2, 255])
async def test_2_5_another_version_is_refused(peer: Wire, version: int) -> None:
    peer.send_bytes(raw(NUMBERS["PING"], version=version))
    await peer.expect_error("UNSUPPORTED_VERSION")


async def test_2_6_undefined_flags_are_ignored(peer: Wire) -> None:
    peer.send("PING", 9, flags=0x7FFE)
    await peer.expect("PONG", 9)


@pytest.mark.parametrize("kind", [0, 21, 255])
async def test_2_7_an_unknown_type_ends_the_connection(peer: Wire, kind: int) -> None:
    peer.send_bytes(raw(kind))
    await peer.expect_error("PROTOCOL_ERROR")


async def test_2_7_an_unknown_type_that_is_ignorable_is_skipped(peer: Wire) -> None:
    peer.send_bytes(raw(200, 3, b"\xff not a block", b"id", b"body", IGNORABLE))
    await peer.still_lives()


async def test_2_8_a_frame_that_does_not_arrive_ends_the_connection(start: Start) -> None:
    node = await start(frame_timeout=0.2)
    async with await Wire.open(node.address) as wire:
        peer = await wire.greet()
        peer.send_bytes(raw(NUMBERS["PING"], body=b"x" * 100)[:50])
        await peer.expect_error("TIMEOUT")


async def test_2_8_a_slow_frame_that_keeps_up_the_rate_is_waited_for(start: Start) -> None:
    node = await start(frame_timeout=0.1, frame_rate=1000)
    async with await Wire.open(node.address) as wire, await Wire.open(node.address) as other:
        peer, stalled = await wire.greet(), await other.greet()
        data = raw(NUMBERS["PING"], 4, body=b"x" * 2000)
        peer.send_bytes(data[:1500])
        stalled.send_bytes(data[:20])
        await stalled.expect_error("TIMEOUT")
        peer.send_bytes(data[1500:])
        await peer.expect("PONG", 4)


async def test_1_4_others_never_notice_a_broken_connection(node: NodeUnderTest, peer: Wire) -> None:
    for data in (b"\x00" * 100, raw(0), raw(NUMBERS["PING"], length=2**32 - 1)):
        async with await Wire.open(node.address) as wire:
            await wire.greet()
            wire.send_bytes(data)
            await wire.until_closed()
    await peer.still_lives()


def header(name: bytes, value: bytes) -> bytes:
    return bytes((len(name),)) + name + struct.pack(">H", len(value)) + value


BAD_BLOCKS = {
    "3_1_a_name_beyond_the_block": b"\x05ab",
    "3_1_a_value_beyond_the_block": b"\x01a\x00\x05xy",
    "3_1_half_a_value_size": b"\x01a\x00",
    "3_2_an_empty_name": header(b"", b"x"),
    "3_2_a_name_in_upper_case": header(b"Name", b"x"),
    "3_2_a_name_outside_ascii": header("ä".encode(), b"x"),
    "3_3_a_line_feed": header(b"a", b"x\ny"),
    "3_3_a_carriage_return": header(b"a", b"x\ry"),
    "3_3_a_zero_byte": header(b"a", b"\0"),
    "3_3_a_delete_character": header(b"a", b"\x7f"),
    "3_3_a_value_that_is_not_utf8": header(b"a", b"\xff"),
    "3_3_half_a_surrogate_pair": header(b"a", b"\xed\xa0\x80"),
    "3_4_a_header_twice": header(b"a", b"x") * 2,
    "3_4_sixty_five_headers": b"".join(header(b"h%d" % n, b"") for n in range(65)),
}


@pytest.mark.parametrize("case", BAD_BLOCKS)
async def test_3_5_a_bad_block_ends_the_connection(peer: Wire, case: str) -> None:
    peer.send_bytes(raw(NUMBERS["REQUEST"], 1, BAD_BLOCKS[case], b"id"))
    await peer.expect_error("PROTOCOL_ERROR")


async def test_3_4_sixty_four_headers_pass(node: NodeUnderTest, peer: Wire) -> None:
    more = {f"h{n}": "ä €" for n in range(62)}
    peer.request(1, "echo", "echo", headers=more)
    await peer.expect("REPLY", 1)
    (delivery,) = node.intakes["echo"].seen
    assert dict(delivery.message.headers) == more


@pytest.mark.parametrize("value", ["-1", "0x10", "999999999999999999999", "abc", ""])
async def test_3_5_numbers_that_make_no_sense_are_taken_for_the_default(
    node: NodeUnderTest, peer: Wire, value: str
) -> None:
    peer.event(1, "note", "note", headers={"wl-attempt": value, "wl-delay-ms": value})
    await peer.expect("ACCEPTED", 1)
    assert node.intakes["note"].seen[0].attempt == 1
