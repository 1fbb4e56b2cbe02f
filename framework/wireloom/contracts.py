"""Typed contracts: what two services share about an event or a request."""

from collections.abc import Callable
from typing import Any, Generic

from typing_extensions import TypeForm, TypeVar

from wireloom.pattern import Literal, Pattern
from wireloom.spi import Limits

__all__ = ["Event", "Rpc"]

T = TypeVar("T", default=Any)
Request = TypeVar("Request", default=Any)
Response = TypeVar("Response", default=Any)


class Event(Generic[T]):
    """An event: its pattern, the type of its payload, and how it is kept.

    Stands wherever a pattern does. Both sides read `durable` and `limits` from it.
    """

    def __init__(
        self,
        pattern: Literal | Pattern,
        type: TypeForm[T] = Any,
        *,
        key: str | Callable[[T], object] | None = None,
        limits: Limits | None = None,
        durable: bool = True,
        codec: str = "application/json",
        description: str = "",
        version: str = "1",
    ) -> None:
        """Describe an event.

        :param key: field (or function) of the payload whose value keys the order of events.
        :param limits: how much of it a broker keeps. None: a week.
        :param durable: False: at most once, to whoever listens at that moment.
        :param codec: content type, of a codec that is registered.
        """
        self.pattern = Pattern.of(pattern)
        self.type = _of_values(type)
        self.key = key
        self.limits = limits or Limits()
        self.durable = durable
        self.codec = codec
        self.description = description
        self.version = version

    def at(self, **tokens: object) -> "Event[T]":
        """Return this contract with its pattern's `{name}` tokens filled in, to be emitted.

        :raises InvalidPatternError: if one is missing, unknown, or not a single token.
        """
        return Event(
            self.pattern.at(**tokens),
            self.type,
            key=self.key,
            limits=self.limits,
            durable=self.durable,
            codec=self.codec,
            description=self.description,
            version=self.version,
        )

    def __repr__(self) -> str:
        return f"Event({self.pattern.text!r})"


class Rpc(Generic[Request, Response]):
    """A request: its pattern and the types of its payload and answer (of one item, if streamed)."""

    def __init__(
        self,
        pattern: Literal | Pattern,
        request: TypeForm[Request] = Any,
        response: TypeForm[Response] = Any,
        *,
        timeout: float | None = None,
        idempotent: bool = False,
    ) -> None:
        """Describe a request.

        :param timeout: seconds a caller waits unless it says otherwise. None: the client's 10.
        :param idempotent: running it twice does no harm; it may then be run again after a crash.
        """
        self.pattern = Pattern.of(pattern)
        self.request = _of_values(request)
        self.response = _of_values(response)
        self.timeout = timeout
        self.idempotent = idempotent

    def at(self, **tokens: object) -> "Rpc[Request, Response]":
        """Return this contract with its pattern's `{name}` tokens filled in, to be sent.

        :raises InvalidPatternError: if one is missing, unknown, or not a single token.
        """
        return Rpc(
            self.pattern.at(**tokens),
            self.request,
            self.response,
            timeout=self.timeout,
            idempotent=self.idempotent,
        )

    def __repr__(self) -> str:
        return f"Rpc({self.pattern.text!r})"


def _of_values(form: Any) -> Any:
    """Return a type in the form that annotations have it: `None` is the type of None."""
    return type(None) if form is None else form
