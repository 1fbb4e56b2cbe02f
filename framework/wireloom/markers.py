"""What a handler's parameter may be marked with, in `Annotated[...]`."""

from dataclasses import dataclass

__all__ = ["Ctx", "Header", "Inject"]


@dataclass(frozen=True, slots=True)
class Ctx:
    """The context of the call. A transport's own context type narrows the handler to it."""


@dataclass(frozen=True, slots=True)
class Header:
    """One header's text, converted to the annotated type. Missing: the parameter's default."""

    name: str

    def __post_init__(self) -> None:
        """Header names are lower-case on every wire."""
        if self.name != self.name.lower():
            raise ValueError(f"Header({self.name!r}): header names are lower-case")


@dataclass(frozen=True, slots=True)
class Inject:
    """What the container holds under a token: a client, or a value given by `provide(token=)`."""

    token: str
