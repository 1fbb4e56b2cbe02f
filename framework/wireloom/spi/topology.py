"""What an application needs to exist on its broker, as rows a person can read."""

import enum
from dataclasses import dataclass

__all__ = ["Action", "Change"]


class Action(enum.Enum):
    """What applying would do about one thing on the broker."""

    KEEP = "keep"
    CREATE = "create"
    UPDATE = "update"
    IMPOSSIBLE = "impossible"
    """It exists with a setting that cannot be changed; it must be removed or renamed by hand."""
    ORPHAN = "orphan"
    """It looks like ours and no handler uses it any more, for instance after renaming."""


@dataclass(frozen=True, slots=True)
class Change:
    """One stream, consumer, topic, queue or exchange, and what would become of it."""

    action: Action
    what: str
    """Its kind in the broker's own word, such as "stream" or "queue"."""
    name: str
    setting: str = ""
    """The setting that differs, for UPDATE and IMPOSSIBLE."""
    old: str = ""
    new: str = ""
