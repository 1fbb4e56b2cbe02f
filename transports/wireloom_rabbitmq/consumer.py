"""A subscription's side of the broker: its queues, consumed into the intake."""

import logging
import random
from collections.abc import Mapping
from functools import partial
from typing import Any

from wireloom.spi import Clock, Intake, Message, Subscriber, Subscription
from wireloom_rabbitmq.arrivals import Arrivals
from wireloom_rabbitmq.errors import bounded
from wireloom_rabbitmq.history import History
from wireloom_rabbitmq.lane import Delivered, Lane, Take
from wireloom_rabbitmq.layout import Layout, Placement, native_options
from wireloom_rabbitmq.link import close_channel
from wireloom_rabbitmq.names import Names
from wireloom_rabbitmq.options import RabbitMqOptions
from wireloom_rabbitmq.outbox import Outbox
from wireloom_rabbitmq.own_headers import SOURCE_QUEUE
from wireloom_rabbitmq.session import Session

__all__ = ["Consumer"]

_log = logging.getLogger(__name__)

_MAX_PREFETCH = 65_535


class Consumer(Subscriber):
    """One subscription, from session to session, until it is stopped."""

    def __init__(
        self,
        subscription: Subscription,
        intake: Intake,
        instance: str,
        options: RabbitMqOptions,
        names: Names,
        layout: Layout,
        outbox: Outbox,
        history: History,
        clock: Clock,
    ) -> None:
        self.subscription = subscription
        self._intake = intake
        self._instance = instance
        self._options = options
        self._layout = layout
        self._outbox = outbox
        self._history = history
        self._begun = False
        self._arrivals = Arrivals(subscription, names, self, clock, options.delivery_limit)
        self._lane: Lane | None = None
        self._tags: list[str] = []
        self.stopped = False
        """Whether it is to be left out when a connection is restored."""

    async def start(self, session: Session, *, again: bool = False) -> None:
        """Declare and consume in this session.

        :raises ConfigurationError: if a queue exists otherwise.
        :raises TransportError: if the broker did not answer.
        """
        # A name of its own in each session: the broker may still hold the queue of a lost one.
        placement = self._layout.place(self.subscription, f"{self._instance}.{session.number}")
        await self._declare(session, placement, again=again)
        lane = await session.consuming.lane()
        self._lane, self._tags = lane, []
        await self._consume(lane, placement)
        recover = partial(self._on_interrupted, session, lane)
        lane.channel.closing.add_done_callback(recover)
        lane.channel.on_consumer_cancel_callbacks.add(recover)
        if self.stopped:  # meanwhile
            await close_channel(lane.channel)

    async def stop(self) -> None:
        """Take nothing more."""
        if self.stopped:
            return
        self.stopped = True
        lane = self._lane
        if lane is None or lane.lost is not None:
            return
        for tag in self._tags:
            async with bounded("stop consuming", self._options.call_timeout):
                await lane.channel.basic_cancel(tag, timeout=self._options.call_timeout)

    async def close(self) -> None:
        """Stop, and end the channel; what is not settled is delivered again elsewhere."""
        try:
            await self.stop()
        finally:
            if self._lane is not None:
                await close_channel(self._lane.channel)

    async def retry(self, queue: str, message: Message, delay: float, attempt: int) -> None:
        """Store a later run for the queue that it came from."""
        await self._outbox.retry(queue, message, delay, attempt)

    async def bury(self, queue: str, message: Message, headers: Mapping[str, str]) -> None:
        """Store a dead letter of this subscription."""
        dead = self._layout.dead_letters(self.subscription.name)
        await self._outbox.bury(dead, message, {**headers, SOURCE_QUEUE: queue})

    async def answer(self, message: Message) -> None:
        """Send to the inbox of a request."""
        await self._outbox.answer(message)

    def try_answer(self, message: Message) -> bool:
        """Send to the inbox of a request now, if nothing has to be waited for."""
        return self._outbox.try_send(message)

    async def _declare(self, session: Session, placement: Placement, *, again: bool) -> None:
        fresh, self._begun = not self._begun, True
        if not self._options.declare:
            return
        if fresh and self.subscription.start_from != "new":
            await self._history.begin(session, self.subscription, placement)
        else:
            await session.topology.declare(placement.items, again=again)

    async def _consume(self, lane: Lane, placement: Placement) -> None:
        queues = placement.queues
        share = max(1, min(self._intake.capacity, _MAX_PREFETCH) // len(queues))
        # In random order, so that instances that start together share the shards.
        for queue in random.sample(queues, len(queues)):
            await self._consume_queue(lane, queue, share, partial(self._take, lane, queue))
        if placement.aside is not None:
            await self._consume_queue(lane, placement.aside, 1, partial(self._take_aside, lane))

    async def _consume_queue(self, lane: Lane, queue: str, prefetch: int, take: Take) -> None:
        timeout = self._options.call_timeout
        arguments: dict[str, Any] = {}
        if priority := native_options(self.subscription).consumer_priority:
            arguments["x-priority"] = priority
        tag = f"{self._instance}.{len(self._tags)}"
        self._tags.append(tag)
        async with bounded(f"consume {queue!r}", timeout):
            await lane.channel.basic_qos(prefetch_count=prefetch, timeout=timeout)
        await lane.consume(queue, tag, take, arguments=arguments, timeout=timeout)

    def _take(self, lane: Lane, queue: str, delivered: Delivered) -> None:
        self._intake.put(self._arrivals.of(lane, queue, delivered))

    def _take_aside(self, lane: Lane, delivered: Delivered) -> None:
        delivery = self._arrivals.aside(lane, delivered)
        if delivery is not None:
            self._intake.put(delivery)
            return
        _log.warning("a message that the broker did not put aside was dropped")
        lane.ack(delivered.tag)

    def _on_interrupted(self, session: Session, lane: Lane, _: object) -> None:
        if self.stopped or self._lane is not lane or session.lost.done():
            return
        self._lane = None
        _log.warning("consuming for %s was interrupted; beginning again", self.subscription.name)
        session.spawn(self._recover(session, lane))

    async def _recover(self, session: Session, lane: Lane) -> None:
        await close_channel(lane.channel)
        if not self.stopped:
            await self.start(session, again=True)
