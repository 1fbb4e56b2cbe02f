"""Wireloom over one SQLite file."""

from wireloom_sqlite.options import SqliteOptions

__all__ = ["SqliteOptions"]
