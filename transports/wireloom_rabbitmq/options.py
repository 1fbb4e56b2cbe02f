"""Settings of a RabbitMQ token, and what RabbitMQ alone offers a handler."""

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Literal
from urllib.parse import SplitResult, urlsplit

from wireloom.errors import ConfigurationError, UnsupportedOptionError
from wireloom.pattern import Pattern
from wireloom.spi import HandlerOptions, TransportOptions, redact_url
from wireloom_rabbitmq.names import LEGAL
from wireloom_rabbitmq.option_checks import (
    check_arguments,
    check_priority,
    check_queue_type,
    check_url,
)

__all__ = ["QueueType", "RabbitMqHandlerOptions", "RabbitMqOptions"]

_TAKEN: Final = ("", "rpc", "delay")
QueueType = Literal["quorum", "classic"]

DRIVER_NAMES: Final = frozenset({"client_properties", "happy_eyeballs_delay", "interleave"})


@dataclass(frozen=True)
class RabbitMqOptions(TransportOptions):
    """One RabbitMQ virtual host, as one user."""

    kind: ClassVar[str] = "rabbitmq"

    url: str | Sequence[str] = field(default="amqp://guest:guest@127.0.0.1:5672/", repr=False)
    """`amqp[s]://user:password@host:port/vhost`; several for a cluster, tried in turn. Its query
    may hold nothing: settings are fields."""
    queue: str = ""
    """Stands in for the application's name at the head of its queues' names, so that an
    application can be renamed, or take over queues. Empty: they begin with the handlers' group."""
    exchange: str = "wireloom"
    """The topic exchange that events go through. It may be one that others use as well."""
    exchange_arguments: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of that exchange, such as `{"alternate-exchange": "unrouted"}`."""
    queue_type: QueueType = "quorum"
    """Of durable event queues. Quorum queues survive the loss of a node and count deliveries."""
    queue_arguments: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of durable event queues, such as `{"x-quorum-initial-group-size": 5}`."""
    priorities: Mapping[str, int] = field(default_factory=dict)
    """Priority, 0 to 255, of the events and requests whose address matches a pattern. The queue
    needs `RabbitMqHandlerOptions(max_priority=...)` to heed it."""
    ttl: Mapping[str, float] = field(default_factory=dict)
    """Seconds after which an event that matches a pattern is past its time, unless it was emitted
    with a time to live of its own."""
    streams: Sequence[str] = ()
    """Patterns of events that are also kept in a stream each, for groups with `start_from`. The
    same wherever these events are emitted or handled."""
    stream_arguments: Mapping[str, Any] = field(default_factory=lambda: {"x-max-age": "7D"})
    """Arguments of the streams. A week, so that they do not grow for ever."""
    delivery_limit: int = 100
    """Deliveries after which a quorum queue gives a message up to its aside queue, from where it is
    dead-lettered. Only a backstop: Wireloom dead-letters after `attempts + 10` deliveries."""
    declare: bool = True
    """Create exchanges and queues that are missing. False: they were made by
    `wireloom topology apply`, and this user may not."""
    reply_prefixes: Sequence[str] = ("amq.rabbitmq.reply-to.", "amq.gen-")
    """Where replies may go: a request chooses its reply queue, and must not choose any."""
    tls: ssl.SSLContext | None = None
    """For `amqps`: takes the place of the three fields below."""
    ca_file: str | None = None
    """For `amqps`: PEM file with the authorities that the broker's certificate may be signed by.
    None: the system's."""
    cert_file: str | None = None
    """For `amqps`: PEM file with this client's certificate."""
    key_file: str | None = None
    """For `amqps`: PEM file with its private key, if not in `cert_file`."""
    auth: Literal["plain", "external"] = "plain"
    """How to log in. "external": by the client certificate, if the broker has the plugin."""
    heartbeat: int = 10
    """Seconds; a peer that is silent for twice as long is given up. The driver's 60 would take
    three minutes to notice."""
    connect_timeout: float = 10.0
    """Seconds for one attempt to connect."""
    call_timeout: float = 10.0
    """Seconds for one answer of the broker: a declaration, a confirm, a round trip."""

    def __post_init__(self) -> None:
        """Check what can be checked without a broker.

        :raises ConfigurationError: naming the field.
        """
        super().__post_init__()
        if self.wire != "native":
            raise self.refuse("wire", f"{self.wire!r} is not spoken here; there is 'native'")
        self._check_choices()
        self._check_numbers()
        self._check_names()
        for url in self.urls:
            check_url(url)
        for text in (*self.priorities, *self.ttl, *self.streams):
            Pattern(text)

    @property
    def urls(self) -> tuple[str, ...]:
        """Return all addresses."""
        return (self.url,) if isinstance(self.url, str) else tuple(self.url)

    def broker_id(self) -> str | None:
        """Return host, port and virtual host; a given client's are not known."""
        if self.client is not None:
            return None
        parts = urlsplit(self.urls[0])
        port = parts.port or (5671 if parts.scheme == "amqps" else 5672)
        return f"amqp://{parts.hostname}:{port}/{self.vhost}"

    @property
    def vhost(self) -> str:
        """Return the virtual host, decoded."""
        path = urlsplit(self.urls[0]).path[1:]
        return path.replace("%2F", "/").replace("%2f", "/") or "/"

    @property
    def shown_url(self) -> str:
        """Return the addresses without passwords."""
        return ", ".join(redact_url(url) for url in self.urls)

    @classmethod
    def url_fields(cls, url: SplitResult) -> dict[str, Any]:
        """Return the address; fields in the query are read by `from_url`."""
        return {"url": url._replace(query="", fragment="").geturl()}

    def _check_choices(self) -> None:
        check_queue_type(self, self.queue_type)
        if "x-queue-type" in self.stream_arguments:
            raise ConfigurationError("RabbitMqOptions(stream_arguments=...): streams are streams")
        if self.auth not in ("plain", "external"):
            raise ConfigurationError(f"RabbitMqOptions(auth={self.auth!r}): plain or external")

    def _check_numbers(self) -> None:
        for name in ("heartbeat", "connect_timeout", "call_timeout", "delivery_limit"):
            if getattr(self, name) <= 0:
                raise ConfigurationError(
                    f"RabbitMqOptions({name}={getattr(self, name)!r}): above 0"
                )
        for pattern, priority in self.priorities.items():
            check_priority(f"RabbitMqOptions(priorities={{{pattern!r}: ...}})", priority)
        for pattern, seconds in self.ttl.items():
            if seconds <= 0:
                raise ConfigurationError(
                    f"RabbitMqOptions(ttl={{{pattern!r}: {seconds}}}): above 0"
                )

    def _check_names(self) -> None:
        if unknown := sorted(set(self.driver) - DRIVER_NAMES):
            raise ConfigurationError(
                f"RabbitMqOptions(driver=...): aio_pika.connect takes no {', '.join(unknown)}",
                remedy=f"it takes {', '.join(sorted(DRIVER_NAMES))}; the rest are fields",
            )
        check_arguments("RabbitMqOptions", self.queue_arguments)
        if not LEGAL.issuperset(self.exchange) or self.exchange.partition(".")[0] in _TAKEN:
            raise ConfigurationError(
                f"RabbitMqOptions(exchange={self.exchange!r}): letters, digits and -_.:@,"
                " and not a name of Wireloom's own"
            )
        if not LEGAL.issuperset(self.namespace):
            raise ConfigurationError(
                f"RabbitMqOptions(namespace={self.namespace!r}): letters, digits and -_.:@,"
            )
        if not self.urls or not all(self.reply_prefixes):
            raise ConfigurationError("RabbitMqOptions: url and reply_prefixes cannot be empty")


@dataclass(frozen=True, kw_only=True)
class RabbitMqHandlerOptions(HandlerOptions):
    """What RabbitMQ alone offers an event handler, in `native=(RabbitMqHandlerOptions(...),)`."""

    kind: ClassVar[str] = "rabbitmq"

    queue_type: QueueType | None = None
    """Of this handler's queue. None: the token's."""
    queue_arguments: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of this handler's queue, over the token's."""
    max_priority: int | None = None
    """Let the queue heed priorities from 1 to this, at most 255; 10 are plenty. Classic only."""
    consumer_priority: int = 0
    """A queue serves consumers with a higher one first, as long as they have room."""

    def __post_init__(self) -> None:
        """Check what can be checked without a broker.

        :raises ConfigurationError: naming the field.
        """
        check_arguments("RabbitMqHandlerOptions", self.queue_arguments)
        if self.queue_type is not None:
            check_queue_type(self, self.queue_type)
        if self.max_priority is not None:
            check_priority("RabbitMqHandlerOptions(max_priority=...)", self.max_priority)
            if self.queue_type != "classic":
                raise UnsupportedOptionError(
                    "max_priority",
                    self.kind,
                    "quorum queues have no such argument",
                    remedy="RabbitMqHandlerOptions(queue_type='classic', max_priority=...)",
                )
