"""The command line. Each command is a module of its own."""

from wireloom.cli.main import main

__all__ = ["main"]
