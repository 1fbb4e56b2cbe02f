"""Opens connections with the driver: its TLS, credentials, Sentinel and cluster discovery."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from inspect import signature
from typing import Any, cast
from urllib.parse import SplitResult, unquote, urlsplit

from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from wireloom.errors import ConfigurationError
from wireloom.spi import redact_url
from wireloom_redis.failures import connecting
from wireloom_redis.link import Link
from wireloom_redis.options import RedisOptions

__all__ = ["Connector", "connector"]

CONNECT_TIMEOUT = 10.0
"""Seconds for a connection, its TLS and its log-in, Sentinel's answer included."""
_CLOSE_TIMEOUT = 2.0
_IN_URL = ("host", "port", "path", "username", "password")


class Connector(ABC):
    """Knows one way to the server that holds this namespace."""

    def __init__(self, native: Any, where: str, *, owned: bool = True) -> None:
        self.native = native
        """The driver's own client."""
        self._where = where
        self._owned = owned

    @abstractmethod
    async def _connection(self) -> AbstractConnection:
        """Return a new connection, not connected yet."""

    async def open(
        self,
        push: Callable[[list[Any]], None],
        lost: Callable[[Exception | None], None],
    ) -> Link:
        """Connect, log in, and take the socket over from the driver.

        :raises ConnectionFailedError: `fatal` where trying again cannot help.
        """
        with connecting(self._where):
            async with asyncio.timeout(CONNECT_TIMEOUT):
                connection = await self._connection()
                await _connect(connection)
        link = Link(push, lost)
        link.attach(_take_over(connection))
        if int(connection.protocol) != 3:
            await link.call("HELLO", 3)
        return link

    async def close(self) -> None:
        """Close the driver's client, unless it was given to us."""
        if self._owned:
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await self.native.aclose()


class _PoolConnector(Connector):
    """A server, or the master that Sentinel names: the client's pool makes the connection."""

    async def _connection(self) -> AbstractConnection:
        return cast("AbstractConnection", self.native.connection_pool.make_connection())


class _SentinelConnector(_PoolConnector):
    def __init__(self, sentinel: Sentinel, native: Redis, where: str) -> None:
        super().__init__(native, where)
        self._sentinel = sentinel

    async def close(self) -> None:
        await super().close()
        async with asyncio.timeout(_CLOSE_TIMEOUT):
            await self._sentinel.aclose()


class _ClusterConnector(Connector):
    """A cluster: the master that owns the namespace's slot."""

    def __init__(self, native: RedisCluster, where: str, tag: str, *, owned: bool = True) -> None:
        super().__init__(native, where, owned=owned)
        self._tag = tag

    async def _connection(self) -> AbstractConnection:
        try:
            await self.native.initialize()
            await self.native.nodes_manager.initialize()  # the slot may have moved since
        except BaseException:
            await self.close()  # it keeps what it opened; a later try opens it again
            raise
        node = self.native.get_node_from_key(self._tag)
        return cast("AbstractConnection", node.connection_class(**node.connection_kwargs))


def connector(options: RedisOptions, tag: str) -> Connector:
    """Return the way to the server that these options mean. Needs no network.

    :raises ConfigurationError: for a driver setting that does not exist, or a foreign client.
    """
    where = redact_url(options.url)
    if (client := options.client) is not None:
        if isinstance(client, RedisCluster):
            return _ClusterConnector(client, "the given client's cluster", tag, owned=False)
        if isinstance(client, Redis):
            return _PoolConnector(client, "the given client's server", owned=False)
        raise ConfigurationError(
            f"RedisOptions(client={type(client).__name__}): not a client of redis.asyncio"
        )
    parts = urlsplit(options.url)
    settings = _settings(options, parts)
    if parts.scheme.endswith("+cluster"):
        nodes = [ClusterNode(host, port) for host, port in _hosts(parts, 6379)]
        settings["ssl"] = parts.scheme.startswith("rediss")
        return _ClusterConnector(RedisCluster(startup_nodes=nodes, **settings), where, tag)
    if parts.scheme.endswith("+sentinel"):
        return _sentinel(parts, settings, where)
    return _PoolConnector(Redis.from_url(_address(parts), **settings), where)


def _sentinel(parts: SplitResult, settings: dict[str, Any], where: str) -> Connector:
    service, _, db = parts.path.strip("/").partition("/")
    settings["ssl"] = parts.scheme.startswith("rediss")
    shared = {name: value for name, value in settings.items() if name.startswith("ssl")}
    to_sentinels = {**shared, **settings.pop("sentinel_kwargs", {})}
    sentinel: Sentinel = Sentinel(  # type: ignore[no-untyped-call]
        _hosts(parts, 26379), sentinel_kwargs=to_sentinels
    )
    return _SentinelConnector(
        sentinel, sentinel.master_for(unquote(service), db=int(db or 0), **settings), where
    )


def _settings(options: RedisOptions, parts: SplitResult) -> dict[str, Any]:
    _check_names(options, parts)
    settings: dict[str, Any] = {"retry": Retry(NoBackoff(), 0), **options.driver}
    given = {
        "username": options.username or _unquoted(parts.username),
        "password": options.password or _unquoted(parts.password),
        "ssl_ca_certs": options.ca_file,
        "ssl_certfile": options.cert_file,
        "ssl_keyfile": options.key_file,
    }
    return settings | {name: value for name, value in given.items() if value is not None}


def _check_names(options: RedisOptions, parts: SplitResult) -> None:
    known = set(_arguments(Connection)) | {"maint_notifications_config"}
    if parts.scheme.startswith("rediss"):
        known |= _arguments(SSLConnection)
    if parts.scheme == "unix":
        known |= _arguments(UnixDomainSocketConnection)
    if parts.scheme.endswith("+sentinel"):
        known.add("sentinel_kwargs")
    for name in options.driver:
        if name in _IN_URL:
            raise options.refuse(f"driver[{name!r}]", "it stands in the URL")
        if name not in known:
            raise options.refuse(f"driver[{name!r}]", "the driver's connections know no such name")


def _arguments(connection: type[AbstractConnection]) -> set[str]:
    named: set[str] = set()
    for base in connection.__mro__:
        if (made := vars(base).get("__init__")) is not None and base is not object:
            named |= signature(made).parameters.keys()
    return named - {"self", "kwargs"}


def _address(parts: SplitResult) -> str:
    """Return the URL without its credentials, which are settings by now."""
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _hosts(parts: SplitResult, port: int) -> list[tuple[str, int]]:
    found = []
    for host in parts.netloc.rpartition("@")[2].split(","):
        one = urlsplit(f"//{host}")
        found.append((one.hostname or "127.0.0.1", one.port or port))
    return found


def _unquoted(text: str | None) -> str | None:
    return None if text is None else unquote(text)


async def _connect(connection: AbstractConnection) -> None:
    try:
        await connection.connect()  # type: ignore[no-untyped-call]
    except BaseException:
        await connection.disconnect(nowait=True)
        raise


def _take_over(connection: AbstractConnection) -> asyncio.StreamWriter:
    """Detach a connection's socket, so that the driver neither reads nor closes it."""
    writer = connection._writer
    connection._writer = connection._reader = None
    if writer is None:
        raise ConnectionError("the driver gave up its connection")
    return writer
