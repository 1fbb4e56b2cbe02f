"""What an application is made of, before anything of it runs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wireloom.application.bootstrap import Load, TransportValue
from wireloom.discovery import load_transport
from wireloom.middleware import Layers
from wireloom.spi import Clock, SystemClock

__all__ = ["Blueprint"]


@dataclass(frozen=True, kw_only=True)
class Blueprint:
    """Everything `Application(...)` was given. Tests make another application of a changed one."""

    name: str
    controllers: Sequence[type] = ()
    handlers: Sequence[Callable[..., Any]] = ()
    providers: Sequence[Any] = ()
    transports: Mapping[str, TransportValue] = field(default_factory=dict)
    clients: Mapping[str, TransportValue] = field(default_factory=dict)
    emits: Sequence[Any] | Mapping[str, Sequence[Any]] = ()
    layers: Layers = field(default_factory=Layers)
    require_guard: bool = False
    grace: float = 30.0
    clock: Clock = field(default_factory=SystemClock)
    overrides: Mapping[Any, object] = field(default_factory=dict)
    load: Load = load_transport
