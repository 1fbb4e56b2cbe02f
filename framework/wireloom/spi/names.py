"""Names on the broker: legal there, reversible, free of collisions."""

from collections.abc import Collection
from typing import Final

from wireloom.spi.message import Kind

__all__ = ["RESERVED", "Naming"]

RESERVED: Final = ("rpc", "inbox", "dead", "delay")
"""First tokens that are ours; an event pattern that begins with one is written escaped."""


class Naming:
    """Turns addresses into a broker's names and back.

    A character outside `legal`, and `escape` itself, is written as `escape` and two hexadecimal
    digits for each byte of its UTF-8. Dots separate tokens, by `separator` on the broker.
    """

    def __init__(
        self, namespace: str, legal: Collection[str], *, escape: str = "%", separator: str = "."
    ) -> None:
        self._prefix = f"{namespace}{separator}" if namespace else ""
        self._legal = frozenset(legal) - {escape, separator}
        self._escape = escape
        self._separator = separator

    def name(self, kind: Kind, address: str) -> str:
        """Return the broker's name of an event's or request's concrete address."""
        head = f"rpc{self._separator}" if kind is Kind.REQUEST else ""
        return f"{self._prefix}{head}{self._tokens(kind, address)}"

    def own(self, role: str, rest: str) -> str:
        """Return a name of our own, such as `inbox.<instance>` or `dead.<subscription>`."""
        return f"{self._prefix}{role}{self._separator}{self.escaped(rest, keep=self._separator)}"

    def address(self, kind: Kind, name: str) -> str:
        """Return the address that a name of `name` stands for."""
        bare = name.removeprefix(self._prefix)
        if kind is Kind.REQUEST:
            bare = bare.removeprefix(f"rpc{self._separator}")
        return ".".join(self.unescaped(token) for token in bare.split(self._separator))

    def escaped(self, text: str, *, keep: str = "") -> str:
        """Return text with everything illegal escaped, but for the characters in `keep`."""
        if self._legal.issuperset(text):
            return text
        return "".join(
            char if char in self._legal or char in keep else self._escaped_char(char)
            for char in text
        )

    def unescaped(self, text: str) -> str:
        """Undo `escaped`."""
        head, *rest = text.split(self._escape)
        if not rest:
            return text
        data = bytearray(head.encode())
        for part in rest:
            data.append(int(part[:2], 16))
            data += part[2:].encode()
        return data.decode()

    def _tokens(self, kind: Kind, address: str) -> str:
        if address.startswith('{"'):
            return self.escaped(address)
        tokens = [self.escaped(token) for token in address.split(".")]
        if kind is Kind.EVENT and tokens[0] in RESERVED:
            tokens[0] = self._escaped_char(tokens[0][0]) + tokens[0][1:]
        return self._separator.join(tokens)

    def _escaped_char(self, char: str) -> str:
        return "".join(f"{self._escape}{byte:02X}" for byte in char.encode())
