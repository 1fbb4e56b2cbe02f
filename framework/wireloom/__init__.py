"""Decorator-based microservices with pluggable transports."""

from wireloom.application import Application, from_env, provide_microservices
from wireloom.application.names import Transport
from wireloom.client import BlockingClient, ClientProxy, EventStream, Stream
from wireloom.codec import Codec, JsonCodec, register_codec
from wireloom.container import provide
from wireloom.contracts import Event, Rpc
from wireloom.decorators import Controller, EventPattern, MessagePattern
from wireloom.errors import (
    BatchError,
    ClosedError,
    ConfigurationError,
    ConnectionFailedError,
    ConnectionLostError,
    DuplicateHandlerError,
    InvalidHandlerError,
    InvalidPatternError,
    InvalidPayloadError,
    MissingDriverError,
    NoHandlerError,
    OverloadedError,
    PayloadTooLargeError,
    PublishError,
    Reject,
    RequestError,
    RequestTimeoutError,
    RetryLater,
    RpcError,
    TransportError,
    UnknownTransportError,
    UnsupportedOptionError,
    WireloomError,
)
from wireloom.markers import Ctx, Header, Inject
from wireloom.middleware import Call, ExceptionFilter, Guard, Middleware, on_error
from wireloom.pattern import Pattern
from wireloom.settings import Batch, DeadLettering, Dedup, DedupStore, Retry, exponential, fixed
from wireloom.spi import Context, Limits, Receipt, Status

__version__ = "0.1.0"

__all__ = [
    "Application",
    "Batch",
    "BatchError",
    "BlockingClient",
    "Call",
    "ClientProxy",
    "ClosedError",
    "Codec",
    "ConfigurationError",
    "ConnectionFailedError",
    "ConnectionLostError",
    "Context",
    "Controller",
    "Ctx",
    "DeadLettering",
    "Dedup",
    "DedupStore",
    "DuplicateHandlerError",
    "Event",
    "EventPattern",
    "EventStream",
    "ExceptionFilter",
    "Guard",
    "Header",
    "Inject",
    "InvalidHandlerError",
    "InvalidPatternError",
    "InvalidPayloadError",
    "JsonCodec",
    "Limits",
    "MessagePattern",
    "Middleware",
    "MissingDriverError",
    "NoHandlerError",
    "OverloadedError",
    "Pattern",
    "PayloadTooLargeError",
    "PublishError",
    "Receipt",
    "Reject",
    "RequestError",
    "RequestTimeoutError",
    "Retry",
    "RetryLater",
    "Rpc",
    "RpcError",
    "Status",
    "Stream",
    "Transport",
    "TransportError",
    "UnknownTransportError",
    "UnsupportedOptionError",
    "WireloomError",
    "exponential",
    "fixed",
    "from_env",
    "on_error",
    "provide",
    "provide_microservices",
    "register_codec",
]
