"""Takes what one consumer has for us, as fast as the intake has room."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

from wireloom.errors import ConfigurationError, TransportError
from wireloom.spi import Clock, FullJitter, Intake
from wireloom.spi.headers import bounded_int
from wireloom_nats.connection import Connection
from wireloom_nats.frames import DESCRIPTION, Arrival
from wireloom_nats.inbox import NO_RESPONDERS, Inbox
from wireloom_nats.jetstream import NANOSECONDS
from wireloom_nats.lease import Lease
from wireloom_nats.listener import Listener
from wireloom_nats.reader import Reader
from wireloom_nats.stored import StoredDelivery
from wireloom_nats.tasks import Tasks

__all__ = ["Puller"]

_log = logging.getLogger("wireloom.nats")

EXPIRES: Final = 5.0
"""Seconds after which an unanswered pull ends, so that a lost one costs no longer than that."""
LATE: Final = 1.0
"""Seconds that the end of a pull may be late before it counts as lost."""
MOST: Final = 256
"""Deliveries that one pull asks for at most."""
_PENDING: Final = "nats-pending-messages"
_ENDED: Final = (404, 408)


class Puller:
    """Pulls from one consumer into one intake.

    Pulls overlap: the next one is under way before the last one is used up, and never for more
    than the intake has room for.
    """

    def __init__(
        self,
        connection: Connection,
        inbox: Inbox,
        clock: Clock,
        reader: Reader,
        intake: Intake,
        *,
        address: str,
        pull_subject: str,
        restore: Callable[[int], Awaitable[None]],
        lease: Lease | None,
    ) -> None:
        self._connection = connection
        self._inbox = inbox
        self._clock = clock
        self._reader = reader
        self._intake = intake
        self._address = address
        self._pull_subject = pull_subject
        self._restore = restore
        self._lease = lease
        self._tasks = Tasks()
        self._task: asyncio.Task[None] | None = None
        self._listener: Listener | None = None
        self._open = 0
        self._deadline = 0.0
        self._low = max(1, intake.capacity // 2)
        self._wake = asyncio.Event()
        self._stopping = False
        self._missing = False
        self._jitter = FullJitter()
        self._redelivered: deque[StoredDelivery] = deque()

    async def start(self) -> None:
        """Begin; what there is flows from now on."""
        self._listener = await self._connection.listen(f"{self._address}.*", self._arrived)
        self._reader.on_settled(self._settled)
        if self._lease is not None:
            self._keep("lease", self._lease.keep)
        self._task = self._keep("pull", self._run)
        self._keep("pulse", self._reader.pulse)

    def _keep(self, what: str, work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        return self._tasks.start(work(), f"wireloom nats {what} {self._pull_subject}", work)

    async def stop(self) -> None:
        """Take nothing more. What is under way already goes back to the server."""
        self._stopping = True
        if self._task is not None:
            self._task.cancel()
        listener, self._listener = self._listener, None
        if listener is not None:
            await self._connection.ignore(listener)
        while self._redelivered:
            await self._return(self._redelivered.popleft())

    async def close(self) -> None:
        """Stop, and leave the consumer to others."""
        await self.stop()
        await self._tasks.stop()
        self._reader.give_back_all()
        if self._lease is not None:
            await self._lease.release()

    def connection_changed(self) -> None:
        """Forget pulls that went with the connection."""
        self._open = 0
        self._wake.set()

    async def _run(self) -> None:
        while not self._stopping:
            await self._connection.wait_until_up()
            if self._lease is not None and not self._lease.is_held:
                await self._lease.acquired()
            if self._missing:
                await self._restore_consumer()
            await self._look_up()
            wanted = self._wanted()
            if wanted:
                await self._pull(wanted)
            await self._wait()

    def _wanted(self) -> int:
        """Return how many to ask for now: half of the intake at least, or what there is."""
        free = self._intake.room - self._open
        if free >= self._low or (free > 0 and self._open == 0):
            return min(free, MOST)
        return 0

    async def _pull(self, wanted: int) -> None:
        body = b'{"batch": %d, "expires": %d}' % (wanted, int(EXPIRES * NANOSECONDS))
        self._open += wanted
        self._deadline = self._clock.monotonic() + EXPIRES + LATE
        try:
            await self._connection.send(self._pull_subject, body, None, f"{self._address}.p")
        except TransportError:
            self._open = 0
            await self._clock.sleep(self._jitter.next())

    async def _wait(self) -> None:
        """Wait until there may be something to do."""
        if self._open == 0 and not self._wake.is_set():
            await self._intake.wait_for_room()
            await asyncio.sleep(0)  # what is settled in this turn of the loop is asked for at once
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.01, self._deadline - self._clock.monotonic())):
                await self._wake.wait()
        self._wake.clear()
        if self._clock.monotonic() >= self._deadline:
            self._open = 0

    def _settled(self) -> None:
        if self._open <= self._low:
            self._wake.set()

    def _arrived(self, arrival: Arrival) -> None:
        if arrival.status:
            self._told(arrival)
            return
        self._open = max(0, self._open - 1)
        if self._open == 0:
            self._wake.set()
        if self._stopping or (self._lease is not None and not self._lease.is_held):
            self._reader.refuse(arrival)
            return
        delivery = self._reader.read(arrival)
        if delivery is not None:
            self._take(delivery)

    def _take(self, delivery: StoredDelivery) -> None:
        self._jitter.reset()
        again = delivery.deliveries > 1
        if again or (self._lease is not None and self._redelivered):
            self._redelivered.append(delivery)
            self._wake.set()
        else:
            self._intake.put(delivery)

    async def _look_up(self) -> None:
        """Hand over what was delivered before, once it is known which run it is."""
        while self._redelivered:
            batch = list(self._redelivered)
            async with asyncio.TaskGroup() as group:
                found = [group.create_task(self._is_known(delivery)) for delivery in batch]
            for delivery, known in zip(batch, found, strict=True):
                self._redelivered.popleft()
                if known.result():
                    self._intake.put(delivery)
                else:
                    await self._return(delivery)

    async def _is_known(self, delivery: StoredDelivery) -> bool:
        try:
            if delivery.deliveries > 1:
                await delivery.look_up()
        except TransportError:
            await self._clock.sleep(self._jitter.next())
            return False
        return True

    async def _return(self, delivery: StoredDelivery) -> None:
        with suppress(TransportError):
            await delivery.give_back()

    def _told(self, arrival: Arrival) -> None:
        """Note what the server says in place of a message."""
        text = arrival.headers.get(DESCRIPTION, "")
        self._wake.set()
        left = bounded_int(arrival.headers.get(_PENDING), 0, MOST)
        self._open = 0 if left is None else max(0, self._open - left)
        if arrival.status == NO_RESPONDERS or "deleted" in text.lower():
            self._missing = True
        elif arrival.status not in _ENDED:
            _log.info("pull on %s ended: %s %s", self._pull_subject, arrival.status, text)

    async def _restore_consumer(self) -> None:
        """See that the consumer exists, or exists again, where it was lost."""
        while not self._stopping:
            await self._clock.sleep(self._jitter.next())
            try:
                await self._restore(self._reader.resume_at())
            except (TransportError, ConfigurationError) as error:
                _log.warning("consumer of %s is missing: %s", self._pull_subject, error)
            else:
                self._missing = False
                return
