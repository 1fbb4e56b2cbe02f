"""Everything that lives as long as one pair of connections."""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import Any, Final

from wireloom.errors import ConnectionLostError, TransportError
from wireloom_rabbitmq.lane import Lane, Take
from wireloom_rabbitmq.link import Link
from wireloom_rabbitmq.options import RabbitMqOptions
from wireloom_rabbitmq.topology import Topologist

__all__ = ["REPLY_TO", "Session"]

_log = logging.getLogger(__name__)

REPLY_TO: Final = "amq.rabbitmq.reply-to"
"""The broker's pseudo-queue: consumed on the channel that publishes, it makes the broker replace
this name in `reply_to` by one that leads back to the channel and cannot be guessed."""
_FLUSH: Final = 2.0
"""Seconds that closing waits for confirms."""
_PATROL: Final = 1.0
"""Seconds between two looks at what should have been answered."""


class Session:
    """Two connections and their channels. What ends one part ends the whole, and another begins.

    Publishing has a connection of its own, because a broker short of memory or disk stops reading
    from those that publish, and acknowledgements must go on.
    """

    def __init__(
        self, options: RabbitMqOptions, publishing: Link, consuming: Link, number: int
    ) -> None:
        self.number = number
        """Which session of this transport it is, from 1."""
        self.publishing = publishing
        self.consuming = consuming
        self.topology = Topologist(consuming, options.call_timeout)
        self.lost: asyncio.Future[TransportError] = asyncio.get_running_loop().create_future()
        self.requests: Lane
        """Publishes requests, replies and all else that goes to an inbox, and hears ours."""
        self.ladder_height = 0
        """How many rungs of the delay ladder are known to be there."""
        self._options = options
        self._events: Lane | None = None
        self._opening = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    async def start(self, receive: Take, on_return: Take) -> None:
        """Open the channels; `receive` gets what arrives at our inbox.

        :raises TransportError: if that failed.
        """
        for link in {self.publishing, self.consuming}:
            link.lost.add_done_callback(self._on_link_lost)
        self.requests = await self.publishing.lane(on_return=on_return)
        await self.requests.consume(
            REPLY_TO, "inbox", receive, no_ack=True, timeout=self._options.call_timeout
        )
        self.requests.channel.closing.add_done_callback(self._on_requests_lost)
        self._events = await self.publishing.lane(confirms=True)
        self._timer = self._loop.call_later(_PATROL, self._patrol)

    async def events(self) -> Lane:
        """Return the channel for what is confirmed; a new one after the broker closed it.

        :raises TransportError: if there is none.
        """
        lane = self._events
        if lane is not None and lane.lost is None:
            return lane
        async with self._opening:
            if self._events is None or self._events.lost is not None:
                self._events = await self.publishing.lane(confirms=True)
            return self._events

    def fail(self, error: TransportError) -> None:
        """Give this session up; its owner closes it and opens another."""
        if not self.lost.done():
            self.lost.set_result(error)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something that must not outlive the session; if it raises, the session is lost."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)

    async def probe(self) -> None:
        """Make a round trip on each connection.

        :raises TransportError: if one did not answer.
        """
        await self.publishing.probe()
        if self.consuming is not self.publishing:
            await self.consuming.probe()

    async def flush(self) -> None:
        """Wait until all that was published is confirmed or failed, but not for long."""
        if self._events is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FLUSH):
                    await self._events.flush()

    async def close(self) -> None:
        """Disconnect. Bounded, also when the broker is gone."""
        self.fail(ConnectionLostError("closed"))
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        links = {self.publishing, self.consuming}
        await asyncio.gather(*(link.close() for link in links))
        for link in links:
            for lane in list(link.wire.taps.values()):
                lane.fail(ConnectionLostError("the connection to RabbitMQ was closed"))

    def _patrol(self) -> None:
        self._timer = self._loop.call_later(_PATROL, self._patrol)
        now = self._loop.time()
        if self._events is not None:
            self._events.expire(now - self._options.call_timeout)
        for link in (self.publishing, self.consuming):
            silent = now - link.wire.heard
            if silent > 2 * self._options.heartbeat:
                link.fail(ConnectionLostError(f"RabbitMQ has been silent for {silent:.0f} s"))

    def _on_link_lost(self, lost: "asyncio.Future[TransportError]") -> None:
        if not lost.cancelled():
            self.fail(lost.result())

    def _on_requests_lost(self, _: "asyncio.Future[Any]") -> None:
        error = self.requests.lost
        self.fail(ConnectionLostError(f"the channel for replies was closed: {error}"))

    def _on_task_done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, TransportError):
            self.fail(error)
        else:
            _log.error("a part of the RabbitMQ session failed", exc_info=error)
            self.fail(ConnectionLostError(f"{type(error).__name__} in the session"))
