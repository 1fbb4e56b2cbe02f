"""What one node tells others about a subscription of its own."""

from dataclasses import dataclass
from typing import Final, Self

from wireloom.errors import InvalidPatternError
from wireloom.pattern import Pattern
from wireloom.spi import Kind, Subscription
from wireloom.spi.headers import bounded_int
from wireloom_tcp.frames import ProtocolError
from wireloom_tcp.headers import decode_block, encode_block

__all__ = ["Interest"]

_KINDS: Final = {"event": Kind.EVENT, "request": Kind.REQUEST}
_SHARING: Final = frozenset({"compete", "each"})


@dataclass(frozen=True, slots=True)
class Interest:
    """One subscription as its peers need to know it. `number` names it on the wire."""

    number: int
    name: str
    group: str
    pattern: Pattern
    kind: Kind
    each: bool = False
    """Every instance gets a copy, instead of one of those that share name and group."""
    shards: int = 0
    """Above 0: ordered; the events of one key go to the owner of one of so many shards."""

    @classmethod
    def of(cls, subscription: Subscription, number: int) -> Self:
        """Return what peers need to know of a subscription."""
        each = subscription.broadcast or subscription.ephemeral
        shards = subscription.shards if subscription.ordered and not each else 0
        return cls(
            number,
            subscription.name,
            subscription.group,
            subscription.pattern,
            subscription.kind,
            each,
            shards,
        )

    @property
    def key(self) -> tuple[str, str]:
        """Return what members that compete have in common."""
        return self.group, self.name

    def encode(self) -> bytes:
        """Return the header block of its INTEREST frame.

        :raises ValueError: if its names are too long.
        """
        return encode_block(
            (
                ("wl-name", self.name),
                ("wl-group", self.group),
                ("wl-pattern", self.pattern.text),
                ("wl-kind", self.kind.name.lower()),
                ("wl-sharing", "each" if self.each else "compete"),
                ("wl-shards", str(self.shards)),
            )
        )

    @classmethod
    def decode(cls, number: int, block: bytes) -> Self:
        """Return what a peer's INTEREST frame says.

        :raises ProtocolError: if it says nothing that can be.
        """
        headers = decode_block(block)
        kind = _KINDS.get(headers.get("wl-kind", ""))
        sharing = headers.get("wl-sharing", "compete")
        shards = bounded_int(headers.get("wl-shards", "0"), 0, 65_536)
        if kind is None or sharing not in _SHARING or shards is None or not headers.get("wl-name"):
            raise ProtocolError("an INTEREST frame without name, kind, sharing or shards")
        try:
            pattern = Pattern(headers.get("wl-pattern", ""))
        except InvalidPatternError:
            raise ProtocolError("an INTEREST frame with an illegal pattern") from None
        group = headers.get("wl-group", "")
        return cls(number, headers["wl-name"], group, pattern, kind, sharing == "each", shards)
