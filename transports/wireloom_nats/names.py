"""Names on the server: subjects, streams and consumers."""

import string
from typing import Final

from wireloom.pattern import Pattern
from wireloom.spi import Kind, Naming

__all__ = ["Names"]

_IN_SUBJECTS: Final = frozenset(
    string.ascii_letters + string.digits + "_-~:,;+=#@!/&|()[]{}'\"`^?<"
)
_IN_NAMES: Final = frozenset(string.ascii_letters + string.digits + "_-")
_REMEMBERED: Final = 10_000


class Names:
    """Every name of one namespace.

    Subjects: events `<pattern>`, requests `rpc.<pattern>`, inboxes `inbox.<instance>`, dead letters
    `dead.<subscription>`, our own bookkeeping below `delay.`; each after `<namespace>.`.
    Streams and consumers may hold no dots, so `~` stands for them: stream `<namespace>~events`
    (`wireloom~events` without one), consumer `users~Users~welcome`.
    """

    def __init__(self, namespace: str, inbox_prefix: str = "") -> None:
        self._subjects = Naming(namespace, _IN_SUBJECTS)
        self._tokens = Naming("", _IN_NAMES)
        self._durables = Naming("", _IN_NAMES, separator="~")
        self._root = self._stream_root(namespace)
        self._prefix = f"{namespace}." if namespace else ""
        self._own = (f"{self._prefix}delay.", f"{self._prefix}dead.")
        self._addresses: dict[str, str] = {}
        self._known: dict[Kind, dict[str, str]] = {Kind.EVENT: {}, Kind.REQUEST: {}}
        self.inboxes = inbox_prefix.rstrip(".") or f"{self._prefix}inbox"
        self.events = f"{self._root}~events"
        self.dead = f"{self._root}~dead"
        self.attempts = f"{self._root}~attempts"
        self.requests = f"{self._prefix}rpc.>"

    def subject(self, kind: Kind, address: str) -> str:
        """Return the subject of an event's or request's concrete address."""
        known = self._known[kind]
        found = known.get(address)
        if found is None:
            if len(known) >= _REMEMBERED:
                known.clear()
            found = known[address] = self._subjects.name(kind, address)
        return found

    def filter(self, kind: Kind, pattern: Pattern) -> str:
        """Return the subject of a pattern, wildcards included."""
        if pattern.is_concrete:
            return self._subjects.name(kind, pattern.text)
        names = [
            token if token in ("*", ">") else self._subjects.escaped(token)
            for token in pattern.tokens
        ]
        if kind is Kind.REQUEST:
            names.insert(0, "rpc")
        elif names[0] not in ("*", ">"):
            names[0] = self._subjects.name(kind, pattern.tokens[0]).removeprefix(self._prefix)
        return self._prefix + ".".join(names)

    def address(self, kind: Kind, subject: str) -> str:
        """Return the address that a subject stands for."""
        found = self._addresses.get(subject)
        if found is None:
            if len(self._addresses) >= _REMEMBERED:
                self._addresses.clear()
            found = self._addresses[subject] = self._read(kind, subject)
        return found

    def is_own(self, subject: str) -> bool:
        """Tell our own subjects from events', which a wide filter on a stream also finds."""
        return subject.startswith(self._own)

    def token(self, text: str) -> str:
        """Return text as one token of a subject."""
        return self._tokens.escaped(text)

    def text(self, token: str) -> str:
        """Return what `token` made a token of; anybody's token is taken as it is."""
        try:
            return self._tokens.unescaped(token)
        except ValueError:
            return token

    def inbox(self, instance: str) -> str:
        """Return the subject below which an instance listens."""
        return f"{self.inboxes}.{instance}"

    def dead_letters(self, subscription: str) -> str:
        """Return the subject of a subscription's dead letters."""
        return self._subjects.own("dead", subscription)

    def replays(self, stream: str, subscription: str = "") -> str:
        """Return the subject of dead letters that come back to one subscription, or to all."""
        if not subscription:
            return f"{self._prefix}delay.replay.{stream}.>"
        return self._subjects.own("delay", f"replay.{stream}.{subscription}")

    def attempt(self, stream: str, consumer: str, sequence: int) -> str:
        """Return the subject of the count of runs of one message at one consumer."""
        return f"{self._prefix}delay.attempt.{stream}.{consumer}.{sequence}"

    def owner(self, stream: str, consumer: str) -> str:
        """Return the subject of who owns a consumer."""
        return f"{self._prefix}delay.owner.{stream}.{consumer}"

    def bookkeeping(self) -> list[str]:
        """Return the subjects of the stream that keeps attempts and owners."""
        return [f"{self._prefix}delay.attempt.>", f"{self._prefix}delay.owner.>"]

    def all_dead_letters(self) -> str:
        """Return the subjects of the stream of dead letters."""
        return f"{self._prefix}dead.>"

    def own_stream(self, pattern: Pattern) -> str:
        """Return the stream of an event that has limits of its own."""
        tokens = [self._durables.escaped(token) for token in pattern.tokens]
        return "~".join([self._root, "event", *tokens])

    def consumer(self, subscription: str) -> str:
        """Return the durable consumer of a subscription."""
        tokens = [self._durables.escaped(token) for token in subscription.split(".")]
        return "~".join(tokens)

    def is_ours(self, stream: str) -> bool:
        """Tell whether a stream is one of this namespace's streams of events."""
        return stream == self.events or stream.startswith(f"{self._root}~event~")

    def _read(self, kind: Kind, subject: str) -> str:
        try:
            return self._subjects.address(kind, subject)
        except ValueError:  # somebody else's subject, with our escape in it by chance
            return subject.removeprefix(self._prefix)

    def _stream_root(self, namespace: str) -> str:
        if namespace == "wireloom":  # what stands for no namespace
            return "%77ireloom"
        return self._durables.escaped(namespace) or "wireloom"
