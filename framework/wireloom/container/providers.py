"""`provide`: what the container holds, in plain words."""

import inspect
from dataclasses import dataclass
from typing import Any, Final, Literal

from wireloom.errors import ConfigurationError

__all__ = ["Provided", "provide", "provided"]

_NOTHING: Final = object()
Scope = Literal["app", "request"]


@dataclass(frozen=True, slots=True)
class Provided:
    """One thing that the container holds."""

    source: Any
    """A class or factory that makes it, or the value itself."""
    is_value: bool
    token: str | None
    type: Any
    """What asks for it, where there is no token; None: what the source makes."""
    scope: Scope


def provide(
    source: Any = _NOTHING,
    *,
    value: Any = _NOTHING,
    token: str | None = None,
    type: Any = None,
    scope: Scope = "app",
) -> Provided:
    """Describe one thing that the container holds.

    :param source: a class, a factory (plain, async, or a generator that cleans up after its yield),
        or anything else, which then is the value itself.
    :param value: a value that is a class or function.
    :param token: the name that `Inject(token)` asks for. None: it is asked for by type.
    :param type: the type it is asked for by, where that is not what the source makes.
    :param scope: "app": made once, at start. "request": made for each call that needs it.
    :raises ConfigurationError: if it is both or neither of a source and a value.
    """
    if (source is _NOTHING) == (value is _NOTHING):
        raise ConfigurationError("provide(...) takes a source or value=, one of them")
    if scope not in ("app", "request"):
        raise ConfigurationError(f"provide(scope={scope!r})", remedy='use "app" or "request"')
    if value is not _NOTHING:
        return Provided(value, True, token, type, scope)
    return Provided(source, not _is_factory(source), token, type, scope)


def provided(entry: Any) -> Provided:
    """Return what an entry of `providers=[...]` means: a bare class or factory provides itself."""
    return entry if isinstance(entry, Provided) else provide(entry)


def _is_factory(source: Any) -> bool:
    return inspect.isclass(source) or inspect.isroutine(source)
