"""The story of one delivery: call, reply, settle."""

import asyncio
from collections.abc import Awaitable
from typing import Any, Protocol

from wireloom.errors import RequestTimeoutError
from wireloom.server.endpoint import Endpoint, seconds_left
from wireloom.server.watchdog import NEVER, Run
from wireloom.spi import Delivery, current_context

__all__ = ["HandlerCancelledError", "Runner", "Settlement", "StoppedError", "failure"]


class HandlerCancelledError(Exception):
    """The handler raised CancelledError although nobody cancelled it: a failure like any other."""


class StoppedError(Exception):
    """The run was stopped because its caller does not wait any more."""


class Settlement(Protocol):
    """How deliveries of one kind, requests or events, begin and end. What fails on the way to the
    broker is counted and logged there; nothing is raised for it.
    """

    def begin(self, delivery: Delivery) -> Awaitable[bool] | None:
        """Prepare a run. Awaited, False means that it is settled already. None: go on."""

    def succeed(self, delivery: Delivery, result: Any, run: Run) -> Awaitable[None] | None:
        """Reply or emit, then settle. What it raises is a failure of the handler's. None: done."""

    async def fail(self, delivery: Delivery, error: BaseException) -> float | None:
        """Reply or retry or dead-letter, and settle; or say when to run it again in place."""

    async def expire(self, delivery: Delivery) -> None:
        """Settle what came too late to be run."""

    async def abandon(self, delivery: Delivery) -> None:
        """The application ends before the handler did."""

    async def give_back(self, delivery: Delivery) -> None:
        """Return what was not started and will not be, here."""


class Runner:
    """Runs the deliveries of one endpoint. Only this settles them."""

    def __init__(self, endpoint: Endpoint, settlement: Settlement) -> None:
        self._settlement = settlement
        self._call = endpoint.call
        self._origin = endpoint.origin
        self._context_type = endpoint.link.transport.context_type
        self._monotonic = endpoint.link.clock.monotonic
        self._watchdog = endpoint.watchdog
        self._is_request = not endpoint.route.is_event
        self._timeout = NEVER if endpoint.timeout is None else endpoint.timeout

    async def process(self, delivery: Delivery, run: Run) -> float | None:
        """Run one delivery and settle it; or return after how many seconds to run it again.

        Only a cancellation from outside leaves this, and then the delivery is not settled.
        """
        now = self._monotonic()
        left = seconds_left(delivery.message.headers)
        deadline = NEVER if left is None else delivery.arrived + left - delivery.age
        if deadline <= now or delivery.lost:
            await self._put_aside(delivery)
            return None
        context = self._context_type(
            delivery, self._origin, None if deadline is NEVER else deadline
        )
        current_context.set(context)
        try:
            beginning = self._settlement.begin(delivery)
            if beginning is not None and not await beginning:
                return None
            # Nobody waits for the end of an event's run: its deadline is for its start alone.
            until = now + self._timeout
            run.until = min(until, deadline) if self._is_request else until
            if not self._watchdog.awake:
                self._watchdog.wake()
            result = await self._call(context)
            run.until = NEVER
            ending = self._settlement.succeed(delivery, result, run)
            if ending is not None:
                await ending
        except BaseException as error:  # noqa: BLE001 - every failure of a handler is settled
            run.until = NEVER
            return await self._fail(delivery, error, run)
        if run.stopped is not None:
            forgive(run)
        return None

    async def _put_aside(self, delivery: Delivery) -> None:
        if delivery.lost:
            await self._settlement.give_back(delivery)
        else:
            await self._settlement.expire(delivery)

    async def _fail(self, delivery: Delivery, error: BaseException, run: Run) -> float | None:
        reason = failure(error, run, ending=self._watchdog.ending)
        if reason is None:
            await self._settlement.abandon(delivery)
            raise error
        return await self._settlement.fail(delivery, reason)


def forgive(run: Run) -> int:
    """Take back the cancellation that stopped a run; return how many others the task has."""
    run.stopped = None
    return run.task.uncancel()


def failure(error: BaseException, run: Run, *, ending: bool) -> BaseException | None:
    """Return what a run failed with; None if it was cancelled because the application ends.

    A handler may cancel its own task, so a pending cancellation alone does not tell.

    :raises KeyboardInterrupt: as it is; the process is being ended by hand.
    """
    if isinstance(error, KeyboardInterrupt):
        raise error
    if run.stopped is not None:
        stopped, others = run.stopped, forgive(run)
        if isinstance(error, asyncio.CancelledError):
            return None if others > 0 and ending else _why(stopped)
    elif isinstance(error, asyncio.CancelledError):
        return None if ending else HandlerCancelledError("it raised CancelledError")
    return error


def _why(stopped: str) -> Exception:
    if stopped == "timeout":
        return RequestTimeoutError("the handler ran out of time")
    return StoppedError(f"stopped: {stopped}")
