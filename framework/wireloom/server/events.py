"""How events end: acknowledged, run again, dead-lettered, or counted as dropped."""

import hashlib
import logging
import random
import traceback
from collections.abc import Awaitable
from typing import Any, Final, Protocol

from wireloom.decorators import EventPattern
from wireloom.errors import (
    InvalidPayloadError,
    PublishError,
    Reject,
    RetryLater,
    RpcError,
    TransportError,
    UnreadableMessageError,
)
from wireloom.outgoing import Held, held_emits
from wireloom.replies import header_safe
from wireloom.server.dedup import Duplicates
from wireloom.server.endpoint import Endpoint
from wireloom.server.settling import settle
from wireloom.server.watchdog import Run
from wireloom.settings import DeadLettering
from wireloom.spi import Delivery

__all__ = ["Emitter", "EventSettlement"]

log = logging.getLogger("wireloom.server")
IN_PLACE: Final = 0.1
"""Seconds: a shorter wait is not worth a round trip to the broker."""
SPARE_DELIVERIES: Final = 10
"""Deliveries beyond the attempts before a message is taken for one that kills the process."""


class Emitter(Protocol):
    """Publishes what a handler returned under `emits=`."""

    async def result(self, result: Any) -> None:
        """Publish a result; None is nothing."""


class EventSettlement:
    """Events run at least once: settled after the handler, its emits included, has succeeded."""

    def __init__(
        self,
        endpoint: Endpoint,
        mark: EventPattern,
        emitter: Emitter,
        duplicates: Duplicates | None,
    ) -> None:
        self._endpoint = endpoint
        self._link = endpoint.link
        self._mark = mark
        self._emitter = emitter
        self._duplicates = duplicates
        self._name = endpoint.route.name
        self._most = mark.retry.attempts + SPARE_DELIVERIES
        self._letters = _lettering(mark.dead_letter)
        self._plain = mark.ack == "after" and not mark.hold_emits and duplicates is None

    def begin(self, delivery: Delivery) -> Awaitable[bool] | None:
        """Refuse what was handled before, or ended the process too often."""
        if self._plain and delivery.deliveries <= self._most:
            return None
        return self._begin(delivery)

    async def _begin(self, delivery: Delivery) -> bool:
        if delivery.deliveries > self._most:
            await self._give_up(delivery, "it was delivered too often", None)
            return False
        if self._duplicates is not None and await self._duplicates.claim(delivery.message):
            self._link.counters.duplicates += 1
            await settle(self._link, self._name, delivery.ack())
            return False
        if self._mark.hold_emits:
            held_emits.set([])
        if self._mark.ack == "before":
            return await settle(self._link, self._name, delivery.ack())
        return True

    async def succeed(self, delivery: Delivery, result: Any, run: Run) -> None:
        """Emit, then acknowledge."""
        if self._mark.hold_emits:
            for publish in _take_held():
                await publish()
        if self._mark.emits is not None and result is not None:
            await self._emitter.result(result)
        if self._duplicates is not None:
            await self._duplicates.remember(delivery.message)
        if self._mark.ack == "after":
            await settle(self._link, self._name, delivery.ack())

    async def fail(self, delivery: Delivery, error: BaseException) -> float | None:
        """Run it again, here or by the broker, or give it up."""
        if self._mark.hold_emits:
            held_emits.set(None)
        if self._duplicates is not None:
            self._duplicates.release(delivery.message)
        if self._mark.ack == "before":
            self._link.counters.dropped += 1
            log.error("%s failed on %r, at most once", self._name, delivery.message, exc_info=error)
            return None
        wait = self._wait(delivery, error)
        if wait is None:
            await self._give_up(delivery, _reason(error), error)
            return None
        log.warning(
            "%s failed on %r, run %d of %d, again in %.3g s: %s",
            self._name,
            delivery.message,
            delivery.attempt,
            self._mark.retry.attempts,
            wait,
            _reason(error),
        )
        return await self._again(delivery, wait)

    async def expire(self, delivery: Delivery) -> None:
        """Count what came too late; dead-letter it if asked."""
        self._link.counters.expired += 1
        if self._letters.expired:
            await self._dead_letter(delivery, "expired", None)
        else:
            await settle(self._link, self._name, delivery.ack())

    async def abandon(self, delivery: Delivery) -> None:
        """Leave it unsettled: the broker gives it to another instance."""
        if self._duplicates is not None:
            self._duplicates.release(delivery.message)

    async def give_back(self, delivery: Delivery) -> None:
        """Return what was not started before the application stops."""
        await settle(self._link, self._name, delivery.give_back())

    def is_busy(self, delivery: Delivery) -> bool:
        """Tell whether beginning it would wait for another run of the same message."""
        return self._duplicates is not None and self._duplicates.busy(delivery.message)

    async def retry(self, delivery: Delivery, wait: float) -> None:
        """Have the broker deliver it again, as the run that `delivery.attempt` says by now."""
        await settle(self._link, self._name, delivery.retry(wait, delivery.attempt))

    def _wait(self, delivery: Delivery, error: BaseException) -> float | None:
        """Return after how many seconds to run it again; None: never."""
        retry = self._mark.retry
        if isinstance(error, (UnreadableMessageError, Reject)) or _refused(error):
            return None
        if delivery.attempt >= retry.attempts:
            return None
        if isinstance(error, RetryLater):
            if error.after is not None:
                return error.after
        elif isinstance(error, Exception) and not retry.wants(error):
            return None
        wait = retry.backoff(delivery.attempt)
        return wait * (1 + retry.jitter * random.random())  # noqa: S311 - jitter is no secret

    async def _again(self, delivery: Delivery, wait: float) -> float | None:
        self._link.counters.retried += 1
        if self._mark.ordered or wait <= IN_PLACE:
            delivery.attempt += 1
            return wait
        await settle(self._link, self._name, delivery.retry(wait, delivery.attempt + 1))
        return None

    async def _give_up(self, delivery: Delivery, reason: str, error: BaseException | None) -> None:
        if self._letters.failed:
            await self._dead_letter(delivery, reason, error)
            return
        self._link.counters.dropped += 1
        log.error("%s gave up %r: %s", self._name, delivery.message, reason, exc_info=error)
        await settle(self._link, self._name, delivery.ack())

    async def _dead_letter(
        self, delivery: Delivery, reason: str, error: BaseException | None
    ) -> None:
        facts = self._facts(delivery, reason, error)
        if await settle(self._link, self._name, delivery.dead_letter(facts)):
            self._link.counters.dead_lettered += 1
            log.error(
                "%s dead-lettered %r after %d runs: %s",
                self._name,
                delivery.message,
                delivery.attempt,
                reason,
                exc_info=error,
            )

    def _facts(
        self, delivery: Delivery, reason: str, error: BaseException | None
    ) -> dict[str, str]:
        now = self._link.clock.now()
        facts = {
            "wl-dead-reason": header_safe(reason),
            "wl-dead-attempts": str(delivery.attempt),
            "wl-dead-first-ms": str(int((now - max(0.0, delivery.age)) * 1000)),
            "wl-dead-last-ms": str(int(now * 1000)),
            "wl-dead-source": header_safe(delivery.message.address),
        }
        if error is not None:
            facts["wl-dead-error"] = type(error).__qualname__
            facts["wl-dead-stack"] = _stack_hash(error)
        return facts


def _lettering(setting: DeadLettering | bool) -> DeadLettering:
    return setting if isinstance(setting, DeadLettering) else DeadLettering(failed=setting)


def _take_held() -> Held:
    held = held_emits.get()
    held_emits.set(None)
    return held or []


def _refused(error: BaseException) -> bool:
    return isinstance(error, RpcError) and error.code == "PERMISSION_DENIED"


def _reason(error: BaseException) -> str:
    """Return why, without text that may hold payload or secrets unless the error is one of ours."""
    if isinstance(error, (Reject, RetryLater)):
        return error.reason
    if isinstance(error, (InvalidPayloadError, RpcError, TransportError, PublishError)):
        return str(error)
    return type(error).__qualname__


def _stack_hash(error: BaseException) -> str:
    """Return a short hash of where it was raised, to group what failed alike."""
    frames = traceback.extract_tb(error.__traceback__)
    places = "|".join(f"{frame.name}:{frame.lineno}" for frame in frames)
    return hashlib.sha256(f"{type(error).__qualname__}|{places}".encode()).hexdigest()[:16]
