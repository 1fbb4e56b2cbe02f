"""Events on their way: built, published, and what became of them."""

import asyncio
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from wireloom.client.buffer import EmitBuffer
from wireloom.client.plans import EMPTY, Plans
from wireloom.errors import ClosedError, PublishError, UnsupportedOptionError
from wireloom.link import Link
from wireloom.outgoing import check_size, event_key, event_message, held_emits, new_ids
from wireloom.spi import Message, Receipt
from wireloom.spi.headers import check_headers

__all__ = ["EmitOptions", "Events"]

TIMEOUT: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EmitOptions:
    """What `ClientProxy.emit` may be told of one event."""

    uid: str | None = None
    key: str | None = None
    headers: Mapping[str, str] | None = None
    delay: float | None = None
    at: datetime | None = None
    ttl: float | None = None


class Events:
    """Publishes the events of one client."""

    def __init__(self, link: Link, plans: Plans) -> None:
        self._link = link
        self._plans = plans
        self._new_id = new_ids()
        self.buffer = EmitBuffer(link)

    def message(self, pattern: object, payload: Any, options: EmitOptions) -> Message:
        """Return the event, encoded and checked; nothing is sent."""
        plan = self._plans.emit(pattern)
        if options.headers:
            check_headers(options.headers)
        body = b"" if payload is EMPTY else plan.encode(payload)
        check_size(body, self._link.options.max_payload)
        key = options.key
        if key is None and payload is not EMPTY:
            key = event_key(plan.contract, payload)
        return event_message(
            plan.address,
            body,
            options.uid or self._new_id(),
            content_type=plan.content_type,
            headers=options.headers,
            key=key,
            delay=self._delay(options),
            ttl=options.ttl,
        )

    async def emit(
        self, message: Message, timeout: float, *, sync: bool, require_route: bool
    ) -> Receipt:
        """Publish, hold back or hand over; see `ClientProxy.emit`."""
        send = functools.partial(
            self._emit, message, timeout, sync=sync, require_route=require_route
        )
        held = held_emits.get()
        if held is None:
            return await send()
        held.append(send)
        return self._unsent(message)

    async def emit_many(self, messages: Sequence[Message], timeout: float) -> list[Receipt]:
        """Publish in this order; see `ClientProxy.emit_many`."""
        held = held_emits.get()
        if held is None:
            return await self._emit_many(messages, timeout)
        held.append(functools.partial(self._emit_many, messages, timeout))
        return [self._unsent(message) for message in messages]

    async def _emit(
        self, message: Message, timeout: float, *, sync: bool, require_route: bool
    ) -> Receipt:
        self.check_open()
        if not sync:
            self.buffer.add(message)
            return self._unsent(message)
        receipt = await self._publish(message, timeout)
        if require_route and receipt.routed is False:
            raise PublishError(f"nobody listens to {message.address!r}")
        return receipt

    async def _emit_many(self, messages: Sequence[Message], timeout: float) -> list[Receipt]:
        self.check_open()
        try:
            async with asyncio.timeout(timeout):
                outcomes = await self._link.transport.publish_many(messages)
        except TimeoutError:
            raise PublishError(f"no answer in {timeout:g} s; some may have been taken") from None
        receipts = [outcome for outcome in outcomes if isinstance(outcome, Receipt)]
        if len(receipts) < len(messages):
            failed = len(messages) - len(receipts)
            raise PublishError(f"{failed} of {len(messages)} events were not taken", outcomes)
        return receipts

    def check_open(self) -> None:
        """Refuse to send before the start and after the end.

        :raises ClosedError: then.
        """
        if not self._link.started:
            raise ClosedError(f"{self._link.token!r}: the application is not started")

    async def _publish(self, message: Message, timeout: float) -> Receipt:
        try:
            async with asyncio.timeout(timeout):
                return await self._link.transport.publish(message)
        except TimeoutError:
            raise PublishError(f"no answer in {timeout:g} s; it may have been taken") from None

    def _unsent(self, message: Message) -> Receipt:
        return Receipt(message.id, self._link.transport.kind)

    def _delay(self, options: EmitOptions) -> float:
        delay, at = options.delay, options.at
        transport = self._link.transport
        if (delay or at) and not transport.capabilities.delay:
            raise UnsupportedOptionError("delay", transport.kind, "it cannot hold events back")
        if at is None:
            if delay is not None and not 0 <= delay < float("inf"):
                raise ValueError(f"delay={delay!r}: seconds from 0 up")
            return delay or 0.0
        if delay is not None or at.tzinfo is None:
            raise ValueError("at= is an aware datetime, in place of delay=")
        return max(0.0, at.timestamp() - self._link.clock.now())
