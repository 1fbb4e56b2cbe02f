"""What a package says it exports is what it exports."""

from importlib import import_module
from types import ModuleType

import pytest

PACKAGES = ("wireloom", "wireloom.spi", "wireloom.testing", "wireloom_memory", "wireloom_tcp")


def public(module: ModuleType) -> set[str]:
    """Return the names that look public; submodules are reached by importing them."""
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_all_lists_exactly_what_is_public(package: str) -> None:
    module = import_module(package)
    declared = {name for name in module.__all__ if not name.startswith("_")}
    assert declared == public(module)


@pytest.mark.parametrize("package", PACKAGES)
def test_all_names_nothing_twice(package: str) -> None:
    names = import_module(package).__all__
    assert len(set(names)) == len(names)
