"""Options of the NATS transport."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal
from urllib.parse import SplitResult

from wireloom.errors import ConfigurationError
from wireloom.spi import HandlerOptions, TransportOptions, redact_url

__all__ = ["NatsHandlerOptions", "NatsOptions"]

_SCHEMES = ("nats", "tls")
_ABOVE_ZERO = ("connect_timeout", "publish_timeout", "duplicate_window", "ack_wait", "replicas")
_WINDOW = 120.0


@dataclass(frozen=True, repr=False)
class NatsOptions(TransportOptions):
    """A NATS system: `NatsOptions(["nats://127.0.0.1:4222"])`, `nats://a:4222,b:4222`.

    Events need nats-server 2.10 or newer with JetStream; requests and `Event(durable=False)` need
    core NATS only.
    """

    kind: ClassVar[str] = "nats"

    servers: Sequence[str] = field(default=("nats://127.0.0.1:4222",), repr=False)
    """Addresses of the cluster. `tls://` insists on TLS. May hold user and password."""
    queue: str = "wireloom"
    """Queue group of all request handlers, so that of any number of services one runs a request.
    The same on every service that shares the patterns."""
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    auth_token: str | None = field(default=None, repr=False)
    """The server's `authorization { token }`."""
    credentials: Path | None = None
    """A `.creds` file, read at each connect, so that it can be renewed in place."""
    nkey_seed: Path | None = None
    """A file that holds an nkey's seed."""
    tls: ssl.SSLContext | bool | None = None
    """True: TLS as `ssl.create_default_context()` checks it; or a context of your own. None: when
    the server asks for it or an address says `tls://`. Once asked for, never a plain connection."""
    tls_ca: Path | None = None
    """A file with the certificates to trust, in place of the system's."""
    tls_hostname: str | None = None
    """The name in the server's certificate, where it differs from the address."""
    connect_timeout: float = 5.0
    """Seconds that one attempt to connect to all servers may take."""
    publish_timeout: float = 10.0
    """Seconds until a durable event must be acknowledged, repeats included. Far below
    `duplicate_window`, since a repeat carries the same id."""
    declare: bool = True
    """Whether streams and durable consumers may be created and changed. False where an
    administrator does that (`wireloom topology apply`); what is missing then fails the start."""
    storage: Literal["file", "memory"] | None = None
    """Where our streams are kept; "memory" is lost with the server. None: as a stream is, and
    "file" for a new one, so that two applications need not agree on it."""
    replicas: int | None = None
    """Servers of a cluster that keep each of our streams: 1, 3 or 5. None: as a stream is, and 1
    for a new one."""
    duplicate_window: float | None = None
    """Seconds in which a second event with the same address and `uid` is dropped. None: as a
    stream is, and 120 for a new one."""
    ack_wait: float = 30.0
    """Seconds after which what a dead process had taken is delivered again. Handlers may take
    longer: a live process says so every third of it."""
    api_prefix: str = "$JS.API"
    """Subject prefix of JetStream's API; `$JS.<domain>.API` reaches another domain."""
    inbox_prefix: str = ""
    """Subjects of this application's inboxes begin with it. Empty: `<namespace>.inbox`."""
    reply_prefixes: Sequence[str] = ("_INBOX.",)
    """Prefixes of reply subjects that are answered besides Wireloom's own; `_INBOX.` is what other
    clients use. A request that wants its answer elsewhere gets none."""

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        :raises ConfigurationError: naming the option.
        """
        super().__post_init__()
        if self.wire != "native":
            raise self.refuse("wire", f"it speaks 'native' only, not {self.wire!r}")
        if isinstance(self.servers, str) or not self.servers:
            raise ConfigurationError("NatsOptions(servers=...): a sequence of addresses")
        self._check_numbers()
        self._check_addresses()
        self._check_credentials()

    def _check_numbers(self) -> None:
        for name in _ABOVE_ZERO:
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ConfigurationError(f"NatsOptions({name}={value!r}): it must be above 0")
        if self.publish_timeout >= (self.duplicate_window or _WINDOW):
            raise ConfigurationError(
                "NatsOptions(publish_timeout=...): it must be below duplicate_window, or a repeat "
                "could be stored twice"
            )

    def _check_addresses(self) -> None:
        for server in self.servers:
            _check_address(server)
        for prefix in self.reply_prefixes:
            if not prefix or prefix.startswith("$") or not prefix.isprintable():
                raise ConfigurationError(f"NatsOptions(reply_prefixes=...): {prefix!r} is not safe")

    def _check_credentials(self) -> None:
        ways = [
            name
            for name in ("user", "auth_token", "credentials", "nkey_seed")
            if getattr(self, name) is not None
        ]
        if len(ways) > 1:
            raise ConfigurationError(f"NatsOptions: {' and '.join(ways)} exclude each other")
        if (self.user is None) != (self.password is None):
            raise ConfigurationError("NatsOptions: user and password are given together")
        if self.tls_ca is not None and isinstance(self.tls, ssl.SSLContext):
            raise ConfigurationError("NatsOptions: tls_ca is of no use beside a context in tls")

    def __repr__(self) -> str:
        servers = [redact_url(server) for server in self.servers]
        return f"NatsOptions(servers={servers!r}, namespace={self.namespace!r})"

    def broker_id(self) -> str:
        """Return what two tokens on one broker have in common."""
        if self.client is not None:
            return f"nats:{id(self.client)}"
        return "nats:" + ",".join(sorted(server.rpartition("@")[2] for server in self.servers))

    @classmethod
    def url_fields(cls, url: SplitResult) -> dict[str, Any]:
        """Return the servers: hosts, by commas; `nats+tls://` insists on TLS."""
        if url.path.strip("/"):
            raise ConfigurationError(f"NATS URL: no path is known, not {url.path!r}")
        scheme = "tls" if url.scheme in ("tls", "nats+tls") else "nats"
        user, at, hosts = url.netloc.rpartition("@")
        return {"servers": [f"{scheme}://{user}{at}{host}" for host in hosts.split(",")]}


@dataclass(frozen=True, kw_only=True)
class NatsHandlerOptions(HandlerOptions):
    """What NATS alone offers a handler of durable events."""

    kind: ClassVar[str] = "nats"

    ack_wait: float | None = None
    """Seconds, in place of `NatsOptions(ack_wait=...)`."""
    keep_alive: bool = True
    """Whether a live process tells the server that a long handler still runs. False: delivered
    again after `ack_wait`, wherever the first run is."""
    confirm_acks: bool = False
    """Whether an acknowledgement waits until the server has it: a round trip for each event, and
    fewer repeats after a lost connection."""
    max_ack_pending: int = -1
    """Deliveries of all instances that may be unsettled, those waiting for a retry or a delay
    included; none follows beyond. -1: no limit, as back-pressure is the intake's."""
    stream: str | None = None
    """A stream to read from, in place of whichever holds the pattern. It is never created."""

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        :raises ConfigurationError: naming the option.
        """
        if self.ack_wait is not None and self.ack_wait < 1:
            raise ConfigurationError("NatsHandlerOptions(ack_wait=...): at least 1 second")
        if self.max_ack_pending < 1 and self.max_ack_pending != -1:
            raise ConfigurationError("NatsHandlerOptions(max_ack_pending=...): above 0, or -1")


def _check_address(server: str) -> None:
    scheme, found, rest = server.partition("://")
    if not found:
        scheme, rest = "nats", server
    if scheme not in _SCHEMES or not rest.strip("/") or any(char.isspace() for char in server):
        raise ConfigurationError(
            f"NatsOptions(servers=...): {redact_url(server)!r} is no address",
            remedy="write nats://host:port or tls://host:port",
        )
