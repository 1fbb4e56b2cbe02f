"""From what stands in `transports=` and `clients=` to options."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from wireloom.errors import ConfigurationError
from wireloom.spi import Transport, TransportOptions

__all__ = ["FromEnv", "Load", "TransportValue", "from_env", "provide_microservices", "resolve"]

Load: TypeAlias = Callable[[str], type[Transport]]
"""From a transport's name or URL scheme to its class."""


@dataclass(frozen=True, slots=True)
class FromEnv:
    """A URL in an environment variable, read when the application is made."""

    variable: str
    default: str | None = None

    def read(self) -> str:
        """Return the URL.

        :raises ConfigurationError: if it is not set and there is no default.
        """
        value = os.environ.get(self.variable) or self.default
        if value is None:
            raise ConfigurationError(
                f"the environment variable {self.variable!r} is not set",
                remedy="set it to a URL such as nats://127.0.0.1:4222, or give a default",
            )
        return value


TransportValue: TypeAlias = TransportOptions | str | FromEnv | Mapping[str, Any]
"""Options, a URL, `from_env(...)`, or a mapping as a configuration file holds it."""


def from_env(variable: str, default: str | None = None) -> FromEnv:
    """Take the URL of a transport from the environment."""
    return FromEnv(variable, default)


def provide_microservices(entries: Iterable[Mapping[str, Any]]) -> dict[str, TransportValue]:
    """Return the mapping that `transports=` or `clients=` takes, from the list form.

    :param entries: each `{"token": ..., "options": {"transport": ..., "options": {...}}}`.
    :raises ConfigurationError: if an entry lacks a part, or a token stands twice.
    """
    found: dict[str, TransportValue] = {}
    for entry in entries:
        token, outer = entry.get("token"), entry.get("options")
        if not isinstance(token, str) or not isinstance(outer, Mapping) or "transport" not in outer:
            raise ConfigurationError(
                f"token {token!r}: an entry with {sorted(entry)} is no microservice",
                remedy='{"token": "main", "options": {"transport": "tcp", "options": {...}}}',
            )
        unknown = {*entry} - {"token", "options"} | {*outer} - {"transport", "options"}
        if unknown:
            raise ConfigurationError(f"token {token!r}: unknown keys {sorted(unknown)}")
        if token in found:
            raise ConfigurationError(f"token {token!r} stands twice")
        found[token] = _inner(token, _name(outer["transport"]), outer.get("options") or {})
    return found


def _inner(token: str, transport: str, options: object) -> TransportValue:
    if isinstance(options, TransportOptions):
        if options.kind != transport:
            raise ConfigurationError(
                f"token {token!r}: {type(options).__name__} under transport {transport!r}"
            )
        return options
    if not isinstance(options, Mapping):
        raise ConfigurationError(f"token {token!r}: options are a mapping or an options object")
    return {**options, "transport": transport}


def _name(transport: object) -> str:
    """Return a transport's name, which may be given as a member of an enumeration."""
    return str(getattr(transport, "value", transport))


def resolve(
    token: str, value: TransportValue, load: Load
) -> tuple[type[Transport], TransportOptions]:
    """Return the transport and options that a value means.

    :raises ConfigurationError: naming the token and what is wrong with its value.
    """
    try:
        return _resolve(value, load)
    except ConfigurationError as error:
        if error.where:
            raise
        error.args = (f"transport of token {token!r}: {error}",)
        raise


def _resolve(value: TransportValue, load: Load) -> tuple[type[Transport], TransportOptions]:
    if isinstance(value, FromEnv):
        value = value.read()
    if isinstance(value, TransportOptions):
        return load(value.kind), value
    if isinstance(value, str):
        scheme, separator, _ = value.partition("://")
        if not separator:
            # It may hold a password all the same, so it is not repeated.
            raise ConfigurationError(
                "its value is a text and no URL", remedy="such as tcp://127.0.0.1:4000"
            )
        transport = load(scheme)
        return transport, transport.options_type.from_url(value)
    if isinstance(value, Mapping):
        return _from_mapping(value, load)
    raise ConfigurationError(
        f"{type(value).__name__} is no transport",
        remedy="give options, a URL, from_env(...), or a mapping with a 'transport' key",
    )


def _from_mapping(value: Mapping[str, Any], load: Load) -> tuple[type[Transport], TransportOptions]:
    rest = dict(value)
    name = rest.pop("transport", None)
    url = rest.pop("url", None) if name is None else None
    if url is not None:
        return _resolve(str(url), load)
    if name is None:
        raise ConfigurationError(
            f"{sorted(value)} has no 'transport'", remedy='{"transport": "tcp"}'
        )
    transport = load(_name(name))
    return transport, transport.options_type.from_mapping(rest)
