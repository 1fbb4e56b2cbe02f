"""Delays: RabbitMQ has none, so messages climb down a ladder of queues that let go after a while.

Rung n holds a message for 2^n units, if bit n of its delay is set, and then passes it to rung n-1.
The bits stand in the routing key, highest first, then what the message is for: `e.<routing key>`
for an event, `q.<queue>` for a retry of one subscription. So every delay, however odd, passes each
queue once at most, and in a queue all wait equally long, so that none waits behind another.
"""

from math import ceil
from typing import Final

from wireloom.errors import PublishError
from wireloom_rabbitmq.items import Binding, Exchange, Item, Queue
from wireloom_rabbitmq.names import Names

__all__ = ["LONGEST", "RUNGS", "Ladder", "original_key"]

UNIT: Final = 0.1
"""Seconds. Delays are rounded up to it."""
RUNGS: Final = 24
LONGEST: Final = (2**RUNGS - 1) * UNIT
"""Seconds; 19 days."""
_ANY_BITS: Final = "*." * RUNGS
_BITS: Final = 2 * RUNGS
"""Characters of a routing key before what the message is for."""


class Ladder:
    """The delay ladder of one namespace."""

    def __init__(self, names: Names) -> None:
        self._names = names

    def foot(self) -> list[Item]:
        """Return what delayed messages leave the ladder by. What nobody is bound for any more is
        dropped there: a rung would keep it, and try again for ever.
        """
        names = self._names
        return [
            Exchange(names.lost, "fanout"),
            Queue(names.lost, {"x-queue-type": "classic", "x-message-ttl": 0}),
            Binding(names.lost, "", names.lost),
            Exchange(names.due, "topic", {"alternate-exchange": names.lost}),
        ]

    def height(self, delay: float) -> int:
        """Return how many rungs a delay of so many seconds needs."""
        return min(_units(delay).bit_length(), RUNGS)

    def rungs(self, height: int) -> list[Item]:
        """Return so many rungs, from below, the foot included."""
        items = self.foot()
        for number in range(height):
            items += self._rung(number)
        return items

    def retries_of(self, queue: str) -> Binding:
        """Return the binding by which retries reach their queue."""
        return Binding(self._names.due, f"{_ANY_BITS}q.{queue}", queue)

    def events_for(self, binding: Binding) -> Binding:
        """Return the binding by which delayed events reach what this one brings others to."""
        return Binding(
            self._names.due, f"{_ANY_BITS}e.{binding.key}", binding.target, binding.to_exchange
        )

    def entry(self, delay: float, *, queue: str = "", key: str = "") -> tuple[str, str]:
        """Return the exchange and routing key for a retry of a queue, or an event with a key.

        :raises PublishError: if the delay is longer than the ladder.
        """
        units = _units(delay)
        if units.bit_length() > RUNGS:
            raise PublishError(f"a delay of {delay} s is over the longest possible, {LONGEST} s")
        bits = ".".join(format(units, f"0{RUNGS}b"))
        goal = f"q.{queue}" if queue else f"e.{key}"
        return self._names.rung(units.bit_length() - 1), f"{bits}.{goal}"

    def _rung(self, number: int) -> list[Item]:
        name = self._names.rung(number)
        below = self._names.rung(number - 1) if number else self._names.due
        before = "*." * (RUNGS - 1 - number)
        arguments = {
            "x-queue-type": "quorum",
            "x-message-ttl": round(UNIT * 1000) * 2**number,
            "x-dead-letter-exchange": below,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }
        return [
            Exchange(name, "topic"),
            Queue(name, arguments),
            Binding(name, f"{before}1.#", name),
            Binding(name, f"{before}0.#", below, to_exchange=True),
        ]


def original_key(key: str) -> str | None:
    """Return the routing key that a delayed event had before the ladder; None for a retry."""
    goal = key[_BITS:]
    return goal[2:] if goal.startswith("e.") else None


def _units(delay: float) -> int:
    return max(1, ceil(round(delay / UNIT, 6)))
