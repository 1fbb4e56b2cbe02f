"""From payloads to bytes and back, by content type."""

import functools
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, from_json, to_json
from typing_extensions import TypeForm

from wireloom.errors import MAX_DETAILS, ConfigurationError, InvalidPayloadError

__all__ = [
    "JSON",
    "Codec",
    "Decode",
    "Encode",
    "JsonCodec",
    "check_codec",
    "codec_for",
    "invalid_payload",
    "register_codec",
]

JSON: Final = "application/json"
_DETAILS_ROOM: Final = 2500
"""Bytes of details: with the first three in words, an answer about them stays below 4 KiB."""
_DEEPEST: Final = 8
"""Steps of a place in the payload that are told; whoever sends it decides how deep it goes."""
_ECHOING: Final = {"union_tag_invalid": "Input tag is none of the expected ones"}
"""What is said in place of pydantic's words where these repeat the input."""
_N: Final = ord("N")
_I: Final = ord("I")
Encode = Callable[[Any], bytes]
"""From a payload to its bytes; raises InvalidPayloadError if it is not what it should be."""
Decode = Callable[[bytes], Any]
"""From bytes to a payload; raises InvalidPayloadError."""


class Codec(Protocol):
    """One way to write payloads. It compiles functions once, which then run for each message."""

    @property
    def content_type(self) -> str:
        """Return the content type that it reads and writes."""

    def encoder(self, type: TypeForm[Any] | None, *, check: bool = False) -> Encode:
        """Return a function from values of this type (None: of any) to bytes. With `check` it
        also refuses values that would not be valid at the other end.
        """

    def decoder(self, type: TypeForm[Any] | None) -> Decode:
        """Return a function from bytes to validated values of this type (None: plain values)."""


@dataclass(frozen=True, slots=True)
class JsonCodec:
    """JSON through pydantic, from bytes in one step."""

    content_type: str = JSON

    def encoder(self, type: TypeForm[Any] | None, *, check: bool = False) -> Encode:
        """Return a function from values to JSON."""
        if type is None or type is Any:
            return _encode_anything
        adapter = _adapter(type)
        return _checked_encoder(adapter, type) if check else _typed_encoder(adapter, type)

    def decoder(self, type: TypeForm[Any] | None) -> Decode:
        """Return a function from JSON to validated values. NaN and Infinity are not JSON."""
        validate = _adapter(Any if type is None else type).validator.validate_json

        def decode(body: bytes) -> Any:
            # Written out here and in `_check_finite`: a call costs as much as the search.
            if (_N in body and b"NaN" in body) or (_I in body and b"Infinity" in body):
                _refuse_non_finite(body, "the payload is not valid JSON")
            try:
                return validate(body)
            except (ValidationError, ValueError, RecursionError) as error:
                raise invalid_payload(error) from None

        return decode


@functools.lru_cache(maxsize=1024)
def _cached_adapter(type_: Any) -> TypeAdapter[Any]:
    return TypeAdapter(type_)


def _adapter(type_: Any) -> TypeAdapter[Any]:
    """Return what reads and writes a type; compiling one takes milliseconds."""
    if isinstance(type_, Hashable):
        try:
            return _cached_adapter(type_)
        except TypeError:  # metadata inside an Annotated may not be hashable
            pass
    return TypeAdapter(type_)


def invalid_payload(error: Exception) -> InvalidPayloadError:
    """Return what may be said of a payload that does not validate: at most 20 details in 4 KiB, and
    none of the input.
    """
    if not isinstance(error, ValidationError):
        return InvalidPayloadError("the payload is not valid JSON")
    rows = error.errors(include_input=False, include_url=False, include_context=False)
    details: list[dict[str, Any]] = []
    room = _DETAILS_ROOM
    for row in rows[:MAX_DETAILS]:
        detail = _detail(row)
        room -= len(to_json(detail))
        if room < 0:
            break
        details.append(detail)
    message = "; ".join(_sentence(detail) for detail in details[:3])
    return InvalidPayloadError(message[:300], details)


def _detail(row: Any) -> dict[str, Any]:
    loc = [_clipped(part, 40) for part in row["loc"][:_DEEPEST]]
    if len(row["loc"]) > _DEEPEST:
        loc.append("…")
    kind = row["type"]
    return {"loc": loc, "type": kind, "msg": _ECHOING.get(kind) or _clipped(row["msg"], 120)}


def register_codec(codec: Codec) -> None:
    """Make a codec known under its content type, for every application of this process."""
    _CODECS[codec.content_type] = codec


def codec_for(content_type: str) -> Codec:
    """Return the codec of a content type; parameters such as `charset` are ignored.

    :raises InvalidPayloadError: if none is registered: nothing is guessed about bytes.
    """
    found = _CODECS.get(content_type)
    if found is None:
        found = _CODECS.get(content_type.partition(";")[0].strip().lower())
    if found is None:
        raise InvalidPayloadError(f"unknown content type {content_type[:80]!r}")
    return found


def check_codec(content_type: str, where: str = "") -> None:
    """Refuse a content type that has no codec, at start.

    :raises ConfigurationError: naming those that have one.
    """
    if content_type not in _CODECS:
        raise ConfigurationError(
            f"no codec for {content_type!r}; there are: {', '.join(sorted(_CODECS))}",
            where=where,
            remedy="register_codec(...) before the application starts",
        )


def _encode_anything(value: Any) -> bytes:
    try:
        body = to_json(value)
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise InvalidPayloadError(f"cannot be written as JSON: {error}") from error
    _check_finite(body)
    return body


def _typed_encoder(adapter: TypeAdapter[Any], type_: Any) -> Encode:
    serialize = adapter.serializer.to_json
    takes_none = _takes_none(adapter)

    def encode(value: Any) -> bytes:
        if value is None and not takes_none:  # pydantic writes it in the place of anything
            raise InvalidPayloadError(f"None is no {type_!r}")
        try:
            # Checking while writing costs six times the writing itself; a value of exactly the
            # stated class was checked when it was made.
            if type(value) is type_:
                return serialize(value, warnings=False, by_alias=True)
            return serialize(value, warnings="error", by_alias=True)
        except (PydanticSerializationError, ValueError, RecursionError) as error:
            raise InvalidPayloadError(f"cannot be written as JSON: {error}") from error

    return encode


def _takes_none(adapter: TypeAdapter[Any]) -> bool:
    try:
        adapter.validator.validate_python(None)
    except Exception:  # noqa: BLE001 - whatever a validator of the user's raises, it is a no
        return False
    return True


def _checked_encoder(adapter: TypeAdapter[Any], type_: Any) -> Encode:
    validate = adapter.validator.validate_python
    encode = _typed_encoder(adapter, type_)
    serialize = adapter.serializer.to_json
    # A model of exactly this class was validated when it was made.
    model = type_ if isinstance(type_, type) and issubclass(type_, BaseModel) else None

    def check(value: Any) -> bytes:
        try:
            if type(value) is model:
                return serialize(value, warnings=False, by_alias=True)
            value = validate(value)
        except ValidationError as error:
            raise invalid_payload(error) from None
        except PydanticSerializationError as error:
            raise InvalidPayloadError(f"cannot be written as JSON: {error}") from error
        return encode(value)

    return check


def _check_finite(body: bytes) -> None:
    # One byte is looked for at memchr's speed; a substring search costs ten times that.
    if (_N in body and b"NaN" in body) or (_I in body and b"Infinity" in body):
        _refuse_non_finite(body, "NaN and Infinity cannot be written as JSON")


def _refuse_non_finite(body: bytes, message: str) -> None:
    try:
        from_json(body, allow_inf_nan=False)
    except (ValueError, RecursionError):
        raise InvalidPayloadError(message) from None


def _clipped(part: str | int, length: int) -> str | int:
    return part[:length] if isinstance(part, str) else part


def _sentence(detail: dict[str, Any]) -> str:
    where = ".".join(map(str, detail["loc"])) or "payload"
    return f"{where}: {detail['msg']}"


_CODECS: dict[str, Codec] = {JSON: JsonCodec()}
