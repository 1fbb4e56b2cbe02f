"""Messages as Kafka's records: the body is the value, the key is the key, all else is headers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from wireloom.spi import Kind, Message
from wireloom.spi.headers import ATTEMPT, KEY, bounded_int
from wireloom.spi.native import from_headers, to_headers

__all__ = ["Outgoing", "Place", "Record", "Source", "from_record", "header_list", "to_outgoing"]

DELAY_MS: Final = "wl-delay-ms"
"""Milliseconds after the record's own time before which it is not run."""
SOURCE: Final = "wl-source"
"""In a delay topic: the place that the message first came from, and its time there."""
REPLAYED: Final = "wl-replayed"
INBOX: Final = "wl-inbox"
"""In a topic for replies: the instance that the reply is for."""
_INNER: Final = (ATTEMPT, DELAY_MS, SOURCE, REPLAYED, INBOX, KEY)
MAX_ATTEMPT: Final = 1_000_000

HeaderList = list[tuple[str, bytes]]


class Record(Protocol):
    """What we read of the driver's record."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


@dataclass(slots=True)
class Place:
    """Where a message lies, or lay before it was put off."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """Milliseconds since the epoch: when the broker or the producer stamped it."""

    def to_text(self) -> str:
        """Return what a header says of it."""
        return f"{self.topic}:{self.partition}:{self.offset}:{self.timestamp}"

    @classmethod
    def from_text(cls, text: str | None) -> "Place | None":
        """Return the place that a header names, or None if it names none."""
        topic, *numbers = (text or "").split(":")
        found = [bounded_int(number, 0, 2**63 - 1) for number in numbers]
        if not topic or len(found) != 3 or None in found:
            return None
        return cls(topic, *(number for number in found if number is not None))


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record that is to be written."""

    topic: str
    value: bytes | None
    headers: HeaderList
    key: bytes | None = None
    partition: int | None = None


@dataclass(slots=True)
class Source:
    """A record as it came, with what its headers say of its way here."""

    message: Message
    place: Place
    attempt: int
    delay: float
    """Seconds after its time of writing before which it is not run."""
    due: float
    """The same as wall time, in seconds since the epoch."""
    replayed: bool
    stamped: bool
    """Whether the broker's clock gave the time, not a producer's."""


def to_outgoing(
    message: Message, topic: str, *, partition: int | None = None, **more: str
) -> Outgoing:
    """Return the record of a message; `more` are headers with `_` written for `-`."""
    headers = to_headers(message)
    headers.pop(KEY, None)
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    if message.delay > 0:
        headers[DELAY_MS] = str(round(message.delay * 1000))
    key = None if message.key is None else message.key.encode()
    return Outgoing(topic, message.body, header_list(headers), key, partition)


def header_list(headers: Mapping[str, str]) -> HeaderList:
    """Return headers as the driver takes them."""
    return [(name, value.encode()) for name, value in headers.items()]


def from_record(record: Any, kind: Kind, address: str, *, ours: bool = False) -> Source:
    """Return what a record from anywhere means.

    `ours` tells that only we write to its topic; elsewhere, headers about its way are hearsay.
    """
    headers = _headers(record.headers)
    inner = {name: headers.pop(name) for name in _INNER if name in headers}
    key = None if record.key is None else record.key.decode(errors="replace")
    message = from_headers(kind, address, record.value or b"", headers)
    message.key = key
    place = Place(record.topic, record.partition, record.offset, record.timestamp)
    delay = bounded_int(inner.get(DELAY_MS), 0, 2**53) or 0
    return Source(
        message,
        (Place.from_text(inner.get(SOURCE)) or place) if ours else place,
        (bounded_int(inner.get(ATTEMPT), 1, MAX_ATTEMPT) or 1) if ours else 1,
        delay / 1000,
        (record.timestamp + delay) / 1000,
        ours and REPLAYED in inner,
        record.timestamp_type == 1,
    )


def _headers(pairs: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    # A foreign producer may write anything: names in any case, bytes that are no text, none at all.
    return {
        name.lower(): value.decode(errors="replace") for name, value in pairs if value is not None
    }
