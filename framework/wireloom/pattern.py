"""Patterns: what a handler listens to and a client sends to.

In text, dots separate tokens, `*` is one token, a final `>` is one or more, `{name}` is one token
with a name. Numbers, enums and literal objects are single tokens; an object is written as the
route text that NestJS gives it, so that both sides of that wire look it up alike.
"""

import enum
import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, Generic, TypeVar

from wireloom.errors import InvalidPatternError

T = TypeVar("T")

__all__ = ["Literal", "Pattern", "PatternIndex", "route_text", "split_address"]

Literal = str | int | float | enum.Enum | Mapping[str, object]
"""What may stand where a pattern is asked for, contracts and `Pattern` itself aside."""

MAX_LENGTH: Final = 512
MAX_TOKENS: Final = 64
MAX_DEPTH: Final = 5
MAX_KEYS: Final = 20
_PARAMETER: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_PUNCTUATION: Final = " _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$"
_RANK: Final = {char: rank for rank, char in enumerate(_PUNCTUATION + "0123456789")}


class Pattern:
    """One pattern, parsed once. Equal patterns have equal `text`.

    `text` is the canonical form with parameter names kept, `filter` the same with `*` for each
    `{name}`, `parameters` maps a name to its token's position.
    """

    __slots__ = ("_tokens", "filter", "is_concrete", "parameters", "text")

    def __init__(self, text: str, *, opaque: bool = False) -> None:
        """Parse text; `opaque` makes it one token whatever it holds.

        :raises InvalidPatternError: if the text is empty, too long, or misuses a wildcard.
        """
        opaque = opaque or text.startswith('{"')
        self.text = text
        _check_text(text)
        tokens = (text,) if opaque else tuple(text.split("."))
        self.parameters: Mapping[str, int] = {} if opaque else _parameters(text, tokens)
        self._tokens = tuple(
            "*" if position in self.parameters.values() else token
            for position, token in enumerate(tokens)
        )
        if not opaque:
            _check_tokens(text, self._tokens)
        self.filter = ".".join(self._tokens)
        self.is_concrete = opaque or not ("*" in self._tokens or self._tokens[-1] == ">")

    @classmethod
    def of(cls, literal: object) -> "Pattern":
        """Return the pattern that a text, number, enum or literal object means.

        :raises InvalidPatternError: if it is none of these.
        """
        if isinstance(literal, Pattern):
            return literal
        if isinstance(literal, enum.Enum):
            return cls.of(literal.value)
        if isinstance(literal, str):
            return cls(literal)
        if isinstance(literal, Mapping):
            return cls(route_text(literal), opaque=True)
        if isinstance(literal, (int, float)) and not isinstance(literal, bool):
            return cls(_number_text(literal), opaque=True)
        raise InvalidPatternError(
            f"{literal!r} is not a pattern",
            remedy="use text, a number, an enum member, a dict of literals, Event(...) or Rpc(...)",
        )

    @property
    def tokens(self) -> tuple[str, ...]:
        """Return the tokens of `filter`."""
        return self._tokens

    def matches(self, address: str) -> bool:
        """Tell whether a concrete address is one this pattern stands for."""
        if self.is_concrete:
            return address == self.text
        return _match(self._tokens, split_address(address))

    def extract(self, address: str) -> dict[str, str]:
        """Return the tokens of a matching address by parameter name."""
        tokens = split_address(address)
        return {name: tokens[position] for name, position in self.parameters.items()}

    def at(self, **tokens: object) -> "Pattern":
        """Return the concrete pattern with these tokens in the places of its parameters.

        :raises InvalidPatternError: if one is missing, unknown, or not a single token.
        """
        if tokens.keys() != self.parameters.keys():
            raise InvalidPatternError(
                f"{self.text!r} takes {sorted(self.parameters)}, not {sorted(tokens)}"
            )
        filled = list(self._tokens)
        for name, position in self.parameters.items():
            filled[position] = _single_token(self.text, name, str(tokens[name]))
        return Pattern(".".join(filled))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pattern) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Pattern({self.text!r})"

    def __str__(self) -> str:
        return self.text


class PatternIndex(Generic[T]):
    """Values by pattern, looked up by concrete address.

    A look-up costs one dictionary access once an address has been seen; the memory of seen
    addresses is bounded, since a peer chooses them.
    """

    _REMEMBERED: Final = 10_000

    def __init__(self) -> None:
        self._concrete: dict[str, list[T]] = {}
        self._wild: list[tuple[Pattern, T]] = []
        self._seen: dict[str, tuple[T, ...]] = {}

    def add(self, pattern: Pattern, value: T) -> None:
        """Add a value; one pattern may have several."""
        if pattern.is_concrete:
            self._concrete.setdefault(pattern.text, []).append(value)
        else:
            self._wild.append((pattern, value))
        self._seen.clear()

    def remove(self, pattern: Pattern, value: T) -> None:
        """Remove one value that was added under this pattern; unknown ones are no error."""
        values = self._concrete.get(pattern.text, [])
        if value in values:
            values.remove(value)
            if not values:
                del self._concrete[pattern.text]
        elif (pattern, value) in self._wild:
            self._wild.remove((pattern, value))
        self._seen.clear()

    def find(self, address: str) -> tuple[T, ...]:
        """Return the values of every pattern that the address matches: those of the address itself
        first, then those of wildcards, each in order of adding.
        """
        found = self._seen.get(address)
        if found is None:
            found = self._search(address)
            if len(self._seen) >= self._REMEMBERED:
                self._seen.clear()
            self._seen[address] = found
        return found

    def _search(self, address: str) -> tuple[T, ...]:
        wild = [value for pattern, value in self._wild if pattern.matches(address)]
        return (*self._concrete.get(address, ()), *wild)

    def __bool__(self) -> bool:
        return bool(self._concrete or self._wild)


def split_address(address: str) -> Sequence[str]:
    """Return the tokens of a concrete address; an object's route text is one token."""
    return (address,) if address.startswith('{"') else address.split(".")


def route_text(literal: object) -> str:
    """Return NestJS's route text of a literal: keys in locale order, no spaces, escaped text."""
    return _route(literal, 0)


def _check_text(text: str) -> None:
    if not text:
        raise InvalidPatternError("a pattern cannot be empty")
    if len(text.encode("utf-8", "surrogatepass")) > MAX_LENGTH:
        raise InvalidPatternError(f"a pattern takes at most {MAX_LENGTH} bytes: {text[:40]!r}…")
    if any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in text):
        raise InvalidPatternError(f"{text!r} holds a control character or half a surrogate pair")


def _check_tokens(text: str, tokens: tuple[str, ...]) -> None:
    if len(tokens) > MAX_TOKENS:
        raise InvalidPatternError(f"a pattern takes at most {MAX_TOKENS} tokens: {text[:40]!r}…")
    for position, token in enumerate(tokens):
        if not token:
            raise InvalidPatternError(f"{text!r} has an empty token", remedy="one dot at a time")
        if " " in token or "\u00a0" in token:
            raise InvalidPatternError(f"{text!r} has a space in a token", remedy="use - or _")
        if token == ">" and position != len(tokens) - 1:
            raise InvalidPatternError(f"{text!r}: '>' stands at the end only")
        if token not in ("*", ">") and ("*" in token or ">" in token):
            raise InvalidPatternError(f"{text!r}: '*' and '>' are whole tokens")
        if "{" in token or "}" in token:
            raise InvalidPatternError(
                f"{text!r}: {token!r} is no parameter", remedy="a parameter is a token {name}"
            )


def _parameters(text: str, tokens: tuple[str, ...]) -> dict[str, int]:
    named: dict[str, int] = {}
    for position, token in enumerate(tokens):
        if found := _PARAMETER.fullmatch(token):
            if found[1] in named:
                raise InvalidPatternError(f"{text!r} names the parameter {found[1]!r} twice")
            named[found[1]] = position
    return named


def _single_token(text: str, name: str, token: str) -> str:
    if not token or any(char in ".*>{} " for char in token):
        raise InvalidPatternError(f"{text!r}: {name}={token!r} is not a single token")
    return token


def _match(tokens: Sequence[str], parts: Sequence[str]) -> bool:
    if tokens[-1] == ">":
        tokens = tokens[:-1]
        if len(parts) <= len(tokens):
            return False
    elif len(parts) != len(tokens):
        return False
    return all(token in ("*", part) for token, part in zip(tokens, parts, strict=False))


def _number_text(number: float) -> str:
    if number != number or number in (float("inf"), float("-inf")):
        raise InvalidPatternError(f"{number!r} is not a pattern", remedy="use a finite number")
    return str(int(number)) if float(number).is_integer() else repr(number)


def _route(value: object, depth: int) -> str:
    if isinstance(value, enum.Enum):
        value = value.value
    if isinstance(value, (list, tuple)):
        value = {str(position): item for position, item in enumerate(value)}
    if isinstance(value, Mapping):
        return _route_of_object(value, depth)
    if isinstance(value, str):
        return value if depth == 0 else f'"{_escaped(value)}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, (int, float)):
        return _number_text(value)
    raise InvalidPatternError(f"{value!r} cannot stand in a pattern", remedy="use literals only")


def _route_of_object(value: Mapping[str, object], depth: int) -> str:
    if depth > MAX_DEPTH:
        return '"[MAX_DEPTH_REACHED]"'
    if len(value) > MAX_KEYS:
        return '"[TOO_MANY_KEYS]"'
    named = {_key_text(key): item for key, item in value.items()}
    keys = sorted(named, key=_locale_key)
    return (
        "{" + ",".join(f'"{_escaped(key)}":{_route(named[key], depth + 1)}' for key in keys) + "}"
    )


def _key_text(key: object) -> str:
    """Return a key as JavaScript has it: always text."""
    if isinstance(key, enum.Enum):
        key = key.value
    if isinstance(key, str):
        return key
    if isinstance(key, (int, float)) and not isinstance(key, bool):
        return _number_text(key)
    raise InvalidPatternError(f"{key!r} cannot be a key in a pattern", remedy="use text")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


@lru_cache(maxsize=4096)
def _locale_key(text: str) -> tuple[list[int], list[int], list[int]]:
    """Order as JavaScript's localeCompare does: letters first, then accents, then case."""
    letters: list[int] = []
    accents: list[int] = []
    cases: list[int] = []
    for char in unicodedata.normalize("NFD", text):
        if unicodedata.combining(char):
            accents.append(ord(char))
            continue
        lowered = char.lower()
        letters.append(_RANK.get(char, len(_RANK) + ord(lowered[0])))
        accents.append(0)
        cases.append(int(char != lowered))
    return letters, accents, cases
