"""What a pattern and a type mean for sending, compiled on first use and kept."""

from dataclasses import dataclass
from typing import Any, Final

from pydantic.errors import PydanticUserError

from wireloom.codec import JSON, Decode, Encode, codec_for
from wireloom.contracts import Event, Rpc
from wireloom.errors import ConfigurationError
from wireloom.outgoing import concrete_address
from wireloom.pattern import Pattern

__all__ = ["EMPTY", "EmitPlan", "Plans", "SendPlan"]


class _Empty:
    def __repr__(self) -> str:
        return "EMPTY"


EMPTY: Final = _Empty()
"""No payload at all: an empty body, which is not the same as None."""


@dataclass(frozen=True, slots=True)
class EmitPlan:
    """How one event is written."""

    address: str
    contract: Event[Any] | None
    content_type: str
    encode: Encode


@dataclass(frozen=True, slots=True)
class SendPlan:
    """How one request is written and its answer read."""

    address: str
    timeout: float | None
    encode: Encode
    decode: Decode


class Plans:
    """Plans by what the caller gave. Bounded: patterns may be made of user input."""

    _LIMIT: Final = 4096

    def __init__(self) -> None:
        self._emits: dict[object, EmitPlan] = {}
        self._sends: dict[object, SendPlan] = {}

    def emit(self, pattern: object) -> EmitPlan:
        """Return the plan of an event.

        :raises InvalidPatternError: if the pattern is none, or no single address.
        """
        try:
            plan = self._emits.get(pattern)
        except TypeError:  # a dict pattern cannot be a key
            return _emit_plan(pattern)
        if plan is None:
            plan = _emit_plan(pattern)
            _keep(self._emits, pattern, plan, self._LIMIT)
        return plan

    def send(self, pattern: object, response_type: object) -> SendPlan:
        """Return the plan of a request.

        :raises InvalidPatternError: if the pattern is none, or no single address.
        """
        try:
            plan = self._sends.get((pattern, response_type))
        except TypeError:  # a dict pattern, or a type with unhashable metadata
            return _send_plan(pattern, response_type)
        if plan is None:
            plan = _send_plan(pattern, response_type)
            _keep(self._sends, (pattern, response_type), plan, self._LIMIT)
        return plan


def _keep(plans: dict[object, Any], key: object, plan: object, limit: int) -> None:
    if len(plans) >= limit:
        plans.clear()
    plans[key] = plan


def _emit_plan(pattern: object) -> EmitPlan:
    if isinstance(pattern, Rpc):
        raise ConfigurationError(f"{pattern!r} is a request", remedy="send(...) it")
    if isinstance(pattern, Event):
        address = concrete_address(pattern.pattern)
        encode = _compiled(pattern.codec, pattern.type, check=True)
        return EmitPlan(address, pattern, pattern.codec, encode)
    address = concrete_address(Pattern.of(pattern))
    return EmitPlan(address, None, JSON, codec_for(JSON).encoder(None))


def _send_plan(pattern: object, response_type: object) -> SendPlan:
    if isinstance(pattern, Event):
        raise ConfigurationError(f"{pattern!r} is an event", remedy="emit(...) it")
    if isinstance(pattern, Rpc):
        response = pattern.response if response_type is None else response_type
        address = concrete_address(pattern.pattern)
        encode = _compiled(JSON, pattern.request, check=True)
        return SendPlan(address, pattern.timeout, encode, _decoder(response))
    address = concrete_address(Pattern.of(pattern))
    return SendPlan(address, None, codec_for(JSON).encoder(None), _decoder(response_type))


def _compiled(content_type: str, type_: Any, *, check: bool) -> Encode:
    try:
        return codec_for(content_type).encoder(type_, check=check)
    except PydanticUserError as error:
        raise ConfigurationError(f"{type_!r} cannot be written: {error}") from error


def _decoder(type_: Any) -> Decode:
    try:
        return codec_for(JSON).decoder(type_)
    except PydanticUserError as error:
        raise ConfigurationError(f"{type_!r} cannot be read: {error}") from error
