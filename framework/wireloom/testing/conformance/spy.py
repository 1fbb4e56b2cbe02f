"""Looking at what the core does to a transport, and breaking it on purpose."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from wireloom.errors import TransportError
from wireloom.spi import Delivery, Intake, Subscriber, Subscription, Transport

__all__ = ["Settling", "Taking", "spy_on_settling", "spy_on_taking"]

METHODS = ("ack", "retry", "dead_letter", "give_back")


@dataclass
class Settling:
    """Every settlement that was asked for, by the message's id, in order."""

    acked: list[str] = field(default_factory=list)
    retried: list[str] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    given_back: list[str] = field(default_factory=list)
    on_ack: Callable[[Delivery], None] = lambda _: None
    """Called before each acknowledgement."""
    fail_dead_letters: bool = False
    """Let every write of a dead letter fail."""

    def note(self, method: str, delivery: Delivery) -> None:
        """Take note of a settlement."""
        lists = dict(
            zip(METHODS, (self.acked, self.retried, self.dead, self.given_back), strict=True)
        )
        if method == "ack":
            self.on_ack(delivery)
        lists[method].append(delivery.message.id)
        if method == "dead_letter" and self.fail_dead_letters:
            raise TransportError("planted: the dead letter was not written")


def spy_on_settling(monkeypatch: pytest.MonkeyPatch) -> Settling:
    """Watch the settle methods of every kind of delivery that is loaded."""
    settling = Settling()
    for cls in _subclasses(Delivery):
        for method in METHODS:
            if method in cls.__dict__:
                monkeypatch.setattr(cls, method, _noting(settling, method, cls.__dict__[method]))
    return settling


def _noting(
    settling: Settling, method: str, original: Callable[..., Awaitable[None]]
) -> Callable[..., Awaitable[None]]:
    async def noting(delivery: Delivery, *args: Any, **kwargs: Any) -> None:
        settling.note(method, delivery)
        await original(delivery, *args, **kwargs)

    return noting


def _subclasses(cls: type[Delivery]) -> Iterator[type[Delivery]]:
    for sub in cls.__subclasses__():
        yield sub
        yield from _subclasses(sub)


@dataclass
class Taking:
    """What a transport put into intakes, by subscription."""

    capacity: dict[str, int] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)


class _CountingIntake:
    """An intake that counts what passes it on to the real one."""

    def __init__(self, intake: Intake, name: str, taking: Taking) -> None:
        self._intake = intake
        self._name = name
        self._taking = taking
        taking.capacity[name] = intake.capacity
        taking.taken.setdefault(name, 0)

    @property
    def capacity(self) -> int:
        return self._intake.capacity

    @property
    def room(self) -> int:
        return self._intake.room

    async def wait_for_room(self) -> int:
        return await self._intake.wait_for_room()

    def put(self, delivery: Delivery) -> None:
        self._taking.taken[self._name] += 1
        self._intake.put(delivery)


def spy_on_taking(monkeypatch: pytest.MonkeyPatch, transport: type[Transport]) -> Taking:
    """Count what a transport puts into the intakes it is given from now on."""
    taking = Taking()
    original: Callable[[Any, Subscription, Intake], Awaitable[Subscriber]] = transport.subscribe

    async def subscribe(self: Any, subscription: Subscription, intake: Intake) -> Subscriber:
        counting = _CountingIntake(intake, subscription.name, taking)
        return await original(self, subscription, counting)

    monkeypatch.setattr(transport, "subscribe", subscribe)
    return taking
