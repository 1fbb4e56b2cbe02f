"""What commands print: JSON for programs, tables for people."""

import sys
from collections.abc import Sequence

import typer
from pydantic_core import to_json

__all__ = ["print_json", "table"]


def print_json(value: object) -> None:
    """Print a value as JSON: on one line for programs, indented for a terminal."""
    typer.echo(to_json(value, indent=2 if sys.stdout.isatty() else None))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows of text in aligned columns under a head."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *rows)
    )
    return "\n".join(lines)
