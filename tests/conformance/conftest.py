"""The suite's hooks, for the tests below this folder."""

from wireloom.testing.conformance.plugin import (
    pytest_collection_modifyitems,
    pytest_terminal_summary,
)

__all__ = ["pytest_collection_modifyitems", "pytest_terminal_summary"]
