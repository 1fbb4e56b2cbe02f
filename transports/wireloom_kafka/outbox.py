"""Records on their way to the producer: in order for each topic, and none of them for ever."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiokafka.errors import KafkaError

from wireloom.errors import TransportError
from wireloom_kafka.records import Outgoing

__all__ = ["Outbox"]

Hand = Callable[[Outgoing], Awaitable["asyncio.Future[Any]"]]
"""Gives a record to the producer; waits while its batches are full."""
Explain = Callable[[BaseException, Outgoing], TransportError]
"""Makes our error of the driver's."""

_FAILURES: Final = (KafkaError, TransportError, OSError, AssertionError)
"""What the driver raises; the last of it for a partition that does not exist."""

Entry = tuple[Outgoing, "asyncio.Future[Any]"]


class Outbox:
    """One task for each busy topic hands over its records.

    The driver would let callers that wait for a full batch overtake each other, and wake all of
    them for each batch that leaves. One timer bounds the wait of all records.
    """

    def __init__(self, hand: Hand, explain: Explain, timeout: float) -> None:
        self._hand = hand
        self._explain = explain
        self._timeout = timeout
        self._lanes: dict[str, deque[Entry]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._bounds: deque[tuple[float, Outgoing, asyncio.Future[Any]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def put(self, record: Outgoing) -> "asyncio.Future[Any]":
        """Send a record after those of its topic that came before; return what becomes of it.
        Cancelling takes it back unless the producer has it.
        """
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Any] = loop.create_future()
        self._bound(loop, record, outcome)
        lane = self._lanes.get(record.topic)
        if lane is None:
            lane = self._lanes[record.topic] = deque()
            task = loop.create_task(self._drain(record.topic, lane), name="kafka outbox")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        lane.append((record, outcome))
        return outcome

    async def drain(self, timeout: float) -> None:
        """Hand over what waits, so many seconds at most."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=timeout)

    def close(self) -> None:
        """Give up whatever has no outcome yet."""
        for task in self._tasks:
            task.cancel()
        if self._timer is not None:
            self._timer.cancel()
        self._expire(float("inf"))

    async def _drain(self, topic: str, lane: deque[Entry]) -> None:
        try:
            while lane:
                record, outcome = lane.popleft()
                if not outcome.done():
                    await self._send(record, outcome)
        finally:
            del self._lanes[topic]

    async def _send(self, record: Outgoing, outcome: "asyncio.Future[Any]") -> None:
        try:
            sent = await self._hand(record)
        except _FAILURES as error:
            if not outcome.done():
                outcome.set_exception(self._explain(error, record))
        else:
            sent.add_done_callback(lambda done: self._pass_on(done, record, outcome))

    def _pass_on(
        self, sent: "asyncio.Future[Any]", record: Outgoing, outcome: "asyncio.Future[Any]"
    ) -> None:
        if sent.cancelled():
            error: BaseException | None = asyncio.CancelledError()
        else:
            error = sent.exception()
        if outcome.done():
            return
        if error is None:
            outcome.set_result(sent.result())
        else:
            outcome.set_exception(self._explain(error, record))

    def _bound(
        self, loop: asyncio.AbstractEventLoop, record: Outgoing, outcome: "asyncio.Future[Any]"
    ) -> None:
        bounds = self._bounds
        while bounds and bounds[0][2].done():
            bounds.popleft()
        bounds.append((loop.time() + self._timeout, record, outcome))
        if self._timer is None:
            self._timer = loop.call_at(bounds[0][0], self._look)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._expire(loop.time())
        self._timer = loop.call_at(self._bounds[0][0], self._look) if self._bounds else None

    def _expire(self, now: float) -> None:
        bounds = self._bounds
        while bounds and (bounds[0][0] <= now or bounds[0][2].done()):
            _, record, outcome = bounds.popleft()
            if not outcome.done():
                outcome.set_exception(self._explain(TimeoutError(), record))
