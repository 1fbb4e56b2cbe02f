"""Header blocks: text by name, as bytes, with what was seen before remembered."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from wireloom.spi.headers import bounded_int
from wireloom_tcp.frames import MAX_BLOCK, ProtocolError

__all__ = ["EMPTY", "Fields", "HeaderBlocks", "decode_block", "encode_block"]

MAX_HEADERS: Final = 64
EMPTY: Final[Mapping[str, str]] = MappingProxyType({})
ADDRESS: Final = "wl-address"
TO: Final = "wl-to"
KEY: Final = "wl-key"
DELAY: Final = "wl-delay-ms"
ATTEMPT: Final = "wl-attempt"
DELIVERIES: Final = "wl-deliveries"
AGE: Final = "wl-age-ms"
ERROR: Final = "wl-error"
_FIELDS: Final = frozenset({ADDRESS, TO, KEY, DELAY, ATTEMPT, DELIVERIES, AGE})
_NAME: Final = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_.")
_CONTROL: Final = frozenset([*range(0x20), 0x7F])
_LONGEST: Final = 1000 * 365 * 24 * 3600 * 1000
"""Milliseconds: what is further away is no time that anybody meant."""


def encode_block(pairs: Iterable[tuple[str, str]]) -> bytes:
    """Return the block of these headers, in this order.

    :raises ValueError: if it is larger than the protocol allows, or a name too long.
    """
    parts: list[bytes] = []
    for name, value in pairs:
        text = value.encode()
        parts += (bytes((len(name),)), name.encode("ascii"), len(text).to_bytes(2, "big"), text)
    block = b"".join(parts)
    if len(block) > MAX_BLOCK or len(parts) > 4 * MAX_HEADERS:
        raise ValueError(f"{len(parts) // 4} headers, {len(block)} bytes: over the limit")
    return block


def decode_block(block: bytes) -> dict[str, str]:
    """Return the headers of a block.

    :raises ProtocolError: if it is not exactly a block of legal headers, each once.
    """
    headers: dict[str, str] = {}
    position, end = 0, len(block)
    while position < end:
        name_end = position + 1 + block[position]
        value_at = name_end + 2
        if value_at > end:
            raise ProtocolError("a header ends beyond its block")
        value_end = value_at + int.from_bytes(block[name_end:value_at], "big")
        if value_end > end:
            raise ProtocolError("a header ends beyond its block")
        name = _name(block[position + 1 : name_end])
        if name in headers or len(headers) == MAX_HEADERS:
            raise ProtocolError("a header twice, or too many headers")
        headers[name] = _value(block[value_at:value_end])
        position = value_end
    return headers


class Fields:
    """A header block taken apart: what the protocol itself reads, and the message's headers."""

    __slots__ = ("address", "age", "attempt", "delay", "deliveries", "headers", "key", "to")

    def __init__(self, all_headers: Mapping[str, str]) -> None:
        get = all_headers.get
        self.address = get(ADDRESS, "")
        self.to = bounded_int(get(TO), 1, 0xFFFFFFFF) or 0
        self.key = get(KEY)
        self.delay = (bounded_int(get(DELAY), 0, _LONGEST) or 0) / 1000
        self.attempt = bounded_int(get(ATTEMPT), 1, 1_000_000) or 1
        self.deliveries = bounded_int(get(DELIVERIES), 1, 1_000_000) or self.attempt
        self.age = (bounded_int(get(AGE), 0, _LONGEST) or 0) / 1000
        self.headers: Mapping[str, str] = MappingProxyType(
            {name: value for name, value in all_headers.items() if name not in _FIELDS}
        )


class HeaderBlocks:
    """Both directions, remembered: blocks hardly differ from call to call. Bounded, since peers
    choose what is seen: at most `_REMEMBERED` small blocks each way.
    """

    _REMEMBERED: Final = 4096
    SMALL: Final = 512

    def __init__(self) -> None:
        self._decoded: dict[bytes, Fields] = {b"": Fields({})}
        self._encoded: dict[object, bytes] = {(): b""}
        self._last: tuple[int, str, Mapping[str, str], bytes] = (0, "", {}, b"")

    def decode(self, block: bytes) -> Fields:
        """Return what a block says.

        :raises ProtocolError: if it is no block.
        """
        found = self._decoded.get(block)
        if found is None:
            found = Fields(decode_block(block))
            if len(block) <= self.SMALL:
                if len(self._decoded) >= self._REMEMBERED:
                    self._decoded.clear()
                self._decoded[block] = found
        return found

    def encode(self, headers: Mapping[str, str]) -> bytes:
        """Return the block of a message's own headers.

        :raises ValueError: if they are too many or too long.
        """
        items = tuple(headers.items())
        block = self._encoded.get(items)
        return self._remember(items, items) if block is None else block

    def encode_to(self, to: int, address: str, headers: Mapping[str, str]) -> bytes:
        """Return the block of a request or event to a subscription.

        :raises ValueError: if it is too long.
        """
        last = self._last
        if headers is last[2] and to == last[0] and address == last[1]:
            return last[3]  # a client's plain requests share one mapping
        items = tuple(headers.items())
        key = (to, address, items)
        block = self._encoded.get(key)
        if block is None:
            block = self._remember(key, ((ADDRESS, address), (TO, str(to)), *items))
        self._last = to, address, headers, block
        return block

    def _remember(self, key: object, pairs: Iterable[tuple[str, str]]) -> bytes:
        block = encode_block(pairs)
        if len(block) <= self.SMALL:
            if len(self._encoded) >= self._REMEMBERED:
                self._encoded.clear()
            self._encoded[key] = block
        return block


def _name(data: bytes) -> str:
    if not data or not _NAME.issuperset(data):
        raise ProtocolError("a header name is not made of a-z, 0-9, '-', '_' and '.'")
    return data.decode("ascii")


def _value(data: bytes) -> str:
    if not _CONTROL.isdisjoint(data):
        raise ProtocolError("a header holds a control character")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ProtocolError("a header is not UTF-8") from None
