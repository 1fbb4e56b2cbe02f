"""Requests on their way: built, sent, and their one answer awaited."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from wireloom.client.calls import Call
from wireloom.client.plans import EMPTY, Plans, SendPlan
from wireloom.client.streams import Stream
from wireloom.codec import JSON
from wireloom.errors import (
    ClosedError,
    InvalidPayloadError,
    OverloadedError,
    RequestTimeoutError,
)
from wireloom.link import Link
from wireloom.outgoing import check_size, new_ids, passed_on
from wireloom.spi import Context, Kind, Message, current_context
from wireloom.spi.headers import CONTENT_TYPE, DEADLINE, check_headers

__all__ = ["TIMEOUT", "Requests"]

TIMEOUT: Final = 10.0
"""Seconds, where neither the caller nor the contract says otherwise."""
LONGEST: Final = 366 * 24 * 3600.0
PENDING_LIMIT: Final = 10_000
"""Requests that may wait for answers at once; more would be a leak, or an overload."""
_REQUEST: Final = Kind.REQUEST


class Requests:
    """Sends the requests of one client."""

    def __init__(self, link: Link, plans: Plans) -> None:
        self._link = link
        self._plans = plans
        self._new_id = new_ids()
        self._monotonic = link.clock.monotonic
        self._limit = link.options.max_payload
        self._headers: dict[float, dict[str, str]] = {}

    async def send(
        self,
        pattern: object,
        payload: object,
        response_type: object,
        timeout: float | None,
        headers: Mapping[str, str] | None,
    ) -> Any:
        """Send a request and return its one answer; see `ClientProxy.send`."""
        plan = self._plans.send(pattern, response_type)
        link = self._link
        seconds = _seconds(plan, timeout)
        context = current_context.get()
        if context is not None:
            seconds = self._within_deadline(seconds, context)
        request = self._request(plan, payload, seconds, headers, context)
        request_id = request.id
        call = Call(loop=link.loop)
        call.owner = link, seconds
        link.pending[request_id] = call
        bucket = link.deadlines.add(call, self._monotonic() + seconds)
        try:
            if not link.transport.try_publish(request):
                await call.while_publishing(link.transport.publish(request))
            answer = await call
        except asyncio.CancelledError:
            self._abandon(request, call)
            raise
        finally:
            del link.pending[request_id]
            bucket.pop(call, None)
        if answer is None or not answer.body:
            return None
        try:
            return plan.decode(answer.body)
        except InvalidPayloadError as error:
            raise InvalidPayloadError(
                f"the answer of {plan.address!r}: {error}", error.details
            ) from None

    def stream(
        self,
        pattern: object,
        payload: object,
        response_type: object,
        timeout: float | None,
        headers: Mapping[str, str] | None,
    ) -> Stream[Any]:
        """Return a request's answer item by item; see `ClientProxy.stream`."""
        plan = self._plans.send(pattern, response_type)
        context = current_context.get()
        seconds = _seconds(plan, timeout)
        if context is not None:
            seconds = self._within_deadline(seconds, context)
        request = self._request(plan, payload, seconds, headers, context)
        return Stream(self._link, plan, request, seconds)

    def _within_deadline(self, seconds: float, context: Context) -> float:
        """Return how long to wait: never longer than whoever waits for the running handler."""
        if context.deadline is None:
            return seconds
        left = context.deadline - self._monotonic()
        if left <= 0:
            raise RequestTimeoutError("the caller of this handler does not wait any more")
        return min(seconds, left)

    def _request(
        self,
        plan: SendPlan,
        payload: object,
        seconds: float,
        headers: Mapping[str, str] | None,
        context: Context | None,
    ) -> Message:
        link = self._link
        if not link.started:
            raise ClosedError(f"{link.token!r}: the application is not started")
        if len(link.pending) >= PENDING_LIMIT:
            raise OverloadedError(f"{PENDING_LIMIT} requests wait for answers already")
        body = b"" if payload is EMPTY else plan.encode(payload)
        if len(body) > self._limit:
            check_size(body, self._limit)
        every = self._headers.get(seconds) or self._plain_headers(seconds)
        if context is not None or headers:
            if headers:
                check_headers(headers)
            every = {**every, **passed_on(context), **(headers or {})}
        return Message(_REQUEST, plan.address, body, every, self._new_id(), link.inbox)

    def _plain_headers(self, seconds: float) -> dict[str, str]:
        """Return the headers that every request of this timeout has; mostly the same object."""
        found = {CONTENT_TYPE: JSON, DEADLINE: str(max(1, int(seconds * 1000)))}
        if len(self._headers) < 64:
            self._headers[seconds] = found
        return found

    def _abandon(self, request: Message, call: Call) -> None:
        link = self._link
        if call.serving or link.transport.capabilities.cancels_unanswered:
            link.tasks.start(link.cancel(request.id, call.serving), "wireloom cancel")


def _seconds(plan: SendPlan, timeout: float | None) -> float:
    if timeout is None:
        return plan.timeout or TIMEOUT
    if not 0 < timeout < LONGEST:
        raise ValueError(f"timeout={timeout!r}: seconds above 0, below {LONGEST:g}")
    return timeout
