"""One token's transport, kept connected, with its inbox: what a client and a server share."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final, Protocol

from wireloom.budget import Budget
from wireloom.deadlines import Deadlines
from wireloom.errors import ConnectionFailedError, ConnectionLostError, WireloomError
from wireloom.spi import (
    Clock,
    Environment,
    FullJitter,
    Kind,
    Message,
    Status,
    Transport,
    TransportOptions,
)
from wireloom.tasks import Tasks

__all__ = ["Counters", "Link", "PendingCall", "RunningStream"]

log = logging.getLogger("wireloom.link")
PROBE_EVERY: Final = 5.0
"""Seconds between signs of life that are asked of the broker, and for its answer."""


class PendingCall(Protocol):
    """Somebody who waits for an answer."""

    def receive(self, message: Message) -> None:
        """Take one message of the answer."""

    def fail(self, error: WireloomError) -> None:
        """End: there will be no answer."""


class RunningStream(Protocol):
    """A streamed answer that is being produced here."""

    def grant(self, items: int) -> None:
        """Allow so many more items; 0 keeps it alive."""

    def cancel(self) -> None:
        """Stop producing: nobody reads on."""


@dataclass(slots=True)
class Counters:
    """What happened to messages that did not end as usual, since the start."""

    late_replies: int = 0
    """Answers to requests that nobody waited for any more."""
    expired: int = 0
    """Messages that came after their deadline and were not run."""
    dropped: int = 0
    """Events given up without a dead letter."""
    dead_lettered: int = 0
    retried: int = 0
    duplicates: int = 0
    """Events not run again because their id had been handled."""
    settle_failures: int = 0
    """Deliveries whose settlement did not reach the broker; they may arrive again."""
    lost_replies: int = 0
    """Answers that could not be sent; the requester was gone."""
    failed_emits: int = 0
    """Events of `emit(sync=False)` that were not taken."""


class Link:
    """Owns a transport from `start` to `close`."""

    def __init__(
        self,
        transport_type: type[Transport],
        options: TransportOptions,
        *,
        token: str,
        group: str,
        instance: str,
        serves: bool,
        clock: Clock,
    ) -> None:
        self.token = token
        self.options = options
        self.clock = clock
        self.group = group
        self.instance = instance
        self.status = Status.CLOSED
        self.error: Exception | None = None
        self.inbox = ""
        self.counters = Counters()
        self.deadlines = Deadlines(clock)
        self.pending: dict[str, PendingCall] = {}
        self.streams: dict[str, RunningStream] = {}
        self.listeners: list[Callable[[Status, Exception | None], None]] = []
        self.tasks = Tasks(self._task_failed)
        self.started = False
        self.loop: asyncio.AbstractEventLoop
        """The loop that it was started on."""
        self._environment = Environment(
            group=group,
            instance=instance,
            token=token,
            serves=serves,
            clock=clock,
            report=self._report,
        )
        self._transport_type = transport_type
        self._probe_failed: WireloomError | None = None
        self.transport: Transport = transport_type(options, self._environment)

    @property
    def healthy(self) -> bool:
        """Tell whether the connection is up and the broker answered when last asked."""
        return self.status is Status.CONNECTED and self._probe_failed is None

    def health(self) -> dict[str, Any]:
        """Return what a health endpoint shows of it."""
        error = self._probe_failed or self.error
        return {
            "kind": self.transport.kind,
            "status": self.status.value,
            "healthy": self.healthy,
            "error": None if error is None else str(error),
            "pending_requests": len(self.pending),
            "counters": asdict(self.counters),
        }

    def use(self, options: TransportOptions) -> None:
        """Take other options of the same transport. Legal until the start."""
        self.options = options
        self.transport = self._transport_type(options, self._environment)

    async def start(self) -> None:
        """Connect, trying again until the options' `startup_timeout`, and open the inbox.

        :raises ConnectionFailedError: if it could not be connected in that time, or never can be.
        """
        self._report(Status.CONNECTING, None)
        loop = self.loop = asyncio.get_running_loop()
        # Timers of an earlier start belong to that start's loop.
        self.deadlines = Deadlines(self.clock)
        self._probe_failed = None
        until = loop.time() + self.options.startup_timeout
        backoff = FullJitter(first=0.1, cap=2.0)
        while True:
            try:
                await self._connect(max(0.1, until - loop.time()))
                break
            except ConnectionFailedError as error:
                wait = backoff.next()
                if error.fatal or loop.time() + wait >= until:
                    raise
                self.error = error
                log.warning("%s: %s; trying again", self.token, error)
                await asyncio.sleep(wait)
        self.inbox = await self.transport.open_inbox(self._receive)
        self.started = True
        self.tasks.start(self._probe(), "wireloom probe")

    async def close(self, seconds: float = 5.0) -> None:
        """Fail whatever still waits, end background work, and disconnect, in so many seconds."""
        self.started = False
        self._fail_pending(ConnectionLostError("the application is stopping"))
        budget = Budget(seconds, steps=2)
        await self.tasks.close(budget.next())
        try:
            async with asyncio.timeout(budget.next()):
                await self.transport.close()
        except TimeoutError:
            log.warning("%s: the transport did not close in %.1f s", self.token, seconds)
        except WireloomError as error:
            log.warning("%s: closing: %s", self.token, error)
        self._report(Status.CLOSED, None)
        self.transport = self._transport_type(self.options, self._environment)

    async def _probe(self) -> None:
        """Ask the broker for a sign of life now and then: a frozen one keeps its sockets open."""
        while True:
            await self.clock.sleep(PROBE_EVERY)
            try:
                async with asyncio.timeout(PROBE_EVERY):
                    await self.transport.probe()
            except (WireloomError, TimeoutError) as error:
                lost = error if isinstance(error, WireloomError) else None
                self._probe_failed = lost or ConnectionLostError("the broker does not answer")
            else:
                self._probe_failed = None

    async def _connect(self, timeout: float) -> None:
        try:
            async with asyncio.timeout(timeout):
                await self.transport.connect()
        except TimeoutError:
            raise ConnectionFailedError(f"{self.token}: not connected in {timeout:.0f} s") from None

    def _receive(self, message: Message) -> None:
        kind = message.kind
        if kind is Kind.CREDIT or kind is Kind.CANCEL:
            self._control(message)
            return
        call = self.pending.get(message.id)
        if call is not None:
            call.receive(message)
            return
        self.counters.late_replies += 1
        if message.kind is Kind.ITEM and message.reply_to:
            self.tasks.start(self.cancel(message.id, message.reply_to), "wireloom cancel")

    async def cancel(self, request_id: str, inbox: str) -> None:
        """Tell whoever runs a request that nobody waits for its answer any more."""
        try:
            await self.transport.publish(Message(Kind.CANCEL, inbox, b"", {}, request_id))
        except WireloomError as error:
            log.debug("%s: cancel %s: %s", self.token, request_id, error)

    def _control(self, message: Message) -> None:
        stream = self.streams.get(message.id)
        if stream is None:
            return
        if message.kind is Kind.CANCEL:
            stream.cancel()
        elif message.body.isdigit() and len(message.body) < 7:
            stream.grant(int(message.body))

    def _report(self, status: Status, error: Exception | None) -> None:
        changed = status is not self.status
        self.status, self.error = status, error
        if not changed:
            return
        if status not in (Status.CONNECTED, Status.CONNECTING):
            if not self.transport.tells_lost_requests:
                self._fail_pending(ConnectionLostError(f"{self.token}: the connection was lost"))
            log.info("%s: %s%s", self.token, status.value, f" ({error})" if error else "")
        for listener in list(self.listeners):
            try:
                listener(status, error)
            except Exception:
                log.exception("%s: a status listener failed", self.token)

    def _fail_pending(self, error: WireloomError) -> None:
        for call in list(self.pending.values()):
            call.fail(error)

    def _task_failed(self, error: BaseException) -> None:
        log.error("%s: a background task failed", self.token, exc_info=error)
