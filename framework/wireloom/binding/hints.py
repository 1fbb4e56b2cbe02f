"""A handler's annotations as objects, also when they are text."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

from wireloom.errors import InvalidHandlerError

__all__ = ["resolve_hints", "source_of"]


def resolve_hints(
    function: Callable[..., Any], local_names: Mapping[str, Any], where: str
) -> dict[str, Any]:
    """Return the annotations by parameter name, `return` included, `Annotated` kept.

    :raises InvalidHandlerError: if an annotation names what cannot be found.
    """
    plain = inspect.unwrap(getattr(function, "__func__", function))
    try:
        return get_type_hints(plain, localns=dict(local_names), include_extras=True)
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        raise InvalidHandlerError(
            f"its annotations cannot be resolved: {error}",
            where=where,
            remedy="import the name in the module, outside `if TYPE_CHECKING`, "
            "and define local classes above the handler",
        ) from error


def source_of(function: Callable[..., Any], owner: type | None = None) -> str:
    """Return "Controller.method (file:line)" for errors and logs."""
    plain = inspect.unwrap(getattr(function, "__func__", function))
    name = f"{owner.__qualname__}.{plain.__name__}" if owner else plain.__qualname__
    code = getattr(plain, "__code__", None)
    return f"{name} ({code.co_filename}:{code.co_firstlineno})" if code else name
