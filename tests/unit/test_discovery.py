"""Discovery: transports by entry point."""

from importlib.metadata import EntryPoint

import pytest

from wireloom import ConfigurationError, MissingDriverError, UnknownTransportError, discovery
from wireloom.discovery import installed_transports, load_transport
from wireloom_memory.transport import MemoryTransport


def plant(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    entry = EntryPoint(name, value, discovery.GROUP)
    monkeypatch.setattr(discovery, "installed_transports", lambda: {name: entry})


def test_transport_is_found_by_the_name_of_its_entry_point() -> None:
    assert load_transport("memory") is MemoryTransport
    assert {"memory", "tcp"} <= installed_transports().keys()


def test_unknown_transport_lists_what_is_installed() -> None:
    with pytest.raises(UnknownTransportError, match=r"'zmq'; installed: .*memory"):
        load_transport("zmq")


def test_missing_driver_names_the_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, "ghostmq", "ghost_driver_package:Transport [ghosts]")
    with pytest.raises(MissingDriverError, match=r"pip install \"wireloom\[ghosts\]\"") as caught:
        load_transport("ghostmq")
    assert "ghost_driver_package" in str(caught.value)


def test_entry_point_to_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, "oddmq", "json:loads")
    with pytest.raises(ConfigurationError, match="not a Transport"):
        load_transport("oddmq")
