"""What the three services tell and ask each other. All of them import this, and nothing else of
each other.
"""

from datetime import date

from pydantic import BaseModel, ConfigDict

from wireloom import Event, Rpc

LONG = 120
"""Minutes from which on a late arrival is worth a notice."""


class Message(BaseModel):
    """Base of all of them: they are facts, so they do not change."""

    model_config = ConfigDict(frozen=True)


class Flight(Message):
    """One flight of one day."""

    id: str
    day: date
    carrier: str
    number: int
    tail_number: str | None
    """The aircraft; of some cancelled flights it was never known."""
    origin: str
    destination: str


class Departed(Flight):
    leg: int
    """The how-manieth departure of this aircraft it is."""
    delay: int
    """Minutes; below 0: early."""


class Arrived(Flight):
    leg: int
    """The how-manieth arrival of this aircraft it is."""
    delay: int
    """Minutes; below 0: early."""


class Cancelled(Flight):
    pass


class Route(Message):
    origin: str
    destination: str


class Delays(Message):
    """The figures of a carrier or of a route."""

    departed: int
    arrived: int
    cancelled: int
    long: int
    """Arrivals that were late by `LONG` minutes or more."""
    minutes: int
    """Sum of all delays at arrival; early ones count against late ones."""

    @property
    def mean(self) -> float:
        """Return the mean delay at arrival, in minutes."""
        return self.minutes / self.arrived if self.arrived else 0.0


class Late(Message):
    """One arrival, late or early."""

    id: str
    carrier: str
    number: int
    origin: str
    destination: str
    delay: int


class Row(Message):
    """One flight in the export."""

    id: str
    origin: str
    departed: bool
    cancelled: bool
    delay: int | None
    """At arrival, in minutes; None: it did not arrive where it should."""


class Summary(Message):
    """What `delays` has taken in so far."""

    departed: int
    arrived: int
    cancelled: int
    out_of_order: int
    """Events of an aircraft that came after a later one of their kind."""
    again: int
    """Events that came a second time and were not counted again."""
    carriers: list[str]

    @property
    def events(self) -> int:
        """Return how many different events that is."""
        return self.departed + self.arrived + self.cancelled


class Progress(Message):
    """How far the replay has come."""

    done: int
    total: int
    held_up: int
    """How often an event had to wait because nobody took it."""


class Notice(Message):
    """What passengers are told."""

    flight: str
    text: str


# Events. Those of one aircraft are in order.
DEPARTED = Event("flight.departed", Departed, key="tail_number")
ARRIVED = Event("flight.arrived", Arrived, key="tail_number")
CANCELLED = Event("flight.cancelled", Cancelled)
LONG_DELAY = Event("delay.long", Late, key="carrier")

# Requests to `flights`.
TOTAL = Rpc("replay.total", request=None, response=int)
REPLAY = Rpc("replay.run", request=None, response=Progress)
"""Streamed; the replay goes on for as long as somebody reads."""

# Requests to `delays`.
BY_CARRIER = Rpc("delays.by_carrier", request=str, response=Delays)
BY_ROUTE = Rpc("delays.by_route", request=Route, response=Delays)
WORST = Rpc("delays.worst", request=date, response=Late)
SUMMARY = Rpc("delays.summary", request=None, response=Summary)
EXPORT = Rpc("delays.export", request=None, response=Row)
"""Streamed."""

# Requests to `notices`.
NOTICES = Rpc("notices.all", request=None, response=list[Notice])
CANCELLED_AT = Rpc("notices.cancelled_at", request=None, response=dict[str, int])
"""Cancelled flights by the airport where their passengers wait."""
