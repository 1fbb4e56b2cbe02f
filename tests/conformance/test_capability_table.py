"""The table of capabilities: in the code, in the documentation and in the design."""

from pathlib import Path

import pytest

from wireloom.testing.capabilities import ROWS, cell, installed, table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "capabilities.md"

YES, NO = "●", "–"
COMMON, KEPT, REPLAY, WILDCARDS, NO_HANDLER = (label for label, _ in ROWS)
DESIGN = {
    "memory": (YES, NO, YES, YES, YES),
    "tcp": (YES, "redelivers on a lost connection", NO, YES, YES),
    "nats": (YES, YES, YES, YES, YES),
    "redis": (YES, YES, YES, "refused", YES),
    "rabbitmq": (YES, YES, "stream queues only", YES, YES),
    "kafka": (YES, YES, YES, "topic patterns", "topic absent or group empty"),
}
"""What each transport must be able to do, row by row."""


def test_the_page_holds_the_table_that_the_code_gives() -> None:
    assert table() in PAGE.read_text()


def test_all_transports_of_the_design_are_installed() -> None:
    assert {transport.kind for transport in installed()} == set(DESIGN)


@pytest.mark.parametrize("kind", DESIGN)
def test_a_transport_can_do_what_the_design_says(kind: str) -> None:
    (transport,) = [one for one in installed() if one.kind == kind]
    cells = [cell(transport.capabilities, flags) for _, flags in ROWS]
    for shown, designed in zip(cells, DESIGN[kind], strict=True):
        assert shown == designed or shown.startswith(f"{designed};")
