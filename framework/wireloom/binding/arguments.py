"""Readers: compiled at start, each takes one argument out of a context."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from wireloom.binding.parameters import Parameter
from wireloom.codec import JSON, Decode, codec_for, invalid_payload
from wireloom.errors import InvalidPayloadError, UnreadableMessageError
from wireloom.spi import Context

__all__ = ["Read", "context_reader", "header_reader", "payload_reader", "token_reader"]

Read = Callable[[Context], Any]


def context_reader(_parameter: Parameter) -> Read:
    """Return a reader of the context itself."""
    return lambda context: context


def header_reader(parameter: Parameter) -> Read:
    """Return a reader of one header, converted to the annotated type."""
    convert = _text_converter(parameter.type, f"header {parameter.key!r}")

    def read(context: Context) -> Any:
        text = context.headers.get(parameter.key)
        if text is not None:
            return convert(text)
        if parameter.required:
            raise UnreadableMessageError(f"header {parameter.key!r} is missing")
        return parameter.default

    return read


def token_reader(parameter: Parameter, position: int) -> Read:
    """Return a reader of one `{name}` token of the address, converted to the annotated type."""
    convert = _text_converter(parameter.type, f"token {{{parameter.name}}}")
    return lambda context: convert(context.address.split(".")[position])


def payload_reader(parameter: Parameter, content_type: str) -> Read:
    """Return a reader of the payload: decoded and validated from the body in one step.

    An empty body means the parameter's default. A message's own content type decides the codec;
    one without is read as `content_type`.
    """
    by_type = _decoders(parameter.type, content_type)
    default_decode = by_type[content_type]
    default, required = parameter.default, parameter.required

    def read(context: Context) -> Any:
        message = cast("Any", context)._delivery.message
        body: bytes = message.body
        if not body:
            if required:
                raise UnreadableMessageError("the payload is missing")
            return default
        named = message.headers.get("content-type")
        try:
            if named is None or named == content_type:
                return default_decode(body)
            return by_type[named](body)
        except InvalidPayloadError as error:
            raise UnreadableMessageError(str(error), error.details) from None

    return read


class _Decoders(dict[str, Decode]):
    """Decoders of one type, by content type; bounded, since the sender names them."""

    def __init__(self, type_: Any) -> None:
        super().__init__()
        self._type = type_

    def __missing__(self, content_type: str) -> Decode:
        codec = codec_for(content_type)
        # One codec answers to many spellings; compiling it anew for each would be a peer's choice.
        decode = self.get(codec.content_type) or codec.decoder(self._type)
        self[codec.content_type] = decode
        if len(self) < 32:
            self[content_type] = decode
        return decode


def _decoders(type_: Any, content_type: str) -> Mapping[str, Decode]:
    decoders = _Decoders(type_)
    decoders[content_type or JSON]  # compiled now, so that a type no codec knows fails the start
    return decoders


def _text_converter(type_: Any, what: str) -> Callable[[str], Any]:
    if type_ is str or type_ is Any:
        return lambda text: text
    validate = TypeAdapter[Any](type_).validate_python

    def convert(text: str) -> Any:
        try:
            return validate(text)
        except ValidationError as error:
            reason = invalid_payload(error)
            raise UnreadableMessageError(f"{what}: {reason}", reason.details) from None

    return convert
