"""Transports are found by entry point; ours use the same door as anybody's."""

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from wireloom.errors import ConfigurationError, MissingDriverError, UnknownTransportError
from wireloom.spi import Transport

__all__ = ["GROUP", "installed_transports", "load_transport"]

GROUP: Final = "wireloom.transports"


def installed_transports() -> dict[str, EntryPoint]:
    """Return the entry points by the name or URL scheme they stand under."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


@cache
def load_transport(name: str) -> type[Transport]:
    """Return the transport of this name or URL scheme; its driver is imported now.

    :raises UnknownTransportError: if none has that name; lists those that are installed.
    :raises MissingDriverError: if its driver is not installed; says which extra installs it.
    :raises ConfigurationError: if the entry point names something else than a transport.
    """
    installed = installed_transports()
    if name not in installed:
        raise UnknownTransportError(name, installed=installed)
    entry = installed[name]
    try:
        found = entry.load()
    except ImportError as error:
        extra = entry.extras[0] if entry.extras else name
        raise MissingDriverError(name, extra, error.name or str(error)) from error
    if not (isinstance(found, type) and issubclass(found, Transport)):
        raise ConfigurationError(f"entry point {name!r} of {GROUP} is {found!r}, not a Transport")
    return found
