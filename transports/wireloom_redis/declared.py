"""What is known of events: how they are stored, and which streams are to be trimmed."""

from wireloom.pattern import Pattern, PatternIndex
from wireloom.spi import Declaration, Limits

__all__ = ["Declared"]

_UNDECLARED = Declaration(pattern=Pattern("undeclared"), limits=Limits())
"""What holds for an event that nobody declared; its pattern is not looked at."""


class Declared:
    """Events as they were declared; one that was not is durable, with the usual limits."""

    def __init__(self) -> None:
        self._index: PatternIndex[Declaration] = PatternIndex()
        self._by_text: dict[str, Declaration] = {}
        self._touched: set[str] = set()

    def add(self, declaration: Declaration) -> None:
        """Declare an event; a later declaration of a pattern replaces an earlier one."""
        text = declaration.pattern.text
        if (known := self._by_text.pop(text, None)) is not None:
            self._index.remove(known.pattern, known)
        self._by_text[text] = declaration
        self._index.add(declaration.pattern, declaration)

    def find(self, address: str) -> Declaration:
        """Return how the event of a concrete address is declared."""
        found = self._index.find(address)
        return found[0] if found else _UNDECLARED

    def published(self, address: str) -> Declaration:
        """Return how an event is declared, and have its stream trimmed."""
        declaration = self.find(address)
        if declaration.durable:
            self._touched.add(address)
        return declaration

    def to_trim(self) -> dict[str, Limits]:
        """Return the addresses to trim now: those declared, and those published to since the last
        time.
        """
        touched, self._touched = self._touched, set()
        touched |= {
            text
            for text, declaration in self._by_text.items()
            if declaration.durable and declaration.pattern.is_concrete
        }
        return {address: self.find(address).limits for address in touched}
