"""The client for `def` handlers and threads."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Final, Protocol, TypeVar, overload

from typing_extensions import TypeForm

from wireloom.client.plans import EMPTY
from wireloom.contracts import Event, Rpc
from wireloom.errors import ClosedError
from wireloom.pattern import Literal, Pattern
from wireloom.spi import Receipt

__all__ = ["BlockingClient"]

T = TypeVar("T")
Request = TypeVar("Request")
Response = TypeVar("Response")
MARGIN: Final = 5.0
"""Seconds that a thread waits beyond the call's own timeout, for a loop that is busy."""


class _Client(Protocol):
    """The calls that are made here; as attributes, since their own signatures are overloaded."""

    @property
    def emit(self) -> Callable[..., Coroutine[Any, Any, Receipt]]: ...
    @property
    def send(self) -> Callable[..., Coroutine[Any, Any, Any]]: ...
    @property
    def stream(self) -> Callable[..., Any]: ...


class BlockingClient:
    """`emit`, `send` and `stream` for threads: they wait in the calling thread, while the work is
    done on the application's event loop. On that loop itself they are refused, since they would
    wait for themselves.
    """

    def __init__(self, client: _Client, loop: asyncio.AbstractEventLoop | None) -> None:
        self._client = client
        self._loop = loop

    def emit(
        self,
        pattern: Literal | Pattern | Event[T],
        payload: T = EMPTY,  # type: ignore[assignment]
        **options: Any,
    ) -> Receipt:
        """Publish an event; options and errors as `ClientProxy.emit`."""
        return self._wait(self._client.emit(pattern, payload, **options), options.get("timeout"))

    @overload
    def send(
        self, pattern: Rpc[Request, Response], payload: Request = ..., **options: Any
    ) -> Response: ...
    @overload
    def send(
        self,
        pattern: Literal | Pattern,
        payload: Any = ...,
        *,
        response_type: TypeForm[T],
        **options: Any,
    ) -> T: ...
    @overload
    def send(self, pattern: Literal | Pattern, payload: Any = ..., **options: Any) -> Any: ...
    def send(self, pattern: Any, payload: Any = EMPTY, **options: Any) -> Any:
        """Send a request; options and errors as `ClientProxy.send`."""
        return self._wait(self._client.send(pattern, payload, **options), options.get("timeout"))

    @overload
    def stream(
        self, pattern: Rpc[Request, Response], payload: Request = ..., **options: Any
    ) -> Iterator[Response]: ...
    @overload
    def stream(
        self,
        pattern: Literal | Pattern,
        payload: Any = ...,
        *,
        response_type: TypeForm[T],
        **options: Any,
    ) -> Iterator[T]: ...
    @overload
    def stream(
        self, pattern: Literal | Pattern, payload: Any = ..., **options: Any
    ) -> Iterator[Any]: ...
    def stream(self, pattern: Any, payload: Any = EMPTY, **options: Any) -> Iterator[Any]:
        """Go through a streamed answer; options and errors as `ClientProxy.stream`."""
        timeout = options.get("timeout")
        stream = self._client.stream(pattern, payload, **options)
        self._wait(stream.__aenter__(), timeout)
        items: AsyncIterator[Any] = aiter(stream)
        try:
            while (item := self._wait(_next(items), timeout)) is not EMPTY:
                yield item
        finally:
            self._wait(stream.aclose(), None)

    def _wait(self, work: Coroutine[Any, Any, T], timeout: float | None) -> T:
        if self._loop is None:
            work.close()
            raise ClosedError("the application is not started")
        if _running_loop() is self._loop:
            work.close()
            raise RuntimeError("blocking calls on the event loop would wait for themselves: await")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result((10.0 if timeout is None else timeout) + MARGIN)
        except BaseException:
            future.cancel()
            raise


async def _next(items: AsyncIterator[Any]) -> Any:
    return await anext(items, EMPTY)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
