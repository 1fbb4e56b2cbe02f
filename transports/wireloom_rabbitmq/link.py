"""One connection to RabbitMQ, opened by us or given by the user."""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, ClassVar, Final, cast

import aio_pika
from aio_pika.abc import AbstractConnection, ConnectionParameter
from aiormq.abc import AbstractChannel
from aiormq.abc import AbstractConnection as DriverConnection
from yarl import URL

from wireloom.errors import ConnectionFailedError, ConnectionLostError, TransportError
from wireloom_rabbitmq.errors import DRIVER_ERRORS, bounded, connect_error
from wireloom_rabbitmq.lane import Lane, Take
from wireloom_rabbitmq.options import RabbitMqOptions
from wireloom_rabbitmq.tap import SocketWire, Wire

__all__ = ["Link", "open_link"]

_log = logging.getLogger(__name__)

_CLOSE_TIMEOUT: Final = 2.0
"""Seconds for a polite end."""


class _Connection(aio_pika.Connection):
    """The driver's connection, which also takes the way bytes travel."""

    PARAMETERS: ClassVar[tuple[ConnectionParameter, ...]] = (  # type: ignore[misc]
        *aio_pika.Connection.PARAMETERS,
        ConnectionParameter(name="transport_factory", parser=lambda given: given, is_kwarg=True),
    )


class Link:
    """A live connection: it opens channels, and tells once when it is lost."""

    def __init__(
        self, native: AbstractConnection, driver: DriverConnection, wire: Wire, timeout: float
    ) -> None:
        self.native = native
        self.wire = wire
        self.lost: asyncio.Future[TransportError] = asyncio.get_running_loop().create_future()
        self._driver = driver
        self._timeout = timeout
        self.control: AbstractChannel | None = None
        """The channel for round trips, once there was one."""
        driver.closing.add_done_callback(self._on_closed)

    async def lane(self, *, confirms: bool = False, on_return: Take | None = None) -> Lane:
        """Open a channel for messages.

        :raises TransportError: if that failed.
        """
        channel = await self._open_channel(confirms=confirms)
        lane = Lane(channel, self.wire, on_return=on_return)
        channel.closing.add_done_callback(partial(_on_channel_closed, lane))
        return lane

    @contextlib.asynccontextmanager
    async def throw_away(self) -> AsyncIterator[AbstractChannel]:
        """Open a channel that an error of the broker's may close, and nothing else with it."""
        channel = await self._open_channel(confirms=False)
        try:
            yield channel
        finally:
            await close_channel(channel)

    async def probe(self) -> None:
        """Make a round trip.

        :raises TransportError: if there was none in time.
        """
        if self.control is None or self.control.is_closed:
            self.control = await self._open_channel(confirms=False)
        async with bounded("probe", self._timeout):
            await self.control.basic_qos(prefetch_count=0, timeout=self._timeout)

    def fail(self, error: TransportError) -> None:
        """Treat the connection as lost; whoever owns the session closes it."""
        if not self.lost.done():
            self.lost.set_result(error)

    async def close(self) -> None:
        """Disconnect, by force if the peer does not answer."""
        if not self.lost.done():
            self.lost.cancel()
        try:
            async with bounded("close", _CLOSE_TIMEOUT):
                await self.native.close()
        except TransportError:
            _log.debug("the connection to RabbitMQ was ended without a word")
        finally:
            await self.wire.end()

    async def _open_channel(self, *, confirms: bool) -> AbstractChannel:
        async with bounded("channel", self._timeout):
            return await self._driver.channel(publisher_confirms=confirms, timeout=self._timeout)

    def _on_closed(self, closing: "asyncio.Future[Any]") -> None:
        error = None if closing.cancelled() else closing.exception()
        self.fail(ConnectionLostError(f"the connection to RabbitMQ was lost: {error or 'closed'}"))


async def open_link(options: RabbitMqOptions, url: str, name: str) -> Link:
    """Connect once, under a name that the broker's tools show.

    :raises ConnectionFailedError: if that failed; `fatal` if trying again cannot help.
    """
    wire = SocketWire()
    connection = _Connection(
        driver_url(options, url),
        ssl_context=_tls(options),
        client_properties={
            **options.driver.get("client_properties", {}),
            "connection_name": name,
        },
        transport_factory=wire,
        **{key: value for key, value in options.driver.items() if key != "client_properties"},
    )
    try:
        async with bounded("connect", options.connect_timeout + 1):
            await _connect(connection, options, wire)
    except BaseException as error:
        await wire.end()
        if isinstance(error, TransportError) and not isinstance(error, ConnectionFailedError):
            raise ConnectionFailedError(f"{options.shown_url}: {error}") from error
        raise
    driver = cast("DriverConnection", connection.transport.connection)  # type: ignore[union-attr]
    return Link(connection, driver, wire, options.call_timeout)


def driver_url(options: RabbitMqOptions, url: str) -> URL:
    """Return the URL as the driver wants it, settings in its query."""
    parsed = URL(url)
    if parsed.scheme == "rabbitmq":
        parsed = parsed.with_scheme("amqp")
    return parsed.with_query(heartbeat=str(options.heartbeat), auth=options.auth)


async def close_channel(channel: AbstractChannel) -> None:
    """Close a channel, whatever state it is in."""
    if channel.is_closed:
        return
    with contextlib.suppress(TransportError):
        async with bounded("close channel", _CLOSE_TIMEOUT):
            await channel.close(None)


async def _connect(connection: _Connection, options: RabbitMqOptions, wire: SocketWire) -> None:
    try:
        await connection.connect(timeout=options.connect_timeout)
    except DRIVER_ERRORS as error:
        raise connect_error(options.shown_url, error, wire.refusal) from error


def _tls(options: RabbitMqOptions) -> ssl.SSLContext | None:
    if options.tls is not None:
        return options.tls
    if not any((options.ca_file, options.cert_file)):
        return None
    context = ssl.create_default_context(cafile=options.ca_file)
    if options.cert_file:
        context.load_cert_chain(options.cert_file, options.key_file)
    return context


def _on_channel_closed(lane: Lane, closing: "asyncio.Future[Any]") -> None:
    error = None if closing.cancelled() else closing.exception()
    text = " ".join(str(part) for part in error.args) if error is not None else ""
    lane.fail(ConnectionLostError(f"the channel was closed: {text or 'by the connection'}"))
