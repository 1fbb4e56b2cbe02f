"""Publishing events: to a stream, or to whoever listens now."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from wireloom.errors import ConnectionLostError, PayloadTooLargeError, PublishError, TransportError
from wireloom.spi import Limits, Message, Receipt
from wireloom_redis import frame
from wireloom_redis.entry import encode
from wireloom_redis.failures import RefusedError
from wireloom_redis.hub import Hub
from wireloom_redis.names import Names
from wireloom_redis.scripts import PUBLISH

__all__ = ["Events"]


_PATIENCE = 10.0
"""Seconds for which an event waits for a connection that is down."""
_SURE = 3 * _PATIENCE
"""Seconds for which ids must be remembered for a repeat to be safe."""


class Events:
    """Publishes events as they were declared."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._waiting = 0

    async def publish(self, message: Message) -> Receipt:
        """Return when the server has the event.

        :raises PublishError: if it refused it, or too much waits for the connection.
        :raises ConnectionLostError: if it is unknown whether it was stored.
        """
        declared = self._hub.declared.published(message.address)
        _check_size(message, declared.limits)
        if not self._hub.session.is_up:
            await self._wait_up(message)
        try:
            return await (self._store(message) if declared.durable else self._tell(message))
        except RefusedError as error:
            raise PublishError(f"Redis refused {message!r}: {error}") from error
        except ConnectionLostError:
            if not (declared.durable and message.id and self._hub.options.dedup_window >= _SURE):
                raise
            return await self._repeat(message)

    async def publish_many(self, messages: Sequence[Message]) -> list[Receipt | TransportError]:
        """Publish all by one write, and return what became of each."""
        outcomes: Sequence[Any] = await asyncio.gather(
            *(self.publish(message) for message in messages), return_exceptions=True
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, TransportError):
                raise outcome
        return list(outcomes)

    async def _repeat(self, message: Message) -> Receipt:
        """Store an event of which it is unknown whether it was; its id keeps it single."""
        await self._wait_up(message)
        try:
            receipt = await self._store(message)
        except RefusedError as error:
            raise PublishError(f"Redis refused {message!r}: {error}") from error
        return replace(receipt, duplicate=None) if receipt.duplicate else receipt

    async def _store(self, message: Message) -> Receipt:
        stream = self._hub.names.stream(message.address)
        waiting = self._hub.delays.waiting(stream)
        window = int(self._hub.options.dedup_window * 1000) if message.id else 0
        seen = Names.of(stream, f"seen.{message.id}")
        sequence = await PUBLISH.run(
            self._hub.session,
            [stream, seen, waiting],
            *(window, int(message.delay * 1000), int(not self._hub.options.declare)),
            *encode(message),
        )
        if message.delay:
            self._hub.delays.watch(stream)
            self._hub.delays.added()
        return Receipt(
            message.id,
            self._hub.options.kind,
            stream=stream,
            sequence=sequence.decode() or None if sequence else None,
            duplicate=sequence is None,
            acknowledged=True,
        )

    async def _tell(self, message: Message) -> Receipt:
        if message.delay:
            raise PublishError(f"{message!r} is not durable and cannot wait for {message.delay} s")
        channel = self._hub.names.stream(message.address)
        heard = await self._hub.session.call("PUBLISH", channel, frame.encode(message))
        return Receipt(message.id, self._hub.options.kind, stream=channel, routed=heard > 0)

    async def _wait_up(self, message: Message) -> None:
        try:
            with self._held(len(message.body)):
                async with asyncio.timeout(_PATIENCE):
                    await self._hub.session.wait_up()
        except TimeoutError:
            raise ConnectionLostError(
                f"no connection to Redis for {_PATIENCE} s", maybe_executed=False
            ) from None

    @contextlib.contextmanager
    def _held(self, size: int) -> Iterator[None]:
        if self._waiting + size > self._hub.options.pending_bytes:
            raise PublishError(
                f"{self._waiting} bytes wait for the connection to Redis; pending_bytes is"
                f" {self._hub.options.pending_bytes}"
            )
        self._waiting += size
        try:
            yield
        finally:
            self._waiting -= size


def _check_size(message: Message, limits: Limits) -> None:
    if limits.message_size is not None and len(message.body) > limits.message_size:
        raise PayloadTooLargeError(len(message.body), limits.message_size)
