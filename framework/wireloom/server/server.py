"""Runs the handlers of one token, from subscribing to drain."""

import asyncio
import logging
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wireloom.binding import BoundHandler
from wireloom.decorators import EventPattern
from wireloom.link import Link
from wireloom.middleware import Layers
from wireloom.routing import Route, is_idempotent
from wireloom.server.batches import BatchIntake
from wireloom.server.batching import BatchRunner
from wireloom.server.build import endpoint
from wireloom.server.dedup import Duplicates
from wireloom.server.emitting import LinkEmitter
from wireloom.server.endpoint import Endpoint
from wireloom.server.events import EventSettlement
from wireloom.server.intake import LaneIntake, WorkerIntake
from wireloom.server.ordering import key_reader
from wireloom.server.requests import RequestSettlement
from wireloom.server.runner import Runner
from wireloom.server.watchdog import Watchdog
from wireloom.settings import Dedup
from wireloom.spi import Delivery, Subscriber, Subscription
from wireloom.tasks import Tasks

__all__ = ["Server"]

log = logging.getLogger("wireloom.server")
AnyIntake = WorkerIntake | BatchIntake


@dataclass(slots=True)
class _Serving:
    """One endpoint while it is served."""

    endpoint: Endpoint
    intake: AnyIntake
    settlement: RequestSettlement | EventSettlement
    subscriber: Subscriber | None = None


class Server:
    """Serves one link's routes. Started once, drained once."""

    def __init__(
        self,
        link: Link,
        routes: Sequence[tuple[Route, Subscription, BoundHandler]],
        layers: Layers,
        made: Mapping[Any, Any],
    ) -> None:
        """Prepare to serve.

        :param layers: the application's own.
        :param made: what the container made of middleware and guards that are classes.
        """
        self._link = link
        self._tasks = Tasks(_worker_failed)
        self._watchdog = Watchdog(link.clock)
        self._made = made
        self.serving = [self._prepare(*entry, layers) for entry in routes]

    async def start(self) -> None:
        """Subscribe all; every one is live at the broker on return."""
        try:
            async with asyncio.TaskGroup() as group:
                for serving in self.serving:
                    group.create_task(self._subscribe(serving), name="wireloom subscribe")
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        self._tasks.start(self._keep_alive(), "wireloom keep-alive")

    async def unsubscribe(self, seconds: float) -> None:
        """Take nothing more from the broker."""
        stopping = (one.subscriber.stop() for one in self.serving if one.subscriber)
        await _bounded(stopping, "unsubscribing", seconds)

    async def give_back(self, seconds: float) -> None:
        """Start nothing more, and give back what was not started."""
        unstarted = [(one, delivery) for one in self.serving for delivery in one.intake.stop()]
        returning = (one.settlement.give_back(delivery) for one, delivery in unstarted)
        await _bounded(returning, "giving back", seconds)

    async def wait(self, grace: float) -> None:
        """Wait for running handlers, up to `grace` seconds."""
        try:
            async with asyncio.timeout(grace):
                for serving in self.serving:
                    await serving.intake.wait_until_empty()
        except TimeoutError:
            log.warning(
                "%s: %d handlers cancelled after %.0f s", self._link.token, self.in_flight, grace
            )

    async def cancel(self, seconds: float) -> None:
        """Cancel the handlers that still run."""
        self._watchdog.ending = True
        await self._tasks.close(seconds)

    async def close(self, seconds: float) -> None:
        """Delete what is ephemeral at the broker."""
        closing = (one.subscriber.close() for one in self.serving if one.subscriber)
        await _bounded(closing, "unsubscribing", seconds)

    async def _subscribe(self, serving: _Serving) -> None:
        serving.subscriber = await self._link.transport.subscribe(
            serving.endpoint.subscription, serving.intake
        )

    @property
    def in_flight(self) -> int:
        """Return how many deliveries were taken and are not settled."""
        return sum(len(serving.intake.held) for serving in self.serving)

    def _prepare(
        self, route: Route, subscription: Subscription, handler: BoundHandler, layers: Layers
    ) -> _Serving:
        every = route.layers.inside(layers).made(self._made)
        one = endpoint(route, handler, subscription, self._link, every, self._watchdog)
        if not isinstance(route.mark, EventPattern):
            requests = RequestSettlement(one, idempotent=is_idempotent(route))
            intake = self._workers(Runner(one, requests), route.mark.concurrency)
            return _Serving(one, intake, requests)
        return self._prepare_event(one, route.mark, every)

    def _prepare_event(self, one: Endpoint, mark: EventPattern, layers: Layers) -> _Serving:
        duplicates = _duplicates(one, mark)
        settlement = EventSettlement(one, mark, LinkEmitter(self._link, mark.emits), duplicates)
        if mark.batch is not None:
            batches = BatchIntake(
                batch=mark.batch,
                concurrency=mark.concurrency,
                process=BatchRunner(one, settlement, layers).process,
                tasks=self._tasks,
                clock=self._link.clock,
                watchdog=self._watchdog,
            )
            return _Serving(one, batches, settlement)
        runner = Runner(one, settlement)
        if not mark.ordered:
            return _Serving(one, self._workers(runner, mark.concurrency), settlement)
        lanes = LaneIntake(
            concurrency=mark.concurrency,
            capacity=mark.concurrency * 2,
            process=runner.process,
            tasks=self._tasks,
            clock=self._link.clock,
            watchdog=self._watchdog,
            key=key_reader(mark.ordered),
        )
        return _Serving(one, lanes, settlement)

    def _workers(self, runner: Runner, concurrency: int) -> WorkerIntake:
        return WorkerIntake(
            concurrency=concurrency,
            capacity=concurrency * 2,
            process=runner.process,
            tasks=self._tasks,
            clock=self._link.clock,
            watchdog=self._watchdog,
        )

    async def _keep_alive(self) -> None:
        """Speak for deliveries that were held already when it last looked."""
        held: list[set[Delivery]] = [set() for _ in self.serving]
        while True:
            await self._link.clock.sleep(self._link.transport.keep_alive_every)
            for position, serving in enumerate(self.serving):
                now = {one for one in serving.intake.held if _can_keep_alive(one)}
                due, held[position] = now & held[position], now
                await _bounded((delivery.keep_alive() for delivery in due), "keep-alive", 2.0)


def _can_keep_alive(delivery: Delivery) -> bool:
    return type(delivery).keep_alive is not Delivery.keep_alive


def _duplicates(one: Endpoint, mark: EventPattern) -> Duplicates | None:
    if mark.dedup is False:
        return None
    if mark.dedup is True:
        if one.link.transport.capabilities.native_dedup:
            return None
        return Duplicates(Dedup(), one.route.name, one.link.clock)
    return Duplicates(mark.dedup, one.route.name, one.link.clock)


async def _bounded(steps: Iterable[Awaitable[None]], what: str, seconds: float) -> None:
    """Do something at the broker side by side, for so many seconds at most: one that hangs, or is
    gone, must not hold up the rest.
    """
    try:
        async with asyncio.timeout(seconds):
            outcomes = await asyncio.gather(*steps, return_exceptions=True)
    except TimeoutError:
        log.warning("%s took longer than %.1f s; going on", what, seconds)
        return
    for error in outcomes:
        if isinstance(error, Exception):
            log.warning("%s: %s", what, error)


def _worker_failed(error: BaseException) -> None:
    log.critical("a worker ended: a bug in Wireloom", exc_info=error)
