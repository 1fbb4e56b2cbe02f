"""Sets of subjects, wildcards included. JetStream wants a stream's subjects to be apart."""

from collections.abc import Iterable
from itertools import zip_longest

__all__ = ["collide", "covers", "merged"]


def covers(wide: str, narrow: str) -> bool:
    """Tell whether all that `narrow` stands for is in `wide`."""
    for one, other in zip_longest(wide.split("."), narrow.split(".")):
        if one == ">":
            return other is not None
        if one != other and (one != "*" or other in (None, ">")):
            return False
    return True


def collide(one: str, other: str) -> bool:
    """Tell whether some subject is in both."""
    for left, right in zip_longest(one.split("."), other.split(".")):
        if left is None or right is None:
            return False
        if ">" in (left, right):
            return True
        if left != right and "*" not in (left, right):
            return False
    return True


def merged(subjects: Iterable[str]) -> list[str]:
    """Return the fewest subjects that stand for all of these and have nothing in common.

    Two that overlap without one covering the other become one that covers both.
    """
    kept: list[str] = []
    waiting = list(subjects)
    while waiting:
        subject = waiting.pop(0)
        other = next((known for known in kept if collide(known, subject)), None)
        if other is None:
            kept.append(subject)
        elif not covers(other, subject):
            kept.remove(other)
            waiting.insert(0, subject if covers(subject, other) else _around(subject, other))
    return sorted(kept)


def _around(one: str, other: str) -> str:
    tokens: list[str] = []
    for left, right in zip_longest(one.split("."), other.split(".")):
        if ">" in (left, right):
            return ".".join([*tokens, ">"])
        tokens.append(left if left == right else "*")
    return ".".join(tokens)
