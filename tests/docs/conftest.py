"""Count the blocks that ran, and say so at the end of the run."""

from collections.abc import Callable

import pytest

_EXECUTED = pytest.StashKey[dict[str, int]]()


@pytest.fixture
def count_blocks(pytestconfig: pytest.Config) -> Callable[[str, int], None]:
    """Note how many blocks of a page ran."""
    return pytestconfig.stash.setdefault(_EXECUTED, {}).__setitem__


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    executed = config.stash.get(_EXECUTED, {})
    if executed:
        terminalreporter.write_line(
            f"doc snippets executed: {sum(executed.values())} (from {len(executed)} pages)"
        )
