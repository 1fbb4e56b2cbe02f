"""Settings of one TCP token."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar
from urllib.parse import SplitResult

from wireloom.errors import ConfigurationError
from wireloom.spi import TransportOptions
from wireloom_tcp.addresses import Address

__all__ = ["TcpOptions"]

_ABOVE_ZERO = (
    "connections", "max_connections", "max_connections_per_ip", "max_handshakes_per_ip", "backlog",
    "max_in_flight", "max_in_flight_total", "max_buffered", "write_buffer", "handshake_timeout",
    "frame_timeout", "frame_rate", "ping_interval", "missed_pings", "user_timeout",
    "write_timeout", "connect_timeout", "reconnect_first", "reconnect_cap", "accept_timeout",
    "control_rate", "max_dead_letters", "drain_timeout",
)  # fmt: skip


@dataclass(frozen=True)
class TcpOptions(TransportOptions):
    """Where to listen and whom to connect to, with every limit and deadline of the protocol.

    A token under `transports=` listens at `listen` and connects to `connect`. One under `clients=`
    never listens: it connects to `connect` or, when that is empty, to `listen`, so that one URL
    serves both ends.
    """

    kind: ClassVar[str] = "tcp"

    listen: str | None = "127.0.0.1:4000"
    """`host:port` to listen at; port 0 is any free one, None none at all. Loopback unless told
    otherwise, so that nothing is open to a network by accident."""
    connect: Sequence[str] | str = ()
    """`host:port` of other nodes, or several in one text with commas. Each is kept connected; none
    blocks the start. A name is resolved again at every attempt."""
    _: KW_ONLY
    connections: int = 1
    """Connections kept to each address. Several may reach several processes that share a port."""
    reuse_port: bool = False
    """Listen with SO_REUSEPORT, so that several processes share the port."""

    token: str | None = field(default=None, repr=False)
    """Secret that both sides must know. It never travels: each side proves that it has it. Off
    loopback it takes TLS. Use 32 random characters or more, since a proof can be guessed at."""
    tls: bool = False
    """Speak TLS 1.2 or newer, both when listening and when connecting; names are verified."""
    tls_certificate: str | None = None
    """Path of this node's certificate chain (PEM). Needed to listen, and for mutual TLS."""
    tls_key: str | None = None
    """Path of its private key (PEM)."""
    tls_key_password: str | None = field(default=None, repr=False)
    """Opens the private key, if it is encrypted."""
    tls_ca: str | None = None
    """Path of the authorities (PEM) that peers must be signed by; None: those of the system."""
    tls_client_certificates: bool = False
    """Refuse whoever connects without a certificate that `tls_ca` signed (mutual TLS)."""
    tls_hostname: str | None = None
    """The name that certificates of `connect` must carry, when it is not the host connected to."""
    allow: Mapping[str, Sequence[str]] | None = None
    """Patterns of requests and events that each principal may send here; others may send nothing.
    A principal is a name in a client certificate, so it takes `tls_client_certificates`."""

    max_connections: int = 1_000
    """Connections accepted at once."""
    max_connections_per_ip: int = 100
    """Connections accepted at once from one address."""
    max_handshakes_per_ip: int = 10
    """Connections of one address that have not yet shown who they are."""
    backlog: int = 128
    """Connections that the system may hold before they are accepted."""
    max_in_flight: int = 1_024
    """Requests and events of one connection that were received and not answered or taken. Peers
    are told and wait; one that sends more is not read from until there is room."""
    max_in_flight_total: int = 10_000
    """The same, over all connections."""
    max_queued: int = 1_000
    """Events of one subscription that are accepted while they wait for its handlers; their bodies
    may take a quarter of `max_buffered`. Later ones wait for room before they are accepted."""
    max_buffered: int = 4 * 1024 * 1024
    """Bytes of bodies of one connection that wait for a handler before reading stops."""
    write_buffer: int = 256 * 1024
    """Bytes waiting to be sent on one connection at which senders wait; they go on at a quarter."""
    control_rate: int = 100
    """Control frames without matching work, each second, after which a peer is sent away."""

    handshake_timeout: float = 5.0
    """Seconds from accepting a connection, TLS included, until the peer has shown who it is."""
    frame_timeout: float = 10.0
    """Seconds that a frame may take to arrive, unless it keeps up `frame_rate`."""
    frame_rate: int = 1_024
    """Bytes a second at which a long frame may take longer."""
    ping_interval: float = 15.0
    """Seconds of silence after which a peer is asked for a sign of life."""
    missed_pings: int = 2
    """Unanswered pings after which a peer is dead."""
    user_timeout: float = 30.0
    """Seconds that sent bytes may stay unacknowledged by the peer's system (TCP_USER_TIMEOUT)."""
    write_timeout: float = 10.0
    """Seconds that a full write buffer may stay full before the peer counts as a slow consumer."""
    connect_timeout: float = 5.0
    """Seconds for one attempt to connect, resolving and greeting included."""
    reconnect_first: float = 0.05
    """Seconds: the first bound of the random wait before connecting again."""
    reconnect_cap: float = 5.0
    """Seconds: its largest bound."""
    route_wait: float = 0.5
    """Seconds that a request without a handler waits while a connection is being restored; 0: fails
    at once. While every address of `connect` is up nothing is ever waited for."""
    accept_timeout: float = 30.0
    """Seconds after which an event that no peer has accepted counts as not published."""
    max_dead_letters: int = 1_000
    """Dead letters kept in memory by this process; beyond that the oldest is dropped and logged."""
    drain_timeout: float = 3.0
    """Seconds that closing may take to hand over what was published and sent."""

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        :raises ConfigurationError: naming the field.
        """
        super().__post_init__()
        self._check_common()
        object.__setattr__(self, "connect", _split(self.connect))
        for name in _ABOVE_ZERO:
            if getattr(self, name) <= 0:
                raise self._error(name, "it must be above 0")
        for name in ("route_wait", "max_queued"):
            if getattr(self, name) < 0:
                raise self._error(name, "it cannot be below 0")
        for name, address in (*self._named("listen"), *self._named("connect")):
            self._check_address(name, address)
        self._check_tls()

    @property
    def listen_address(self) -> Address | None:
        """Return `listen`, parsed."""
        return Address.parse(self.listen) if self.listen else None

    @property
    def connect_addresses(self) -> tuple[Address, ...]:
        """Return `connect`, parsed."""
        return tuple(Address.parse(text) for text in self.connect)

    @classmethod
    def url_fields(cls, url: SplitResult) -> dict[str, Any]:
        """Return the fields that `tcp://host:port` or `tls://:token@host:port` means."""
        place = url.netloc.rpartition("@")[2]
        found: dict[str, Any] = {"listen": place or None}
        if url.scheme == "tls":
            found["tls"] = True
        if url.password:
            found["token"] = url.password
        if url.username or url.path not in ("", "/"):
            raise ConfigurationError(
                "TcpOptions: a URL is tcp://host:port or tls://host:port, with fields in its query"
            )
        return found

    def _check_common(self) -> None:
        if self.wire != "native":
            raise self.refuse("wire", f"it speaks 'native' only, not {self.wire!r}")
        if self.driver:
            raise self.refuse("driver", "there is no driver underneath to pass anything to")
        if self.client is not None:
            raise self.refuse("client", "there is no native client")

    def _named(self, name: str) -> list[tuple[str, str]]:
        value = getattr(self, name) or ()
        return [(name, text) for text in ((value,) if isinstance(value, str) else value)]

    def _check_address(self, name: str, text: str) -> None:
        try:
            address = Address.parse(text)
        except ValueError as error:
            raise self._error(name, str(error)) from None
        if name == "connect" and not address.port:
            raise self._error(name, "port 0 cannot be connected to")
        if self.token and not self.tls and not address.is_loopback:
            raise self._error(name, f"a token for {address} takes tls=True: off loopback, a plain "
                              "connection can be taken over after the greeting")  # fmt: skip

    def _check_tls(self) -> None:
        given = [
            name
            for name in ("tls_certificate", "tls_key", "tls_ca", "tls_hostname")
            if getattr(self, name)
        ]
        if given and not self.tls:
            raise self._error(given[0], "it takes tls=True")
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise self._error("tls_certificate", "it goes together with tls_key")
        if self.tls_client_certificates and not (self.tls and self.tls_ca):
            raise self._error("tls_client_certificates", "it takes tls=True and tls_ca")
        if self.allow is not None and not self.tls_client_certificates:
            raise self._error("allow", "principals take tls_client_certificates=True")

    def _error(self, name: str, reason: str) -> ConfigurationError:
        shown = "" if name == "token" else f"={getattr(self, name)!r}"
        return ConfigurationError(f"TcpOptions({name}{shown}): {reason}")


def _split(connect: Sequence[str] | str) -> tuple[str, ...]:
    parts = connect.split(",") if isinstance(connect, str) else connect
    return tuple(part.strip() for part in parts if part.strip())
