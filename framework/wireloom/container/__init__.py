"""What the application's objects are built from: classes, factories, values; by type or token."""

from wireloom.container.dishka_adapter import Container
from wireloom.container.providers import Provided, provide

__all__ = ["Container", "Provided", "provide"]
