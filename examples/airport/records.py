"""The flights in the file, as they were recorded."""

import csv
import gzip
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path

FILE = Path(__file__).with_name("flights.csv.gz")
MISSING = "NA"


@dataclass(frozen=True, slots=True)
class Record:
    """One line. What is None was not recorded."""

    day: date
    carrier: str
    number: int
    tail_number: str | None
    origin: str
    destination: str
    scheduled: time
    """When it should have departed, on the clock at the origin."""
    departure_delay: int | None
    """Minutes. None: it was cancelled."""
    arrival_delay: int | None
    """Minutes. None: it was cancelled, or landed elsewhere."""
    air_time: int | None
    """Minutes."""

    @property
    def id(self) -> str:
        """Return what is unique to it: a flight's number may be used more than once a day."""
        return f"{self.day}-{self.carrier}{self.number}-{self.origin}-{self.scheduled:%H%M}"

    @property
    def departed_at(self) -> datetime:
        """Return when it left the gate; for a cancelled one, when it should have."""
        planned = datetime.combine(self.day, self.scheduled)
        return planned + timedelta(minutes=self.departure_delay or 0)

    @property
    def arrived_at(self) -> datetime:
        """Return about when it landed, on the clock at the origin."""
        return self.departed_at + timedelta(minutes=self.air_time or 0)


def read(path: Path = FILE) -> list[Record]:
    """Return all records of the file."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        return list(_records(csv.DictReader(lines)))


def _records(rows: Iterable[dict[str, str]]) -> Iterator[Record]:
    for row in rows:
        clock = int(row["sched_dep_time"])
        yield Record(
            day=date.fromisoformat(row["date"]),
            carrier=row["carrier"],
            number=int(row["flight"]),
            tail_number=None if row["tailnum"] == MISSING else row["tailnum"],
            origin=row["origin"],
            destination=row["dest"],
            scheduled=time(clock // 100, clock % 100),
            departure_delay=_minutes(row["dep_delay"]),
            arrival_delay=_minutes(row["arr_delay"]),
            air_time=_minutes(row["air_time"]),
        )


def _minutes(text: str) -> int | None:
    return None if text == MISSING else int(text)
