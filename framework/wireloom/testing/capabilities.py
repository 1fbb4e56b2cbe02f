"""What each installed transport can do, as the table in the documentation."""

from collections.abc import Iterable, Sequence
from typing import Final

from wireloom.discovery import installed_transports, load_transport
from wireloom.spi import Capabilities, Transport

__all__ = ["ROWS", "cell", "installed", "table"]

ROWS: Final[Sequence[tuple[str, Sequence[str]]]] = (
    (
        "requests, typed errors, deadlines, streams, cancel, groups, broadcast, order per key, "
        "retry, delay, dead letter, dedup",
        (
            "requests",
            "groups",
            "broadcast",
            "ordered",
            "retry",
            "delay",
            "dead_letter",
            "dedup",
        ),
    ),
    (
        "durable, redelivers after a crash, publisher acknowledgement",
        ("durable", "redelivers", "publisher_ack"),
    ),
    ("replay (first, sequence, time)", ("replay",)),
    ("wildcards and `{token}` in durable events", ("wildcards",)),
    ("immediate `NoHandlerError`", ("no_handler",)),
)
"""The table's rows: what they say, and the flags that it stands for."""


def installed() -> list[type[Transport]]:
    """Return the installed transports by kind; one that answers to two schemes is there once.

    :raises MissingDriverError: if the driver of one is not installed.
    """
    found = {load_transport(name) for name in installed_transports()}
    return sorted(found, key=lambda transport: transport.kind)


def table(transports: Iterable[type[Transport]] | None = None) -> str:
    """Return the capabilities of these transports, or of all that are installed, as Markdown."""
    columns = installed() if transports is None else list(transports)
    lines = [
        _line("", *(transport.kind for transport in columns)),
        _line("---", *("---" for _ in columns)),
    ]
    for label, flags in ROWS:
        lines.append(_line(label, *(cell(one.capabilities, flags) for one in columns)))
    return "\n".join(lines) + "\n"


def cell(capabilities: Capabilities, flags: Sequence[str]) -> str:
    """Return what the table says of these flags: the transport's notes, all, none, or which."""
    notes = {flag: capabilities.notes[flag] for flag in flags if flag in capabilities.notes}
    if notes:
        words = (_noted(flag, note, alone=len(flags) == 1) for flag, note in notes.items())
        return "; ".join(words)
    having = [flag for flag in flags if getattr(capabilities, flag)]
    if len(having) == len(flags):
        return "●"
    return ", ".join(flag.replace("_", " ") for flag in having) or "–"


def _noted(flag: str, note: str, *, alone: bool) -> str:
    return note if alone else f"{flag.replace('_', ' ')} {note}"


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
