"""Names of keys and channels."""

import string

from wireloom.pattern import Pattern
from wireloom.spi import Kind, Naming
from wireloom.spi.names import RESERVED

__all__ = ["Names"]

_LEGAL = string.ascii_letters + string.digits + "-_:/+=,;~$!&"
"""Without `*?[]^\\`, which mean something in a PSUBSCRIBE, braces, which mark a hash tag, and `@`,
which stands between a key and what belongs to it."""
_REMEMBERED = 10_000


class Names:
    """What stands under which name. `X@role` belongs to the key `X`, and no address has an `@`.

    On a cluster all names of a namespace begin with one hash tag, so that scripts may touch any
    of them together and a published message is counted where it is read.
    """

    def __init__(self, namespace: str, *, cluster: bool = False) -> None:
        self.tag = f"{{{namespace or 'wireloom'}}}" if cluster else namespace
        self._naming = Naming(self.tag, _LEGAL)
        self.prefix = f"{self.tag}." if self.tag else ""
        self._inbox = "inbox."
        self._streams: dict[str, str] = {}

    def stream(self, address: str) -> str:
        """Return the stream, or channel, of an event."""
        name = self._streams.get(address)
        if name is None:
            if len(self._streams) >= _REMEMBERED:
                self._streams.clear()
            name = self._streams[address] = self._naming.name(Kind.EVENT, address)
        return name

    def address(self, stream: str) -> str | None:
        """Return the event's address that a stream or channel stands for, or None if it is none."""
        bare = stream.removeprefix(self.prefix)
        if "@" in bare or bare.partition(".")[0] in RESERVED or not stream.startswith(self.prefix):
            return None
        try:
            return self._naming.address(Kind.EVENT, stream)
        except ValueError:
            return None

    def glob(self, pattern: Pattern) -> str:
        """Return the PSUBSCRIBE pattern that matches at least the channels of a pattern."""
        name = self._naming.name(Kind.EVENT, pattern.filter)
        return name.replace("%2A", "*").replace("%3E", "*")

    def due(self, subscription: str) -> str:
        """Return the stream of what is due again for one subscription."""
        return self._naming.own("delay", subscription)

    def dead(self, subscription: str) -> str:
        """Return the stream of one subscription's dead letters."""
        return self._naming.own("dead", subscription)

    def members(self, address: str) -> str:
        """Return the sorted set of the live channels that serve requests to an address."""
        return self._naming.name(Kind.REQUEST, address)

    @property
    def wild_members(self) -> str:
        """Return the sorted set of the live channels that serve patterns with wildcards."""
        return f"{self.prefix}rpc.*"

    def member(self, pattern: Pattern, instance: str) -> str:
        """Return the channel of one instance for requests to one pattern."""
        return f"{self._naming.name(Kind.REQUEST, pattern.filter)}@{instance}"

    def served(self, member: str) -> str:
        """Return the filter that a member's channel serves."""
        return self._naming.address(Kind.REQUEST, member.rpartition("@")[0])

    def inbox(self, address: str | None) -> str | None:
        """Return the channel of an inbox's address, or None if it is no inbox of ours."""
        if address is None or not address.startswith(self._inbox):
            return None
        instance = address[len(self._inbox) :]
        if not instance or len(instance) > 200 or not _INSTANCE.issuperset(instance):
            return None
        return f"{self.prefix}{address}"

    def registry(self, role: str) -> str:
        """Return the key of facts about the whole namespace."""
        return f"{self.prefix}@{role}"

    @staticmethod
    def of(key: str, role: str) -> str:
        """Return the name of something that belongs to a key."""
        return f"{key}@{role}"


_INSTANCE = frozenset(string.ascii_letters + string.digits + "-_")
