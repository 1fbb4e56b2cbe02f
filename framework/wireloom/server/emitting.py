"""What a handler emits by returning it."""

import asyncio
from typing import Any, Final

from wireloom.codec import JSON, codec_for
from wireloom.contracts import Event
from wireloom.errors import PublishError
from wireloom.link import Link
from wireloom.outgoing import (
    check_size,
    concrete_address,
    event_key,
    event_message,
    new_ids,
)
from wireloom.pattern import Pattern

__all__ = ["LinkEmitter"]

TIMEOUT: Final = 10.0
"""Seconds to wait for the broker."""


class LinkEmitter:
    """Publishes by the transport that the handler's own event came by."""

    def __init__(self, link: Link, emits: Any) -> None:
        self._link = link
        self._contract = emits if isinstance(emits, Event) else None
        self._address = ""
        if emits is not None:
            pattern = self._contract.pattern if self._contract else Pattern.of(emits)
            self._address = concrete_address(pattern)
        self._content_type = self._contract.codec if self._contract else JSON
        type_ = self._contract.type if self._contract else None
        self._encode = codec_for(self._content_type).encoder(type_, check=True)
        self._new_id = new_ids()

    async def result(self, result: Any) -> None:
        """Publish what a handler returned."""
        body = self._encode(result)
        check_size(body, self._link.options.max_payload)
        message = event_message(
            self._address,
            body,
            self._new_id(),
            content_type=self._content_type,
            key=event_key(self._contract, result),
        )
        try:
            async with asyncio.timeout(TIMEOUT):
                await self._link.transport.publish(message)
        except TimeoutError:
            raise PublishError(f"{message!r} was not taken in {TIMEOUT:g} s") from None
