"""A million frames, broken in every way, and three bugs planted to see that this finds them."""

import random
import resource
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from wireloom_tcp import decoder as decoder_module
from wireloom_tcp import headers as headers_module
from wireloom_tcp.decoder import SKIPPED, FrameDecoder
from wireloom_tcp.frames import MAX_BLOCK, FrameType, ProtocolError, frame, max_length
from wireloom_tcp.headers import HeaderBlocks, encode_block

MAX_PAYLOAD = 4096
LENGTHS = (0, 1, 2, 3, 13, 14, 2**31 - 1, 2**31, 2**32 - 1, max_length(MAX_PAYLOAD) + 1)


class FoundError(AssertionError):
    """What the fuzzer would report."""


def valid(rng: random.Random) -> bytes:
    """Make one legal frame."""
    pairs = [(f"h{n}", "v" * rng.randrange(20)) for n in range(rng.randrange(4))]
    return frame(
        rng.choice(list(FrameType)),
        rng.getrandbits(32),
        encode_block(pairs),
        rng.randbytes(rng.randrange(20)),
        rng.randbytes(rng.randrange(64)),
        rng.getrandbits(16),
    )


def broken(rng: random.Random, data: bytes) -> bytes:
    """Break a legal frame in one way."""
    way = rng.randrange(6)
    if way == 0:
        return data[: rng.randrange(len(data))]
    if way == 1:
        return rng.randbytes(rng.randrange(1, 64))
    if way == 2:
        return data[:10] + struct.pack(">I", rng.choice(LENGTHS)) + data[14:]
    if way == 3:
        return data[:14] + rng.randbytes(3) + data[17:]
    if way == 4:
        return data + rng.randbytes(rng.randrange(1, 20))
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def inputs(rng: random.Random, count: int) -> Iterator[bytes]:
    """Make so many frames, one in three legal, from a stock that is broken anew each time."""
    stock = [valid(rng) for _ in range(500)]
    for _ in range(count):
        data = rng.choice(stock)
        yield data if rng.random() < 0.3 else broken(rng, data)


class Checks:
    """Feeds one decoder after another, and looks at what every frame must satisfy."""

    def __init__(self) -> None:
        self.blocks = HeaderBlocks()
        self.frames = self.errors = 0
        self._sinks: Any = {int(kind): self._take for kind in FrameType}
        self._sinks[SKIPPED] = self._skip
        self._fresh()

    def feed(self, data: bytes) -> None:
        self._fed += len(data)
        try:
            self._decoder.feed(data)
        except ProtocolError:
            self.errors += 1
            self._fresh()
        except Exception as error:
            raise FoundError(f"{type(error).__name__} left the codec") from error
        else:
            self._check()

    def _check(self) -> None:
        held = self._decoder.held
        if self._skipped:
            self._taken, self._skipped = self._fed - held, False
        if self._taken + held != self._fed:
            raise FoundError(f"{self._fed} bytes in, {self._taken} taken, {held} kept")
        if held > max_length(MAX_PAYLOAD) + 14:
            raise FoundError(f"{held} bytes are kept")

    def _take(self, flags: int, stream: int, block: bytes, ident: bytes, body: bytes) -> None:
        self.frames += 1
        self._taken += 17 + len(block) + len(ident) + len(body)
        if len(body) > MAX_PAYLOAD or len(block) > MAX_BLOCK:
            raise FoundError(f"a body of {len(body)} and a block of {len(block)} bytes passed")
        fields = self.blocks.decode(block)
        for name, value in fields.headers.items():
            if not name or name != name.lower() or any(char < " " for char in value):
                raise FoundError(f"the header {name!r}: {value!r} passed")

    def _skip(self, *_: object) -> None:
        """Note that a frame went by whose size nobody is told."""
        self._skipped = True

    def _fresh(self) -> None:
        self._decoder = FrameDecoder(self._sinks, length=max_length(MAX_PAYLOAD), body=MAX_PAYLOAD)
        self._fed = self._taken = 0
        self._skipped = False


def fuzz(count: int, seed: int) -> Checks:
    checks = Checks()
    for data in inputs(random.Random(seed), count):
        checks.feed(data)
    return checks


@pytest.mark.timeout(120)
def test_a_million_frames_leave_protocol_errors_only_and_memory_flat() -> None:
    fuzz(50_000, seed=1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    checks = fuzz(1_000_000, seed=2)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert checks.frames > 200_000
    assert checks.errors > 300_000
    assert grown < 10 * 1024


def test_a_planted_bug_in_the_length_check_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sizes inside a frame are no longer compared with its length."""

    class Careless(FrameDecoder):
        __slots__ = ()

        def _cut_alike(self, data: bytes, position: int, end: int) -> int:
            while end - position >= 17 and not self.stopped:
                start = decoder_module.FRAME_START.unpack_from(data, position)
                prefix, kind, flags, stream, length, block, ident = start
                if prefix != decoder_module.PREFIX or length > self._limit:
                    raise self._refusal(prefix, length, 0)
                after = position + 14 + length
                if after > end:
                    break
                head, tail = position + 17, position + 17 + block
                position = after
                sink = self.sinks.get(kind)
                if sink is None:
                    self._skip(kind, flags)
                else:
                    rest = data[tail + ident : after]
                    sink(flags, stream, data[head:tail], data[tail : tail + ident], rest)
            return position

    monkeypatch.setitem(globals(), "FrameDecoder", Careless)
    with pytest.raises(FoundError):
        fuzz(20_000, seed=3)


def test_a_planted_bug_in_the_carry_over_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """One byte is lost between two reads."""
    keep = FrameDecoder._keep
    monkeypatch.setattr(FrameDecoder, "_keep", lambda self, rest: keep(self, rest[:-1] or rest))
    with pytest.raises(FoundError):
        fuzz(20_000, seed=4)


def test_a_planted_bug_in_the_header_check_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control characters pass."""
    monkeypatch.setattr(headers_module, "_CONTROL", frozenset())
    with pytest.raises(FoundError):
        fuzz(200_000, seed=5)


def test_the_fuzzer_finds_nothing_in_the_codec_as_it_is() -> None:
    checks = fuzz(20_000, seed=3)
    assert checks.frames
    assert checks.errors
