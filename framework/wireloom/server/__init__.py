"""Running handlers: intake, workers, settlement, drain."""

from wireloom.server.server import Server

__all__ = ["Server"]
