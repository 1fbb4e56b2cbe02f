"""The bridge to ReactiveX: the only module that knows of it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from typing import Any, Final, Generic, TypeVar

import reactivex
from reactivex import abc

from wireloom.errors import ClosedError

__all__ = ["AwaitableObservable", "observe"]

T = TypeVar("T", covariant=True)
Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


class AwaitableObservable(reactivex.Observable[T], Generic[T]):
    """A cold observable. Awaiting it gives the same as a plain one, and sends nothing."""

    # reactivex's own waits for the last value, which `send` does without an observable.
    def __await__(self) -> Generator[Any, None, "reactivex.Observable[T]"]:  # type: ignore[override]
        """Return a plain cold observable, for `users = await client.send_as_observable(...)`."""
        yield from ()
        return reactivex.Observable(self._subscribe)


def observe(source: Callable[[], AsyncIterator[T]], spawn: Spawn) -> AwaitableObservable[T]:
    """Return an observable that goes through a new iteration for each subscriber.

    Callbacks run on the event loop. Disposing cancels the iteration. `spawn` owns the task.
    """

    def subscribe(
        observer: abc.ObserverBase[T], _scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        return _Forwarding(source, observer, spawn)

    return AwaitableObservable(subscribe)


class _Forwarding(abc.DisposableBase):
    """One subscriber's iteration, which disposing ends."""

    def __init__(
        self,
        source: Callable[[], AsyncIterator[Any]],
        observer: abc.ObserverBase[Any],
        spawn: Spawn,
    ) -> None:
        self._source = source
        self._observer = observer
        self._disposed = False
        self._calling = False
        self._task = spawn(self._forward())

    def dispose(self) -> None:
        """End the iteration. Legal in any thread, and in the observer's own callbacks."""
        self._disposed = True
        loop = self._task.get_loop()
        # A callback is told by the flag: cancelled there, the source could not be closed in peace.
        if not self._calling and not loop.is_closed():
            loop.call_soon_threadsafe(self._task.cancel)

    async def _forward(self) -> None:
        try:
            items = self._source()
        except Exception as error:  # noqa: BLE001 - as what the iteration itself raises
            self._call(self._observer.on_error, error)
            return
        try:
            while not self._disposed and await self._forward_next(items):
                pass
        except asyncio.CancelledError:
            if not self._disposed:
                self._observer.on_error(ClosedError("the application is stopping"))
            raise
        finally:
            close = getattr(items, "aclose", None)
            if close is not None:
                await close()

    async def _forward_next(self, items: AsyncIterator[Any]) -> bool:
        try:
            value = await anext(items, _END)
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to the subscriber
            self._call(self._observer.on_error, error)
            return False
        if value is _END:
            self._call(self._observer.on_completed)
            return False
        self._call(self._observer.on_next, value)
        return True

    def _call(self, callback: Callable[..., None], *arguments: Any) -> None:
        # What a callback raises is nobody's answer: the owner of the task reports it.
        self._calling = True
        try:
            callback(*arguments)
        finally:
            self._calling = False


_END: Final = object()
