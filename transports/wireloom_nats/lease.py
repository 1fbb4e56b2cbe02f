"""One owner of a consumer: a stored name that its owner writes again and again.

No clocks are compared. Whoever sees the same entry for as long as a lease lasts, by its own
monotonic clock, takes over by writing the next one, and the server lets only one writer be next.
"""

import asyncio
from typing import Final

from wireloom.errors import TransportError
from wireloom.spi import Clock
from wireloom_nats.consumers import Consumers
from wireloom_nats.inbox import Inbox
from wireloom_nats.jetstream import ApiError, JetStream, read_answer
from wireloom_nats.names import Names

__all__ = ["Lease"]

LASTS: Final = 6.0
"""Seconds without a sign of its owner after which a lease is free."""
STEP: Final = 1.0
"""Seconds between signs of the owner, and between looks of those who wait."""
_EXPECTED: Final = "Nats-Expected-Last-Subject-Sequence"


class Lease:
    """Ownership of one consumer by one instance.

    After a takeover from an owner that did not let go, the server still holds what it had taken.
    `acquired` returns when that is settled or due again, so that nothing overtakes it.
    """

    def __init__(
        self,
        inbox: Inbox,
        jetstream: JetStream,
        consumers: Consumers,
        names: Names,
        clock: Clock,
        *,
        stream: str,
        consumer: str,
        instance: str,
        ack_wait: float,
        patience: float,
    ) -> None:
        """`patience` is in seconds, before a lease that was never held is taken: it spreads the
        shards of one subscription over instances that start together.
        """
        self._inbox = inbox
        self._jetstream = jetstream
        self._consumers = consumers
        self._bucket = names.attempts
        self._subject = names.owner(stream, consumer)
        self._clock = clock
        self._stream = stream
        self._consumer = consumer
        self._instance = instance.encode()
        self._ack_wait = ack_wait
        self._patience = patience
        self._held = asyncio.Event()
        self._renewed = 0.0
        self._sequence = 0
        self._seen_at = 0.0
        self._seen = -1
        self._clean = True
        self._released = False

    @property
    def is_held(self) -> bool:
        """Tell whether this instance is the owner, as far as time allows to be sure."""
        return self._held.is_set() and self._clock.monotonic() - self._renewed < LASTS * 0.7

    async def acquired(self) -> None:
        """Wait until this instance owns the consumer and nothing of a former owner is left."""
        while not self.is_held:
            self._held.clear()
            await self._held.wait()
        if not self._clean:
            await self._wait_for_leftovers()

    async def keep(self) -> None:
        """Take the lease when it is free, and keep it."""
        await self._clock.sleep(self._patience)
        while not self._released:
            try:
                await (self._renew() if self._held.is_set() else self._try())
            except TransportError:
                self._seen = -1  # what others did meanwhile is unknown: watch anew
            await self._clock.sleep(STEP)

    async def release(self) -> None:
        """Let go, so that another instance takes over at once."""
        self._released = True
        if self._held.is_set():
            self._held.clear()
            try:
                await self._write(b"")
            except TransportError:  # it runs out by itself
                return

    async def _try(self) -> None:
        found = await self._jetstream.get(self._bucket, last=self._subject)
        sequence = 0 if found is None else int(found.headers.get("nats-sequence", "0"))
        owner = b"" if found is None else found.body
        if sequence != self._seen:
            self._seen, self._seen_at = sequence, self._clock.monotonic()
        silent = self._clock.monotonic() - self._seen_at
        if owner in (b"", self._instance) or silent >= LASTS:
            self._sequence = sequence
            self._clean = owner == b""
            await self._take()

    async def _take(self) -> None:
        try:
            await self._write(self._instance)
        except ApiError:  # somebody else was faster
            return
        self._held.set()

    async def _renew(self) -> None:
        try:
            await self._write(self._instance)
        except ApiError:  # it was taken from us while we were silent
            self._held.clear()

    async def _write(self, owner: bytes) -> None:
        asked = self._clock.monotonic()
        headers = {_EXPECTED: str(self._sequence)}
        answer = await self._inbox.ask(self._subject, owner, headers, timeout=LASTS / 3)
        self._sequence = int(read_answer(answer)["seq"])
        self._renewed = asked

    async def _wait_for_leftovers(self) -> None:
        """Wait until the former owner's deliveries are settled, or due again: those come first."""
        until = self._clock.monotonic() + self._ack_wait
        while self._clock.monotonic() < until:
            try:
                info = await self._consumers.info(self._stream, self._consumer)
            except TransportError:
                info = None
            if info is not None and not info.get("num_ack_pending"):
                break
            await self._clock.sleep(STEP / 4)
        self._clean = True
