"""Where `delays` keeps what it was told, so that it may be stopped and started at any time."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Annotated, Any

from contracts import LONG, Arrived, Cancelled, Delays, Departed, Late, Route, Row, Summary
from wireloom import Inject

SCHEMA = """
CREATE TABLE IF NOT EXISTS event (
    seen INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    flight TEXT NOT NULL,
    day TEXT NOT NULL,
    carrier TEXT NOT NULL,
    number INTEGER NOT NULL,
    tail_number TEXT,
    origin TEXT NOT NULL,
    destination TEXT NOT NULL,
    leg INTEGER,
    delay INTEGER,
    times INTEGER NOT NULL DEFAULT 1,
    UNIQUE (flight, kind)
);
CREATE INDEX IF NOT EXISTS event_by_carrier ON event (carrier);
CREATE INDEX IF NOT EXISTS event_by_route ON event (origin, destination);
"""
ADD = """
INSERT INTO event (kind, flight, day, carrier, number, tail_number, origin, destination, leg, delay)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET times = times + 1
"""
FIGURES = f"""
SELECT count(*) FILTER (WHERE kind = 'Departed'), count(*) FILTER (WHERE kind = 'Arrived'),
    count(*) FILTER (WHERE kind = 'Cancelled'),
    count(*) FILTER (WHERE kind = 'Arrived' AND delay >= {LONG}),
    coalesce(sum(delay) FILTER (WHERE kind = 'Arrived'), 0)
FROM event WHERE
"""
WORST = """
SELECT flight, carrier, number, origin, destination, delay FROM event
WHERE kind = 'Arrived' AND day = ? ORDER BY delay DESC, flight LIMIT 1
"""
OUT_OF_ORDER = """
SELECT count(*) FROM (
    SELECT leg, lag(leg) OVER (PARTITION BY kind, tail_number ORDER BY seen) AS before
    FROM event WHERE leg IS NOT NULL
) WHERE leg < before
"""
EXPORT = """
SELECT flight, origin, max(kind = 'Departed'), max(kind = 'Cancelled'),
    max(CASE WHEN kind = 'Arrived' THEN delay END)
FROM event GROUP BY flight, origin ORDER BY flight
"""


class Store:
    """All events, each once, in the order in which they came."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        database.executescript(SCHEMA)

    def add(self, event: Departed | Arrived | Cancelled) -> None:
        """Keep an event. The same one again changes no figure."""
        self._database.execute(
            ADD,
            (
                type(event).__name__,
                event.id,
                event.day.isoformat(),
                event.carrier,
                event.number,
                event.tail_number,
                event.origin,
                event.destination,
                getattr(event, "leg", None),
                getattr(event, "delay", None),
            ),
        )

    def carrier(self, carrier: str) -> Delays | None:
        """Return a carrier's figures; None if it is not known."""
        return self._figures("carrier = ?", carrier)

    def route(self, route: Route) -> Delays | None:
        """Return a route's figures; None if nobody flies it."""
        return self._figures("origin = ? AND destination = ?", route.origin, route.destination)

    def worst(self, day: str) -> Late | None:
        """Return the latest arrival of a day's flights; None if none has arrived."""
        row = self._one(WORST, day)
        return None if row is None else Late(**dict(zip(Late.model_fields, row, strict=True)))

    def summary(self) -> Summary:
        """Return how much is here."""
        departed, arrived, cancelled, *_ = self._one(f"{FIGURES} true")
        (out_of_order,) = self._one(OUT_OF_ORDER)
        (again,) = self._one("SELECT coalesce(sum(times - 1), 0) FROM event")
        carriers = self._database.execute("SELECT DISTINCT carrier FROM event ORDER BY carrier")
        return Summary(
            departed=departed,
            arrived=arrived,
            cancelled=cancelled,
            out_of_order=out_of_order,
            again=again,
            carriers=[carrier for (carrier,) in carriers],
        )

    def rows(self) -> Iterator[Row]:
        """Go through all flights."""
        for flight, origin, departed, cancelled, delay in self._database.execute(EXPORT):
            yield Row(id=flight, origin=origin, departed=departed, cancelled=cancelled, delay=delay)

    def _figures(self, where: str, *values: str) -> Delays | None:
        figures = self._one(f"{FIGURES} {where}", *values)
        return (
            Delays(**dict(zip(Delays.model_fields, figures, strict=True))) if any(figures) else None
        )

    def _one(self, query: str, *values: str) -> Any:
        return self._database.execute(query, values).fetchone()


def open_store(path: Annotated[str, Inject("STORE")]) -> Iterator[Store]:
    """Open the file, and close it when the application has stopped."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        # Losing the last moments in a power failure is no matter here: they would be sent again.
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = OFF")
        yield Store(database)
