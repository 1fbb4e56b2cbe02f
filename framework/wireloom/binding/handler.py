"""A handler with everything resolved: what the server calls for each delivery."""

import inspect
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Mapping,
    Sequence,
)
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

from pydantic.errors import PydanticUserError

from wireloom.binding.arguments import (
    Read,
    context_reader,
    header_reader,
    payload_reader,
    token_reader,
)
from wireloom.binding.invocation import Invoke, OpenScope, compile_invocation
from wireloom.binding.parameters import Parameter, Source
from wireloom.codec import JSON, Encode, codec_for
from wireloom.contracts import Event, Rpc
from wireloom.errors import InvalidHandlerError, InvalidPayloadError
from wireloom.pattern import Pattern

__all__ = ["BoundHandler", "bind"]

RunInThread = Callable[..., Awaitable[Any]]
_STREAMS = (AsyncIterator, AsyncIterable, AsyncGenerator)


@dataclass(frozen=True, slots=True)
class BoundHandler:
    """Compiled at start; holds no state of a call."""

    invoke: Invoke
    """From a context to the handler's result; for a stream, to an async iterator."""
    encode: Encode
    """From a result, or one item of a stream, to bytes."""
    read_item: Read
    """From a context to the payload: batches decode each item apart."""
    invoke_batch: Callable[[list[Any]], Awaitable[Any]] | None
    """For batch handlers, from payloads to the handler's result."""


def bind(
    function: Callable[..., Any],
    *,
    parameters: Sequence[Parameter],
    returns: Any,
    pattern: Pattern,
    contract: Event[Any] | Rpc[Any, Any] | None,
    batch: bool,
    constants: Mapping[str, Any],
    scope: OpenScope | None,
    run_in_thread: RunInThread,
    where: str,
) -> BoundHandler:
    """Compile a handler.

    :param function: the bound method or plain function.
    :param constants: arguments that are the same for each call, by parameter name.
    :param scope: gives the arguments that are made for each call; None if there are none.
    :raises InvalidHandlerError: if an annotation disagrees with the contract, or no codec can
        read or write it.
    """
    content_type = contract.codec if isinstance(contract, Event) else JSON
    payload = _payload(parameters, contract, batch, where)
    try:
        read_item = payload_reader(payload, content_type) if payload else _no_payload
        readers = [
            (parameter.name, _reader(parameter, pattern, read_item))
            for parameter in parameters
            if parameter.source is not Source.CONTAINER
        ]
        encode = codec_for(JSON).encoder(_response(returns, contract, where))
    except (PydanticUserError, InvalidPayloadError) as error:
        raise InvalidHandlerError(f"its types cannot be compiled: {error}", where=where) from error
    call = function if _is_async(function) else _threaded(function, run_in_thread)
    if batch:
        return BoundHandler(
            _no_invoke, encode, read_item, _batched(call, payload, parameters, constants, where)
        )
    streams = inspect.isasyncgenfunction(function)
    invoke = compile_invocation(
        call, readers, constants, scope, streams=streams, positional=_is_positional(function)
    )
    return BoundHandler(invoke, encode, read_item, None)


def _reader(parameter: Parameter, pattern: Pattern, read_payload: Read) -> Read:
    match parameter.source:
        case Source.CONTEXT:
            return context_reader(parameter)
        case Source.HEADER:
            return header_reader(parameter)
        case Source.TOKEN:
            return token_reader(parameter, pattern.parameters[parameter.name])
        case _:
            return read_payload


def _payload(
    parameters: Sequence[Parameter],
    contract: Event[Any] | Rpc[Any, Any] | None,
    batch: bool,
    where: str,
) -> Parameter | None:
    found = next((one for one in parameters if one.source is Source.PAYLOAD), None)
    if found is None:
        if batch:
            raise InvalidHandlerError("a batch handler takes a list of payloads", where=where)
        return None
    annotated = _item_of_list(found.type, where) if batch else found.type
    stated: Any = Any
    if contract is not None:
        stated = contract.type if isinstance(contract, Event) else contract.request
    agreed = _agreed(annotated, stated, f"parameter {found.name!r}", where)
    return Parameter(found.name, Source.PAYLOAD, agreed, found.default)


def _response(returns: Any, contract: Event[Any] | Rpc[Any, Any] | None, where: str) -> Any:
    if get_origin(returns) in _STREAMS:
        returns = get_args(returns)[0]
    elif returns in _STREAMS:
        returns = Any
    if not isinstance(contract, Rpc):
        return Any if returns is None else returns
    return _agreed(Any if returns is None else returns, contract.response, "the result", where)


def _agreed(annotated: Any, stated: Any, what: str, where: str) -> Any:
    if stated is Any:
        return annotated
    plain = get_args(annotated)[0] if get_origin(annotated) is Annotated else annotated
    if annotated is Any or stated in (annotated, plain):
        return stated if annotated is Any else annotated
    raise InvalidHandlerError(
        f"{what} is annotated {annotated!r}, and the contract says {stated!r}",
        where=where,
        remedy="let them agree",
    )


def _item_of_list(hint: Any, where: str) -> Any:
    if get_origin(hint) is not list:
        raise InvalidHandlerError(f"a batch handler takes a list, not {hint!r}", where=where)
    return get_args(hint)[0]


def _batched(
    call: Callable[..., Any],
    payload: Parameter | None,
    parameters: Sequence[Parameter],
    constants: Mapping[str, Any],
    where: str,
) -> Callable[[list[Any]], Awaitable[Any]]:
    others = [
        one.name for one in parameters if one.source not in (Source.PAYLOAD, Source.CONTAINER)
    ]
    if others or payload is None or len(constants) + 1 < len(parameters):
        raise InvalidHandlerError(
            "a batch handler takes a list of payloads and objects of the application, nothing "
            f"that belongs to one message: {others}",
            where=where,
        )
    name = payload.name
    return lambda items: call(**{name: items}, **constants)


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def _is_positional(function: Callable[..., Any]) -> bool:
    parameters = inspect.signature(function).parameters.values()
    return all(parameter.kind is not parameter.KEYWORD_ONLY for parameter in parameters)


def _threaded(function: Callable[..., Any], run_in_thread: RunInThread) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        result = await run_in_thread(function, *args, **kwargs)
        # A plain function around an async one, as decorators make them, gives a coroutine.
        return await result if inspect.isawaitable(result) else result

    return call


def _no_payload(_context: object) -> Any:
    return None


async def _no_invoke(_context: object) -> Any:
    raise AssertionError("a batch handler is never invoked for one delivery")
