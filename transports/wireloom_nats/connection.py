"""One connection to a NATS system, kept up until it is closed."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from nats import errors
from nats.aio.client import Client

from wireloom.errors import (
    ClosedError,
    ConnectionFailedError,
    PayloadTooLargeError,
    PublishError,
    TransportError,
)
from wireloom.spi import Environment, FullJitter, Status
from wireloom_nats.client import DirectClient, Sink
from wireloom_nats.driver import connect_arguments, connection_error, requires_tls
from wireloom_nats.frames import header_lines, publish_frame
from wireloom_nats.listener import Listener
from wireloom_nats.options import NatsOptions
from wireloom_nats.tasks import Tasks
from wireloom_nats.translation import translated

__all__ = ["Connection"]

CLOSE_TIMEOUT: Final = 1.0
"""Seconds that the driver may take to write what waits and close."""
WATCH: Final = 0.5
"""Seconds between looks at a client whose callbacks are not ours, or that may be stuck."""
_NO_CONNECTION: Final = (
    errors.Error,
    OSError,
    TimeoutError,
    # what the driver makes of greetings that are no server's
    ValueError,
    TypeError,
    AttributeError,
    KeyError,
    AssertionError,
)
STUCK: Final = 30.0
"""Seconds without an attempt to connect again after which the driver's client is replaced."""


class Connection:
    """Publishes and listens; connects again by itself, listeners included.

    The driver connects again while its client lives. One that gave up (the server ended it, or it
    is stuck) is replaced. `on_change` is called whenever the connection was lost or is back.
    """

    def __init__(
        self, options: NatsOptions, environment: Environment, on_change: Callable[[bool], None]
    ) -> None:
        self._options = options
        self._environment = environment
        self._on_change = on_change
        self._tasks = Tasks()
        self._client: Client | None = None
        self._direct: DirectClient | None = None
        self._listeners: dict[Listener, None] = {}
        self._up = asyncio.Event()
        self._closed = False
        self._jitter = FullJitter(cap=2.0)
        self._attempts = 0
        self._attempted = 0.0
        self._last_error: Exception | None = None
        self._reported = Status.CONNECTING

    @property
    def client(self) -> Client | None:
        """Return the driver's client."""
        return self._client

    @property
    def is_up(self) -> bool:
        """Tell whether the server can be reached, as far as is known."""
        return self._up.is_set()

    @property
    def server_version(self) -> tuple[int, int]:
        """Return the server's version, as far as features go by it; (0, 0) if it is unknown."""
        if self._client is None:
            return (0, 0)
        version = self._client.connected_server_version
        try:
            return (version.major, version.minor)
        except ValueError:
            return (0, 0)

    async def wait_until_up(self) -> None:
        """Wait for the connection. The caller bounds it."""
        await self._up.wait()

    async def connect(self) -> None:
        """Connect once.

        :raises ConnectionFailedError: if that failed.
        """
        if self._options.client is not None:
            self._adopt(self._options.client)
        else:
            await self._open()
        self._tasks.start(self._watch(), "wireloom nats watch")

    async def close(self) -> None:
        """Write what waits and disconnect; a client that was given is left open."""
        self._closed = True
        self._up.clear()
        self._direct = None
        client, self._client = self._client, None
        try:
            await self._tasks.stop()
            if client is self._options.client:
                await asyncio.gather(*(listener.stop() for listener in self._listeners))
        finally:
            if client is not None and client is not self._options.client:
                await _close(client)

    async def listen(self, subject: str, sink: Sink, queue: str = "") -> Listener:
        """Listen, also after a lost connection. Live at the server once `is_up` was seen since.

        :raises TransportError: if there is no client to do it.
        """
        listener = Listener(subject, queue, sink)
        client = self._require()
        self._listeners[listener] = None
        with translated():
            await listener.start(client)
        return listener

    async def ignore(self, listener: Listener) -> None:
        """Stop listening; what the server had sent already still reaches the sink."""
        self._listeners.pop(listener, None)
        await listener.stop()

    async def send(
        self,
        subject: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        reply: str = "",
    ) -> None:
        """Hand a message to the server's socket, or to the driver's buffer while it is away.

        :raises TransportError: if it is too large, or the buffer is full.
        """
        lines = header_lines(headers) if headers else ""
        if self.try_send(subject, reply, lines, body):
            return
        direct = self._direct
        if direct is None:
            await self._send_slowly(subject, body, headers, reply)
            return
        with translated():
            async with asyncio.timeout(self._options.publish_timeout):
                await direct.flush_written()
        direct.send(publish_frame(subject, reply, lines, body)[0])

    def try_send(self, subject: str, reply: str, lines: str, body: bytes) -> bool:
        """Hand a message with these header lines to the socket, unless that means waiting.

        :raises PayloadTooLargeError: if the server would not take it.
        """
        direct = self._direct
        if direct is None or direct.pending_data_size > self._options.pending_bytes:
            return False
        frame, size = publish_frame(subject, reply, lines, body)
        if size > direct.max_payload:
            raise PayloadTooLargeError(size, direct.max_payload)
        direct.send(frame)
        return True

    async def _send_slowly(
        self, subject: str, body: bytes, headers: Mapping[str, str] | None, reply: str
    ) -> None:
        """Send while the connection is away, or by a client that is not ours."""
        client = self._client
        if client is None or client.is_closed:
            raise ClosedError("not connected to NATS")
        lines = header_lines(headers) if headers else ""
        frame, size = publish_frame(subject, reply, lines, body)
        if size > client.max_payload:
            raise PayloadTooLargeError(size, client.max_payload)
        if not client.is_connected:
            self._check_buffer(client, len(frame))
        if isinstance(client, DirectClient):
            client.send(frame)
            return
        with translated():
            await client.publish(subject, body, reply, dict(headers) if headers else None)

    def post(self, subject: str, body: bytes) -> None:
        """Send a few bytes from where nothing can be awaited; what cannot be sent is dropped."""
        client = self._client
        if isinstance(client, DirectClient):
            client.send(publish_frame(subject, "", "", body)[0])
        elif client is not None:
            self._tasks.start(self._post_later(subject, body), "wireloom nats post")

    async def _post_later(self, subject: str, body: bytes) -> None:
        with suppress(TransportError):
            await self.send(subject, body)

    def _check_buffer(self, client: Client, more: int) -> None:
        if client.pending_data_size + more > self._options.pending_bytes:
            raise PublishError(
                f"not connected to NATS, and {self._options.pending_bytes} bytes wait already"
            )

    def _require(self) -> Client:
        if self._client is None or self._closed:
            raise ClosedError("not connected to NATS")
        return self._client

    async def _open(self) -> None:
        """Make one attempt, with a client of its own, and move every listener there."""
        client = DirectClient(require_tls=requires_tls(self._options))
        try:
            async with asyncio.timeout(self._options.connect_timeout):
                await self._connect_client(client)
                for listener in self._listeners:
                    await listener.start(client)
        except _NO_CONNECTION as error:
            await _close(client)
            raise connection_error(self._last_error or error, self._options) from error
        except BaseException:
            await _close(client)
            raise
        if self._closed:
            await _close(client)
            raise ClosedError("closed while connecting to NATS")
        self._client = client
        if client.is_connected:
            self._came_up()

    async def _connect_client(self, client: DirectClient) -> None:
        left = len(self._options.servers)
        self._last_error = None

        async def error_cb(error: Exception) -> None:
            nonlocal left
            self._note(error)
            left -= 1
            if left == 0:  # each address was tried; by itself the driver would go on for ever
                raise connection_error(error, self._options) from error

        await client.connect(
            **connect_arguments(self._options, self._environment.group),
            **self._callbacks(client),
            error_cb=error_cb,
        )
        left = 0

    def _adopt(self, client: Client) -> None:
        if not client.is_connected:
            raise ConnectionFailedError("the NATS client that was given is not connected")
        self._client = client
        self._came_up()

    def _callbacks(self, client: Client) -> dict[str, Any]:
        async def disconnected_cb() -> None:
            if client is self._client:
                self._went_down()

        async def reconnected_cb() -> None:
            if client is self._client:
                self._came_up()

        async def closed_cb() -> None:
            if client is self._client and not self._closed:
                self._went_down()
                self._tasks.start(self._replace(), "wireloom nats reconnect")

        return {
            "disconnected_cb": disconnected_cb,
            "reconnected_cb": reconnected_cb,
            "closed_cb": closed_cb,
            "reconnect_to_server_handler": self._next_server,
        }

    def _next_server(self, servers: list[Any], _info: dict[str, Any]) -> tuple[Any, float]:
        self._attempts += 1
        self._attempted = self._environment.clock.monotonic()
        return servers[self._attempts % len(servers)], self._jitter.next()

    def _note(self, error: Exception) -> None:
        """Remember an error of the driver's; one that time does not heal is reported at once."""
        self._last_error = error
        if not self._up.is_set() and self._client is not None:
            self._report_trouble(connection_error(error, self._options))

    def _report_trouble(self, error: TransportError) -> None:
        fatal = isinstance(error, ConnectionFailedError) and error.fatal
        self._report(Status.FAILED if fatal else Status.RECONNECTING, error)

    def _report(self, status: Status, error: Exception | None) -> None:
        if status is not self._reported and not self._closed:
            self._reported = status
            self._environment.report(status, error)

    def _came_up(self) -> None:
        self._jitter.reset()
        if not self._up.is_set() and not self._closed:
            self._up.set()
            self._direct = self._client if isinstance(self._client, DirectClient) else None
            self._report(Status.CONNECTED, None)
            self._on_change(True)

    def _went_down(self) -> None:
        if self._up.is_set():
            self._up.clear()
            self._direct = None
            self._attempted = self._environment.clock.monotonic()
            self._report_trouble(
                connection_error(self._last_error or ConnectionError("lost"), self._options)
            )
            self._on_change(False)

    async def _replace(self) -> None:
        """Connect anew with another client, for as long as it takes."""
        old, self._client = self._client, None
        if old is not None:
            await _close(old)
        while self._client is None:
            await self._environment.clock.sleep(self._jitter.next())
            try:
                await self._open()
            except TransportError as error:
                self._report_trouble(error)

    async def _watch(self) -> None:
        """See to what callbacks do not tell: a client that is not ours, or is stuck."""
        while True:
            await self._environment.clock.sleep(WATCH)
            client = self._client
            if client is None:
                continue
            if client is self._options.client:
                (self._came_up if client.is_connected else self._went_down)()
            elif not self._up.is_set() and not client.is_connected:
                await self._replace_if_stuck(client)

    async def _replace_if_stuck(self, client: Client) -> None:
        idle = self._environment.clock.monotonic() - self._attempted
        if client is self._client and not client.is_closed and idle > STUCK:
            await self._replace()


async def _close(client: Client) -> None:
    """Close a client, whatever state it is in; what it has not written within the bound is lost."""
    try:
        if isinstance(client, DirectClient):
            client.write_out()
        with suppress(errors.Error, OSError, TimeoutError, ConnectionFailedError):
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await client.close()
    finally:
        if isinstance(client, DirectClient):
            client.abort()
