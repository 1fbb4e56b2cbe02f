"""From records to events, in the order in which they happened."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contracts import ARRIVED, CANCELLED, DEPARTED, Arrived, Cancelled, Departed, Flight
from records import Record
from wireloom import Event


@dataclass(frozen=True, slots=True)
class Happening:
    """One event to be emitted."""

    event: Event[Any]
    payload: Flight

    @property
    def uid(self) -> str:
        """Return the event's id: sent twice, it is still one."""
        return f"{self.event.pattern}:{self.payload.id}"

    @property
    def lane(self) -> str:
        """Return what it stays in order with: the aircraft."""
        return self.payload.tail_number or self.payload.id


def timeline(records: Iterable[Record]) -> list[Happening]:
    """Return what happened to all flights, by time; the legs of each aircraft are counted."""
    moments = sorted(
        (moment for record in records for moment in _moments(record)),
        key=lambda moment: (moment[0], moment[2].id),
    )
    legs: Counter[tuple[type[Flight], str | None]] = Counter()
    return [_happening(kind, record, legs) for _, kind, record in moments]


def _moments(record: Record) -> Iterator[tuple[datetime, type[Flight], Record]]:
    if record.departure_delay is None:
        yield record.departed_at, Cancelled, record
        return
    yield record.departed_at, Departed, record
    if record.arrival_delay is not None:
        yield record.arrived_at, Arrived, record


def _happening(
    kind: type[Flight], record: Record, legs: Counter[tuple[type[Flight], str | None]]
) -> Happening:
    facts: dict[str, Any] = {
        "id": record.id,
        "day": record.day,
        "carrier": record.carrier,
        "number": record.number,
        "tail_number": record.tail_number,
        "origin": record.origin,
        "destination": record.destination,
    }
    if kind is Cancelled:
        return Happening(CANCELLED, Cancelled(**facts))
    legs[kind, record.tail_number] += 1
    facts["leg"] = legs[kind, record.tail_number]
    if kind is Departed:
        return Happening(DEPARTED, Departed(**facts, delay=record.departure_delay))
    return Happening(ARRIVED, Arrived(**facts, delay=record.arrival_delay))
