"""The key that orders events."""

from collections.abc import Callable
from typing import Any

from pydantic_core import from_json

from wireloom.spi import Delivery

__all__ = ["key_reader"]


def key_reader(ordered: bool | str) -> Callable[[Delivery], str]:
    """Return what finds a delivery's key: the message's own, or a field of a foreign producer's
    payload. Without any, all deliveries have the same key and are in order.
    """
    if ordered is True:
        return lambda delivery: delivery.message.key or ""
    field = str(ordered)
    return lambda delivery: _field(delivery.message.body, field)


def _field(body: bytes, field: str) -> str:
    try:
        payload: Any = from_json(body)
    except (ValueError, RecursionError):
        return ""  # the handler's own decoding will say what is wrong with it
    return str(payload.get(field, "")) if isinstance(payload, dict) else ""
