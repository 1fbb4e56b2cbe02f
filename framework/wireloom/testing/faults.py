"""What a chaos proxy does to the bytes that pass it."""

import asyncio
import enum
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

__all__ = [
    "Blackhole",
    "Delay",
    "Direction",
    "DropReply",
    "Fault",
    "Flow",
    "HalfClose",
    "Hold",
    "Pass",
    "Rate",
    "Refuse",
    "ResetAfter",
    "TruncateAfter",
]


class Direction(enum.Enum):
    """Which way bytes go."""

    UP = "client to server"
    DOWN = "server to client"


class Flow(Protocol):
    """One direction of one connection, as faults act on it."""

    direction: Direction
    passed: int
    """Bytes that were forwarded this way so far."""
    random: random.Random

    async def send(self, data: bytes) -> None:
        """Forward bytes; a peer that is gone is no error."""

    def finish(self) -> None:
        """Close this direction in order (FIN); the other one goes on."""

    def reset(self) -> None:
        """Break the whole connection (RST)."""


class Fault:
    """Forwards everything; subclasses do worse. One object may serve many connections."""

    accepts = True
    """Whether new connections are let in; else they are refused, and present ones reset."""

    async def on_bytes(self, flow: Flow, data: bytes) -> None:
        """Do with these bytes what the fault does."""
        await flow.send(data)


class Pass(Fault):
    """No fault."""


class Refuse(Fault):
    """Nobody listens: connections are refused, those that are up are reset."""

    accepts = False


class Blackhole(Fault):
    """Connections are accepted and stay up, and every byte is swallowed."""

    async def on_bytes(self, flow: Flow, data: bytes) -> None:
        """Swallow them."""


class Hold(Fault):
    """Connections stay up and nothing passes until `release`, as when a server has frozen."""

    def __init__(self) -> None:
        self._released = asyncio.Event()

    def release(self) -> None:
        """Let everything pass, what was held first."""
        self._released.set()

    async def on_bytes(self, flow: Flow, data: bytes) -> None:
        """Wait, then forward."""
        await self._released.wait()
        await flow.send(data)


@dataclass(frozen=True)
class HalfClose(Fault):
    """One direction ends with the next bytes that go there; the other goes on."""

    direction: Direction

    async def on_bytes(self, flow: Flow, data: bytes) -> None:
        """End that direction, forward the other."""
        if flow.direction is self.direction:
            flow.finish()
        else:
            await flow.send(data)


@dataclass(frozen=True)
class Delay(Fault):
    """Every chunk waits, `seconds` plus up to `jitter` seconds, in order."""

    seconds: float
    jitter: float = 0.0

    async def on_bytes(self, flow: Flow, data: bytes) -> None:
        """Wait, then forward."""
        await asyncio.sleep(self.seconds + flow.random.uniform(0.0, self.jitter))
        await flow.send(data)


@dataclass(frozen=True)
class Rate(Fault):
    """So many bytes a second pass each way of each connection."""

    bytes_per_second: int

    async def on_bytes(self, flow: Flow, data: bytes) -> None:
        """Forward in slices of a fiftieth of a second."""
        step = max(1, self.bytes_per_second // 50)
        for start in range(0, len(data), step):
            piece = data[start : start + step]
            await asyncio.sleep(len(piece) / self.bytes_per_second)
            await flow.send(piece)


@dataclass(frozen=True)
class ResetAfter(Fault):
    """A connection is reset after so many bytes one way, a random number up to `at_most` if that
    is given.
    """

    at_least: int
    at_most: int | None = None
    direction: Direction = Direction.UP
    _limits: dict[int, int] = field(default_factory=dict, compare=False, repr=False)

    async def on_bytes(self, flow: Flow, data: bytes) -> None:
        """Forward what is left, then reset."""
        left = self._limit(flow) - flow.passed
        if flow.direction is not self.direction or len(data) < left:
            await flow.send(data)
            return
        self._limits.pop(id(flow), None)
        await flow.send(data[: max(0, left)])
        self._end(flow)

    def _limit(self, flow: Flow) -> int:
        most = self.at_least if self.at_most is None else self.at_most
        return self._limits.setdefault(id(flow), flow.random.randint(self.at_least, most))

    def _end(self, flow: Flow) -> None:
        flow.reset()


class TruncateAfter(ResetAfter):
    """Like `ResetAfter`, but the direction ends in order, in the middle of whatever it was."""

    def _end(self, flow: Flow) -> None:
        flow.finish()


@dataclass
class DropReply(Fault):
    """What the server sends next after the `nth` request that matches is lost.

    With `cut` the connection is reset at that point, as when it broke with the answer under way;
    without, the bytes are missing and the connection goes on.
    """

    matches: bytes | Callable[[bytes], bool]
    nth: int = 1
    cut: bool = True
    seen: int = field(default=0, init=False)
    """Requests that matched so far."""
    dropped: int = field(default=0, init=False)
    _due: bool = field(default=False, init=False)

    async def on_bytes(self, flow: Flow, data: bytes) -> None:
        """Count requests, drop the reply."""
        if flow.direction is Direction.UP:
            self._count(data)
            await flow.send(data)
        elif not self._due:
            await flow.send(data)
        else:
            self._due = False
            self.dropped += 1
            if self.cut:
                flow.reset()

    def _count(self, data: bytes) -> None:
        found = int(self.matches(data)) if callable(self.matches) else data.count(self.matches)
        if self.seen < self.nth <= self.seen + found:
            self._due = True
        self.seen += found
