"""From `module:app` on the command line to an application."""

import importlib
import os
import sys
from types import ModuleType
from typing import Annotated, Any, TypeAlias

import typer

from wireloom.application import Application
from wireloom.errors import ConfigurationError

__all__ = ["Factory", "Target", "load"]

Target: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="MODULE:APP",
        help="Where the application is: a module, importable from the current directory, and a "
        "name in it, such as users.app:app.",
        show_default=False,
    ),
]
Factory: TypeAlias = Annotated[
    bool, typer.Option("--factory", help="The name is a function that makes the application.")
]


def load(target: str, *, factory: bool = False) -> Application:
    """Import the application, with the current directory on the path.

    :raises ConfigurationError: if it is not there, or is something else; what is wrong with the
        application itself raises what it raises.
    """
    module_name, separator, attribute = target.partition(":")
    if not (module_name and separator and attribute):
        raise ConfigurationError(f"{target!r} names no application", remedy="module:app")
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    found = _attribute(_module(module_name), attribute)
    if factory:
        found = _made(found, target)
    if not isinstance(found, Application):
        called = not factory and callable(found)
        raise ConfigurationError(
            f"{target!r} is {type(found).__name__}, not an Application",
            remedy="--factory calls a function that makes it" if called else "",
        )
    return found


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise ConfigurationError(
            f"there is no module {error.name!r}",
            remedy="modules are looked for in the current directory and among installed packages",
        ) from None


def _attribute(module: ModuleType, path: str) -> Any:
    found: Any = module
    for name in path.split("."):
        if not hasattr(found, name):
            raise ConfigurationError(f"module {module.__name__!r} has no {path!r}")
        found = getattr(found, name)
    return found


def _made(factory: Any, target: str) -> Any:
    if not callable(factory) or isinstance(factory, Application):
        raise ConfigurationError(
            f"{target!r} is {type(factory).__name__}, not a function", remedy="leave out --factory"
        )
    return factory()
