"""Names of topics and groups.

Kafka allows letters, digits, `.`, `_` and `-`, and lets two names that differ in `.` and `_` alone
not exist together. So a character that is illegal, or `_`, is written as two dots and its bytes in
hexadecimal: a token is never empty, so two dots mean nothing else.
"""

import re
import string
from typing import Final

from wireloom.errors import InvalidPatternError
from wireloom.pattern import Pattern
from wireloom.spi import Kind, Naming

__all__ = ["DELAY", "KafkaNames"]

MAX_LENGTH: Final = 249
DELAY: Final = "delay"
_LEGAL: Final = string.ascii_letters + string.digits + "-"
_ESCAPE: Final = ".."
_ESCAPED: Final = re.compile(r"\.\.([0-9A-F]{2})")
_TOKEN: Final = r"(?:\.\.[0-9A-F]{2}|[^.])+"
_OURS: Final = r"(?!(?:rpc|inbox|dead|delay)\.)"


class KafkaNames(Naming):
    """Topic names of addresses, and back."""

    def __init__(self, namespace: str) -> None:
        super().__init__("", _LEGAL, escape=_ESCAPE)
        self._namespace = self.escaped(namespace, keep=".")
        if self._namespace:
            self._prefix = f"{self._namespace}."

    @property
    def prefix(self) -> str:
        """Return what every name of this namespace begins with."""
        return self._prefix

    def topic(self, kind: Kind, address: str) -> str:
        """Return the topic of an event's or request's concrete address.

        :raises InvalidPatternError: if Kafka cannot have a name so long.
        """
        return _checked(self.name(kind, address))

    def dead(self, subscription: str) -> str:
        """Return the topic of a subscription's dead letters."""
        return _checked(self.own("dead", subscription))

    def delay(self, subscription: str) -> str:
        """Return the topic of what a subscription runs later."""
        return _checked(self.own(DELAY, subscription))

    def inbox(self, group: str) -> str:
        """Return the topic that replies to a group's instances come by."""
        return _checked(self.own("inbox", group))

    def group(self, kind: Kind, name: str, pattern: Pattern) -> str:
        """Return the consumer group of a subscription.

        Requests have one group for each pattern, whatever service handles it, so that one member
        of all runs each, and a caller can see whether there is any.
        """
        if kind is Kind.REQUEST:
            return self.topic(kind, pattern.text)
        return f"{self._prefix}{name}"

    def regex(self, pattern: Pattern) -> str:
        """Return what the topics of a wildcard pattern match from start to end."""
        tokens = r"\.".join(self._part(token) for token in pattern.tokens)
        ours = _OURS if pattern.tokens[0] in ("*", ">") else ""
        return rf"{re.escape(self._prefix)}{ours}{tokens}\Z"

    def address(self, kind: Kind, name: str) -> str:
        """Return the address that a topic stands for."""
        bare = name.removeprefix(self._prefix)
        if kind is Kind.REQUEST:
            bare = bare.removeprefix("rpc.")
        return self.unescaped(bare)

    def is_inbox(self, topic: str) -> bool:
        """Tell whether a topic that somebody wants replies at is one for replies."""
        bare = topic.removeprefix(self._prefix)
        legal = set(_LEGAL) | {"."}
        return (
            topic.startswith(f"{self._prefix}inbox.")
            and len(topic) <= MAX_LENGTH
            and legal.issuperset(bare)
        )

    def owned(self, role: str, group: str) -> str:
        """Return how names of a role begin whose subscriptions belong to a group."""
        return f"{self.own(role, group)}."

    def unescaped(self, text: str) -> str:
        """Undo `escaped`; text that nobody escaped comes back as it is."""
        if _ESCAPE not in text:
            return text
        data = bytearray()
        end = 0
        for found in _ESCAPED.finditer(text):
            data += text[end : found.start()].encode()
            data.append(int(found[1], 16))
            end = found.end()
        data += text[end:].encode()
        return data.decode(errors="replace")

    def _part(self, token: str) -> str:
        if token == "*":
            return _TOKEN
        if token == ">":
            return rf"{_TOKEN}(?:\.{_TOKEN})*"
        return re.escape(self.escaped(token))


def _checked(name: str) -> str:
    if len(name) > MAX_LENGTH:
        raise InvalidPatternError(
            f"{name[:60]!r}… is a topic name of {len(name)} characters; Kafka takes {MAX_LENGTH}",
            remedy="use a shorter pattern or name",
        )
    return name
