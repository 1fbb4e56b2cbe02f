"""Settings of Redis, as the bootstrap and a handler's `native=` hold them."""

from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import SplitResult, urlsplit

from wireloom.errors import ConfigurationError
from wireloom.spi import HandlerOptions, TransportOptions, redact_url

__all__ = ["SCHEMES", "RedisHandlerOptions", "RedisOptions"]

SCHEMES = (
    "redis",
    "rediss",
    "redis+sentinel",
    "rediss+sentinel",
    "redis+cluster",
    "rediss+cluster",
    "unix",
)
OURS = frozenset(
    {"decode_responses", "encoding", "protocol", "retry", "retry_on_error", "retry_on_timeout"}
)
"""Driver settings that this transport must decide: it reads bytes by RESP3, and a driver that
sends a write again by itself stores it twice."""


@dataclass(frozen=True, kw_only=True, repr=False)
class RedisOptions(TransportOptions):
    """Where Redis is, and what is expected of it."""

    kind: ClassVar[str] = "redis"

    url: str = field(default="redis://127.0.0.1:6379", kw_only=False)
    """`redis://[user:password@]host:port/db`, `rediss://` for TLS, `unix:///path`;
    `redis+sentinel://host:port,host:port/service/db`; `redis+cluster://host:port,host:port`, where
    everything of one namespace lives in one slot. Both take `rediss+` too."""
    username: str | None = None
    """The ACL user; before one in the URL."""
    password: str | None = None
    """Before one in the URL. Never shown."""
    ca_file: str | None = None
    """PEM file of the authorities that may sign the server's certificate. None: the system's."""
    cert_file: str | None = None
    """PEM file of the certificate shown to the server."""
    key_file: str | None = None
    """PEM file of that certificate's key."""
    declare: bool = True
    """Whether streams and groups may be created. False: a missing one is an error."""
    require_durable: bool = False
    """Refuse a server that keeps no append-only file, or may evict keys. False: warn."""
    dedup_window: float = 120.0
    """Seconds for which a second event with the same address and id is dropped. 0: never. Costs
    about 150 bytes of the server's memory an event for that long."""
    heartbeat: float = 5.0
    """Seconds between rounds of PING and of telling others that this instance lives. A connection
    that leaves a PING unanswered for half as long is given up."""
    block: float = 5.0
    """Seconds for which the reader of new events waits at the server at most."""
    sweep: float = 30.0
    """Seconds between rounds that trim streams to their limits."""

    def __post_init__(self) -> None:
        """Check what can be checked without a connection.

        :raises ConfigurationError: if a value cannot work.
        :raises UnsupportedOptionError: for a wire that Redis does not speak.
        """
        super().__post_init__()
        for name in ("heartbeat", "block", "sweep"):
            if getattr(self, name) <= 0:
                raise ConfigurationError(
                    f"RedisOptions({name}={getattr(self, name)!r}): it must be above 0"
                )
        if self.dedup_window < 0:
            raise ConfigurationError("RedisOptions(dedup_window=...): it must be 0 or more")
        if self.wire != "native":
            raise self.refuse("wire", f"it speaks 'native', not {self.wire!r}")
        if bool(self.cert_file) != bool(self.key_file):
            raise ConfigurationError("RedisOptions: cert_file and key_file go together")
        self._check_url(urlsplit(self.url))
        self._check_driver()

    def _check_url(self, parts: SplitResult) -> None:
        if parts.scheme not in SCHEMES:
            raise ConfigurationError(
                f"RedisOptions(url={redact_url(self.url)!r}): unknown scheme {parts.scheme!r}",
                remedy=f"one of {', '.join(SCHEMES)}",
            )
        if parts.query:
            raise ConfigurationError(
                f"RedisOptions(url={redact_url(self.url)!r}): the query is not read here",
                remedy="give its settings as fields, or use RedisOptions.from_url(url)",
            )
        if parts.scheme.endswith("+sentinel") and not parts.path.strip("/"):
            raise ConfigurationError(
                f"RedisOptions(url={redact_url(self.url)!r}): Sentinel needs a service name",
                remedy="redis+sentinel://host:26379/mymaster",
            )
        plain = parts.scheme not in ("rediss", "rediss+sentinel", "rediss+cluster")
        if plain and (self.ca_file or self.cert_file):
            raise ConfigurationError(
                f"RedisOptions(url={redact_url(self.url)!r}): certificates without TLS",
                remedy="use a rediss:// URL",
            )

    def _check_driver(self) -> None:
        for name in sorted(OURS & self.driver.keys()):
            raise self.refuse(f"driver[{name!r}]", "this transport sets it itself")
        if self.client is not None and self.driver:
            raise self.refuse("driver", "the client that is given has its own settings")

    def __repr__(self) -> str:
        return f"RedisOptions(url={redact_url(self.url)!r}, namespace={self.namespace!r})"

    @classmethod
    def url_fields(cls, url: SplitResult) -> dict[str, Any]:
        """Return the URL without its query, which names the other fields."""
        return {"url": url._replace(query="", fragment="").geturl()}


@dataclass(frozen=True, kw_only=True)
class RedisHandlerOptions(HandlerOptions):
    """What Redis alone offers a handler of events."""

    kind: ClassVar[str] = "redis"

    ack_wait: float = 15.0
    """Seconds after which what a silent worker holds is taken over by another. A live one shows
    every third of it that it still works on what it holds."""
    keep_alive: bool = True
    """Whether deliveries in work are kept from others for as long as the process lives. False: a
    run longer than `ack_wait` is delivered again."""
    dead_letters: int | None = None
    """How many dead letters are kept, the newest; approximately. None: all."""

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        :raises ConfigurationError: if a value is not above 0.
        """
        if self.ack_wait <= 0:
            raise ConfigurationError("RedisHandlerOptions(ack_wait=...): it must be above 0")
        if self.dead_letters is not None and self.dead_letters <= 0:
            raise ConfigurationError("RedisHandlerOptions(dead_letters=...): it must be above 0")
