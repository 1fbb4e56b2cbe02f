"""The client that is injected by token."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar, overload

from typing_extensions import TypeForm

from wireloom.client.blocking import BlockingClient
from wireloom.client.events import EventStream, ephemeral
from wireloom.client.plans import EMPTY, Plans
from wireloom.client.publishing import EmitOptions, Events
from wireloom.client.requesting import TIMEOUT, Requests
from wireloom.client.streams import Stream
from wireloom.contracts import Event, Rpc
from wireloom.errors import TransportError
from wireloom.link import Link
from wireloom.observables import AwaitableObservable, observe
from wireloom.pattern import Literal, Pattern
from wireloom.spi import Message, Receipt, Status

__all__ = ["ClientProxy"]

Request = TypeVar("Request")
Response = TypeVar("Response")
T = TypeVar("T")
AnyPattern = Literal | Pattern
Headers = Mapping[str, str] | None
StatusListener = Callable[[Status, Exception | None], None]


class ClientProxy:
    """Emits events and sends requests by one token's transport. Injected by
    `Annotated[ClientProxy, Inject("bus")]`, or taken from `app.client("bus")`.

    Used inside a handler it passes on the call's deadline, correlation and trace. Before the
    application has started, and after it has stopped, every call raises ClosedError.
    """

    def __init__(self, link: Link) -> None:
        plans = Plans()
        self._link = link
        self._requests = Requests(link, plans)
        self._events = Events(link, plans)
        self._loop: asyncio.AbstractEventLoop | None = None

    async def emit(
        self,
        pattern: AnyPattern | Event[T],
        payload: T = EMPTY,  # type: ignore[assignment]
        *,
        uid: str | None = None,
        key: str | None = None,
        headers: Headers = None,
        delay: float | None = None,
        at: datetime | None = None,
        ttl: float | None = None,
        timeout: float = TIMEOUT,
        sync: bool = True,
        require_route: bool = False,
    ) -> Receipt:
        """Publish an event; return when the broker has stored it, or the peers have accepted it.

        :param uid: the event's id; the same id again, at the same address, is handled once.
        :param key: the ordering key, in place of the contract's.
        :param delay: seconds before it may be handled; or `at`, an aware datetime.
        :param ttl: seconds after which it is not handled any more.
        :param timeout: seconds to wait for the broker.
        :param sync: False: hand it over and return; a later failure is counted and logged.
        :param require_route: raise if it is known that nobody listens.
        :raises InvalidPayloadError: if the payload is not what the contract says; nothing is sent.
        :raises PublishError: if it was not taken, or that is unknown after `timeout`.
        """
        options = EmitOptions(uid=uid, key=key, headers=headers, delay=delay, at=at, ttl=ttl)
        message = self._events.message(pattern, payload, options)
        return await self._events.emit(message, timeout, sync=sync, require_route=require_route)

    async def emit_many(
        self,
        pattern: AnyPattern | Event[T],
        payloads: Iterable[T],
        *,
        uid: Callable[[T], str] | None = None,
        headers: Headers = None,
        timeout: float = TIMEOUT,
    ) -> list[Receipt]:
        """Publish events in this order, with as few round trips as the transport allows.

        :param uid: from a payload to its event's id.
        :raises InvalidPayloadError: if one payload is not what the contract says; nothing is sent.
        :raises PublishError: if some were not taken; `outcomes` says what became of each.
        """
        messages = [
            self._events.message(
                pattern, payload, EmitOptions(uid=uid(payload) if uid else None, headers=headers)
            )
            for payload in payloads
        ]
        return await self._events.emit_many(messages, timeout)

    @overload
    def subscribe(self, pattern: Event[T]) -> EventStream[T]: ...
    @overload
    def subscribe(self, pattern: AnyPattern, *, payload_type: TypeForm[T]) -> EventStream[T]: ...
    @overload
    def subscribe(self, pattern: AnyPattern) -> EventStream[Any]: ...
    def subscribe(self, pattern: Any, *, payload_type: Any = None) -> EventStream[Any]:
        """Return the events of a pattern from now on, to be entered with `async with`.

        Of this process alone: no group, nothing kept, no controller.
        """
        self._events.check_open()
        return ephemeral(self._link, pattern, payload_type)

    @overload
    def send(
        self,
        pattern: Rpc[Request, Response],
        payload: Request = ...,
        *,
        timeout: float | None = ...,
        headers: Headers = ...,
    ) -> Coroutine[Any, Any, Response]: ...
    @overload
    def send(
        self,
        pattern: AnyPattern,
        payload: object = ...,
        *,
        response_type: TypeForm[T],
        timeout: float | None = ...,
        headers: Headers = ...,
    ) -> Coroutine[Any, Any, T]: ...
    @overload
    def send(
        self,
        pattern: AnyPattern,
        payload: object = ...,
        *,
        timeout: float | None = ...,
        headers: Headers = ...,
    ) -> Coroutine[Any, Any, Any]: ...
    def send(
        self,
        pattern: Any,
        payload: Any = EMPTY,
        *,
        response_type: Any = None,
        timeout: float | None = None,
        headers: Headers = None,
    ) -> Coroutine[Any, Any, Any]:
        """Send a request and return its one answer; of a streamed answer, the last value.

        :param timeout: seconds; None: the contract's, else 10. Inside a handler never longer than
            what its own caller still waits.
        :raises RpcError: what the handler raised.
        :raises NoHandlerError: if nobody handles the pattern.
        :raises RequestTimeoutError: if no answer came in time.
        :raises TransportError: if it could not be sent, or its connection was lost.
        :raises InvalidPayloadError: if payload or answer are not what the contract says.
        """
        return self._requests.send(pattern, payload, response_type, timeout, headers)

    @overload
    def stream(
        self,
        pattern: Rpc[Request, Response],
        payload: Request = ...,
        *,
        timeout: float | None = ...,
        headers: Headers = ...,
    ) -> Stream[Response]: ...
    @overload
    def stream(
        self,
        pattern: AnyPattern,
        payload: object = ...,
        *,
        response_type: TypeForm[T],
        timeout: float | None = ...,
        headers: Headers = ...,
    ) -> Stream[T]: ...
    @overload
    def stream(
        self,
        pattern: AnyPattern,
        payload: object = ...,
        *,
        timeout: float | None = ...,
        headers: Headers = ...,
    ) -> Stream[Any]: ...
    def stream(
        self,
        pattern: Any,
        payload: Any = EMPTY,
        *,
        response_type: Any = None,
        timeout: float | None = None,
        headers: Headers = None,
    ) -> Stream[Any]:
        """Return a request's answer item by item; a plain handler's is one item.

        Nothing is sent until it is iterated or entered. Errors as `send`, raised while iterating.

        :param timeout: seconds to wait for each item; None: the contract's, else 10.
        """
        return self._requests.stream(pattern, payload, response_type, timeout, headers)

    @overload
    def send_as_observable(
        self,
        pattern: Rpc[Request, Response],
        payload: Request = ...,
        *,
        timeout: float | None = ...,
        headers: Headers = ...,
    ) -> AwaitableObservable[Response]: ...
    @overload
    def send_as_observable(
        self,
        pattern: AnyPattern,
        payload: object = ...,
        *,
        response_type: TypeForm[T],
        timeout: float | None = ...,
        headers: Headers = ...,
    ) -> AwaitableObservable[T]: ...
    @overload
    def send_as_observable(
        self,
        pattern: AnyPattern,
        payload: object = ...,
        *,
        timeout: float | None = ...,
        headers: Headers = ...,
    ) -> AwaitableObservable[Any]: ...
    def send_as_observable(
        self,
        pattern: Any,
        payload: Any = EMPTY,
        *,
        response_type: Any = None,
        timeout: float | None = None,
        headers: Headers = None,
    ) -> AwaitableObservable[Any]:
        """Return a cold observable of the answer: each subscriber sends a request of its own.

        `on_error` gets what `send` would raise; disposing cancels the handler. Awaiting the result
        gives a plain `reactivex.Observable` and sends nothing.
        """

        def items() -> AsyncIterator[Any]:
            return aiter(self._requests.stream(pattern, payload, response_type, timeout, headers))

        return observe(items, lambda work: self._link.tasks.start(work, "wireloom observable"))

    @property
    def blocking(self) -> BlockingClient:
        """Return the same client for `def` handlers and threads."""
        return BlockingClient(self, self._loop)

    @property
    def status(self) -> Status:
        """Return where the connection stands."""
        return self._link.status

    def on_status(self, listener: StatusListener) -> Callable[[], None]:
        """Call the listener on every change of status; return what ends that."""
        self._link.listeners.append(listener)
        return lambda: self._link.listeners.remove(listener)

    def on_emit_failure(self, listener: Callable[[Message, TransportError], None]) -> None:
        """Call the listener for each event of `emit(sync=False)` that was not taken."""
        self._events.buffer.on_failure = listener

    def unwrap(self) -> object:
        """Return the native client of the broker; None before the start."""
        return self._link.transport.unwrap()

    def started(self) -> None:
        """Remember the application's loop. Called by the application."""
        self._loop = asyncio.get_running_loop()

    async def drain(self, timeout: float) -> None:
        """Wait until what `emit(sync=False)` took is published. Called by the application."""
        await self._events.buffer.drain(timeout)
