"""The figures that the records demand, computed from the file alone."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from records import Record

LONG = 120


@dataclass
class Figures:
    """Those of a carrier or of a route."""

    departed: int = 0
    arrived: int = 0
    cancelled: int = 0
    long: int = 0
    minutes: int = 0

    def add(self, record: Record) -> None:
        """Count one flight."""
        if record.departure_delay is None:
            self.cancelled += 1
            return
        self.departed += 1
        if record.arrival_delay is not None:
            self.arrived += 1
            self.minutes += record.arrival_delay
            self.long += record.arrival_delay >= LONG


@dataclass
class Expected:
    """All that is asked about."""

    total: Figures = field(default_factory=Figures)
    carriers: dict[str, Figures] = field(default_factory=lambda: defaultdict(Figures))
    routes: dict[tuple[str, str], Figures] = field(default_factory=lambda: defaultdict(Figures))
    worst: dict[date, Record] = field(default_factory=dict)
    late: set[str] = field(default_factory=set)
    """Ids of the flights that passengers must be told about."""
    cancelled_at: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    export: dict[str, tuple[bool, bool, int | None]] = field(default_factory=dict)
    """By id: whether it departed, whether it was cancelled, its delay at arrival."""

    @property
    def events(self) -> int:
        """Return how many events the replay has."""
        return self.total.departed + self.total.arrived + self.total.cancelled


def expect(records: Iterable[Record]) -> Expected:
    """Go through the records once."""
    found = Expected()
    for record in records:
        for figures in (
            found.total,
            found.carriers[record.carrier],
            found.routes[record.origin, record.destination],
        ):
            figures.add(record)
        departed = record.departure_delay is not None
        found.export[record.id] = (departed, not departed, record.arrival_delay)
        if not departed:
            found.cancelled_at[record.origin] += 1
        if record.arrival_delay is not None:
            _count_arrival(found, record, record.arrival_delay)
    return found


def _count_arrival(found: Expected, record: Record, delay: int) -> None:
    if delay >= LONG:
        found.late.add(record.id)
    worst = found.worst.get(record.day)
    if worst is None or (-delay, record.id) < (-(worst.arrival_delay or 0), worst.id):
        found.worst[record.day] = record
