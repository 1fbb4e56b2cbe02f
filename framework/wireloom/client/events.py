"""Events for a program without a handler: ephemeral, without a group."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

from wireloom.codec import JSON, Decode, codec_for
from wireloom.contracts import Event
from wireloom.errors import ClosedError, InvalidPayloadError
from wireloom.link import Link
from wireloom.outgoing import new_ids
from wireloom.pattern import Pattern
from wireloom.spi import (
    Context,
    Delivery,
    Kind,
    Limits,
    Origin,
    Status,
    Subscriber,
    Subscription,
)

__all__ = ["EventStream", "ephemeral"]

log = logging.getLogger("wireloom.client")
T = TypeVar("T", covariant=True)
CAPACITY: Final = 256
"""Events taken and not yet asked for."""
_new_name = new_ids()


def ephemeral(link: Link, pattern: Any, payload_type: Any) -> "EventStream[Any]":
    """Return the events of a pattern or contract from now on; see `ClientProxy.subscribe`."""
    contract = pattern if isinstance(pattern, Event) else None
    parsed = contract.pattern if contract else Pattern.of(pattern)
    if contract and payload_type is None:
        payload_type = contract.type
    subscription = Subscription(
        name=f"{link.group}.subscribe-{_new_name()}",
        pattern=parsed,
        kind=Kind.EVENT,
        group=link.group,
        where=f"client.subscribe({parsed.text!r})",
        broadcast=True,
        ephemeral=True,
        durable=contract.durable if contract else True,
        limits=contract.limits if contract else Limits(),
    )
    codec = codec_for(contract.codec if contract else JSON)
    return EventStream(link, subscription, codec.decoder(payload_type))


class EventStream(Generic[T]):
    """What `client.subscribe` gives: events from now on, as `(payload, context)`.

    An event is settled when the next one is asked for. One that cannot be read is logged and
    passed over. Leaving the `async with` ends the subscription at the broker.
    """

    capacity = CAPACITY

    def __init__(self, link: Link, subscription: Subscription, decode: Decode) -> None:
        self._link = link
        self._subscription = subscription
        self._decode = decode
        self._waiting: deque[Delivery] = deque()
        self._changed = asyncio.Event()
        self._subscriber: Subscriber | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        """Subscribe; live at the broker on return."""
        self._subscriber = await self._link.transport.subscribe(self._subscription, self)
        self._link.listeners.append(self._on_status)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Unsubscribe."""
        self._end()
        if self._on_status in self._link.listeners:
            self._link.listeners.remove(self._on_status)
        if self._subscriber is not None:
            await self._subscriber.close()

    def __aiter__(self) -> AsyncIterator[tuple[T, Context]]:
        """Go through the events as they come, until this is left or the application stops."""
        return self._iterate()

    @property
    def room(self) -> int:
        """Return how many more may be taken now."""
        return 0 if self._closed else max(0, CAPACITY - len(self._waiting))

    async def wait_for_room(self) -> int:
        """Wait until there is room; return how much."""
        while not self.room:
            self._changed.clear()
            await self._changed.wait()
        return self.room

    def put(self, delivery: Delivery) -> None:
        """Take a delivery."""
        self._waiting.append(delivery)
        self._changed.set()

    def _on_status(self, status: Status, _error: Exception | None) -> None:
        if status is Status.CLOSED:
            self._end()

    def _end(self) -> None:
        self._closed = True
        self._changed.set()

    async def _iterate(self) -> AsyncIterator[tuple[T, Context]]:
        if self._subscriber is None:
            raise ClosedError("subscribe(...) is entered with `async with` before it is iterated")
        transport = self._link.transport
        origin = Origin(
            self._subscription.pattern, self._link.token, transport.kind, self._subscription.name
        )
        while not self._closed:
            while not self._waiting:
                if self._closed:
                    return
                self._changed.clear()
                await self._changed.wait()
            delivery = self._waiting.popleft()
            try:
                payload = self._decode(delivery.message.body)
            except InvalidPayloadError as error:
                log.warning("%s: %s", self._subscription.name, error)
            else:
                yield payload, transport.context_type(delivery, origin)
            await delivery.ack()
            self._changed.set()
