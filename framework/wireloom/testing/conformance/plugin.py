"""Hooks of the suite: which cases a transport's capabilities rule out, and its table at the end."""

from typing import Final

import pytest

from wireloom.spi import Transport
from wireloom.testing.capabilities import table
from wireloom.testing.conformance.base import HOOKS, NEEDS, Conformance
from wireloom.testing.conformance.site import Site

__all__ = ["pytest_collection_modifyitems", "pytest_terminal_summary"]

_SHOWN: Final = pytest.StashKey[set[type[Transport]]]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what a transport says it cannot do; other cases test that this is refused."""
    shown: set[type[Transport]] = config.stash.setdefault(_SHOWN, set())
    kept: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        transport = _transport(item)
        if transport is not None:
            shown.add(transport)
        (kept if transport is None or _applies(item, transport) else left_out).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the table of the transports whose cases ran."""
    found: set[type[Transport]] = config.stash.setdefault(_SHOWN, set())
    shown = sorted(found, key=lambda transport: transport.kind)
    if shown:
        terminalreporter.section("capabilities")
        terminalreporter.write_line(table(shown))


def _transport(item: pytest.Item) -> type[Transport] | None:
    cls = getattr(item, "cls", None)
    if isinstance(cls, type) and issubclass(cls, Conformance):
        return getattr(cls, "transport", None)
    return None


def _applies(item: pytest.Item, transport: type[Transport]) -> bool:
    case = getattr(item, "function", None)
    site = getattr(getattr(item, "cls", None), "site_type", None)
    flags: tuple[str, ...] = getattr(case, NEEDS, ())
    hooks: tuple[str, ...] = getattr(case, HOOKS, ()) if site is not None else ()
    return all(getattr(transport.capabilities, flag) for flag in flags) and all(
        getattr(site, hook) is not getattr(Site, hook) for hook in hooks
    )
