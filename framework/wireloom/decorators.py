"""Decorators that mark handlers. They never register: routing reads the marks at start."""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import FrameType
from typing import Any, Final, TypeVar

from wireloom.contracts import Event, Rpc
from wireloom.errors import ConfigurationError
from wireloom.middleware import ExceptionFilter, Guard, Layers, Middleware
from wireloom.pattern import Literal, Pattern
from wireloom.settings import Batch, DeadLettering, Dedup, Retry
from wireloom.spi import HandlerOptions, StartFrom

__all__ = ["Controller", "EventPattern", "MessagePattern", "controller_of", "marks_of", "scope_of"]

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=type)
_MARKS: Final = "__wireloom_marks__"
_CONTROLLER: Final = "__wireloom_controller__"
_SCOPE: Final = "__wireloom_scope__"
_SEQUENCE: Final = re.compile(r"\d+(-\d+)?")
"""A number, or two of them as Redis counts the entries of a stream."""


@dataclass(frozen=True, kw_only=True)
class _Mark:
    name: str | None = None
    """Durable name in place of `<group>.<Controller>.<method>`; survives renaming the method."""
    on: str | None = None
    """Listen on this token alone."""
    transport: str | None = None
    """Listen on tokens of this kind of transport alone."""
    timeout: float | None = 60.0
    """Seconds a run may take. None: no limit."""
    native: Sequence[HandlerOptions] = ()
    """What one kind of transport alone offers."""
    guards: Sequence[Guard] = ()
    middleware: Sequence[Middleware] = ()
    filters: Sequence[ExceptionFilter] = ()

    @property
    def layers(self) -> Layers:
        """Return what stands around the handler at its own level."""
        return Layers(self.middleware, self.guards, self.filters)

    def __call__(self, handler: F) -> F:
        """Mark the function and return the same function.

        :raises ConfigurationError: if it is not a function, for instance a class.
        """
        if not callable(handler) or isinstance(handler, type) or not hasattr(handler, "__name__"):
            raise ConfigurationError(f"{type(self).__name__} decorates functions, not {handler!r}")
        target = getattr(handler, "__func__", handler)
        marks = [self, *getattr(target, _MARKS, ())]
        setattr(target, _MARKS, marks)
        if not hasattr(target, _SCOPE):
            setattr(target, _SCOPE, _local_names(sys._getframe(1)))
        return handler

    def _check_common(self) -> None:
        if self.timeout is not None and self.timeout <= 0:
            raise ConfigurationError(f"timeout={self.timeout}: seconds above 0, or None")


@dataclass(frozen=True)
class EventPattern(_Mark):
    """Handle events published to a pattern: at least once, settled after the handler returned."""

    pattern: Literal | Pattern | Event[Any]
    group: str | None = field(default=None, kw_only=True)
    """Members of a group share the work. None: the controller's, else the application's name."""
    broadcast: bool = field(default=False, kw_only=True)
    """Every instance gets a copy; nothing is kept for one that is away."""
    concurrency: int = field(default=16, kw_only=True)
    """Runs at once in one process."""
    retry: Retry = field(default=Retry(), kw_only=True)
    start_from: StartFrom = field(default="new", kw_only=True)
    """Where the group begins when it is first created."""
    ordered: bool | str = field(default=False, kw_only=True)
    """One at a time for each key, retries included; a text names a field of the payload."""
    shards: int = field(default=1, kw_only=True)
    """Parts of an ordered subscription that different instances own, one owner each."""
    batch: Batch | None = field(default=None, kw_only=True)
    emits: Literal | Pattern | Event[Any] | None = field(default=None, kw_only=True)
    """What the handler returns is emitted here before the delivery is settled; None is not."""
    hold_emits: bool = field(default=False, kw_only=True)
    """Keep what the handler emits until it succeeded."""
    dedup: Dedup | bool = field(default=True, kw_only=True)
    """Run one id once. True: as the transport does natively, else for 120 s in this process."""
    dead_letter: DeadLettering | bool = field(default=True, kw_only=True)
    ack: str = field(default="after", kw_only=True)
    """"after" the handler (at least once) or "before" it (at most once)."""

    def __post_init__(self) -> None:
        """Refuse combinations that mean nothing.

        :raises ConfigurationError: naming the option.
        """
        self._check_common()
        if self.concurrency < 1 or self.shards < 1:
            raise ConfigurationError("concurrency= and shards= are at least 1")
        if self.ack not in ("after", "before"):
            raise ConfigurationError(f"ack={self.ack!r}", remedy='use "after" or "before"')
        if self.ordered and self.batch:
            raise ConfigurationError("ordered= and batch= exclude each other")
        if self.shards > 1 and not self.ordered:
            raise ConfigurationError(
                "shards= divides an ordered subscription", remedy="ordered=True"
            )
        if self.batch and (self.emits is not None or self.hold_emits):
            raise ConfigurationError("batch= excludes emits= and hold_emits=")
        if self.ack == "before" and self.retry != Retry():
            raise ConfigurationError(
                'ack="before" runs an event at most once, so retry= means nothing',
                remedy="drop one of them",
            )
        _check_start(self.start_from)


@dataclass(frozen=True)
class MessagePattern(_Mark):
    """Answer requests sent to a pattern: at most once, unless idempotent."""

    pattern: Literal | Pattern | Rpc[Any, Any]
    concurrency: int = field(default=256, kw_only=True)
    """Runs at once in one process."""
    idempotent: bool | None = field(default=None, kw_only=True)
    """Running twice does no harm: the request is settled after the reply. None: the contract's."""

    def __post_init__(self) -> None:
        """Refuse values that mean nothing.

        :raises ConfigurationError: naming the option.
        """
        self._check_common()
        if self.concurrency < 1:
            raise ConfigurationError("concurrency= is at least 1")


@dataclass(frozen=True)
class Controller:
    """Mark a class whose methods handle messages. It stays a plain class."""

    group: str | None = field(default=None, kw_only=True)
    guards: Sequence[Guard] = field(default=(), kw_only=True)
    middleware: Sequence[Middleware] = field(default=(), kw_only=True)
    filters: Sequence[ExceptionFilter] = field(default=(), kw_only=True)

    @property
    def layers(self) -> Layers:
        """Return what stands around each of its handlers."""
        return Layers(self.middleware, self.guards, self.filters)

    def __call__(self, cls: C) -> C:
        """Mark the class and return the same class.

        :raises ConfigurationError: if it is used without parentheses or on a function.
        """
        if not isinstance(cls, type):
            raise ConfigurationError(f"@Controller() decorates classes, not {cls!r}")
        setattr(cls, _CONTROLLER, self)
        setattr(cls, _SCOPE, _local_names(sys._getframe(1)))
        return cls


def marks_of(function: object) -> Sequence[EventPattern | MessagePattern]:
    """Return the marks of a function, in the order they are written; none if it is no handler."""
    marks: Sequence[EventPattern | MessagePattern] = getattr(function, _MARKS, ())
    return marks


def controller_of(cls: type) -> Controller | None:
    """Return the class's own mark, or None if it is no controller."""
    found = cls.__dict__.get(_CONTROLLER)
    return found if isinstance(found, Controller) else None


def scope_of(target: object) -> Mapping[str, Any]:
    """Return the local names that were visible where the function or class was decorated."""
    names: Mapping[str, Any] = getattr(target, _SCOPE, {})
    return names


def _check_start(start: StartFrom) -> None:
    if isinstance(start, datetime):
        legal = start.tzinfo is not None
    elif isinstance(start, str):
        legal = start in ("new", "first", "last") or _SEQUENCE.fullmatch(start) is not None
    else:
        legal = isinstance(start, int) and not isinstance(start, bool) and start >= 0
    if not legal:
        raise ConfigurationError(
            f"start_from={start!r}",
            remedy='use "new", "first", "last", a sequence, or an aware datetime',
        )


def _local_names(frame: FrameType | None) -> Mapping[str, Any]:
    """Collect local names around a decorator, the innermost winning.

    Annotations are text under `from __future__ import annotations`; types defined in a function
    can only be found again from where the decorator ran.
    """
    found: dict[str, Any] = {}
    while frame is not None and frame.f_locals is not frame.f_globals:
        found = {**frame.f_locals, **found}
        if frame.f_code.co_flags & 0x02 and "__qualname__" not in frame.f_locals:
            break  # the function around the class body; its callers' names are not visible there
        frame = frame.f_back
    return found
