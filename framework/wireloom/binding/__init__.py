"""From a handler's signature to a compiled call."""

from wireloom.binding.handler import BoundHandler, bind
from wireloom.binding.hints import resolve_hints, source_of
from wireloom.binding.invocation import OpenScope
from wireloom.binding.parameters import Parameter, Source, read_parameters

__all__ = [
    "BoundHandler",
    "OpenScope",
    "Parameter",
    "Source",
    "bind",
    "read_parameters",
    "resolve_hints",
    "source_of",
]
