"""Options of the Kafka transport."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal
from urllib.parse import SplitResult, unquote

from wireloom.errors import ConfigurationError
from wireloom.spi import HandlerOptions, TransportOptions

__all__ = ["KafkaHandlerOptions", "KafkaOptions"]

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


@dataclass(frozen=True)
class KafkaOptions(TransportOptions):
    """A Kafka cluster: `KafkaOptions(["kafka-1:9092", "kafka-2:9092"])`.

    As a URL: `kafka://user:password@kafka-1:9092,kafka-2:9092?tls=true`. `driver` takes keyword
    arguments of aiokafka's producer, consumer and admin client, each handed to those that know it.
    `client` takes a started, idempotent `AIOKafkaProducer`, which then publishes everything.
    """

    kind: ClassVar[str] = "kafka"

    bootstrap_servers: str | Sequence[str] = ("127.0.0.1:9092",)
    """`host:port` of some brokers, any of which tells about the others."""
    username: str | None = None
    """SASL user; with a password the connection is authenticated."""
    password: str | None = field(default=None, repr=False)
    """SASL password."""
    sasl_mechanism: Mechanism = "PLAIN"
    """How they are proven. Others, such as OAUTHBEARER, go through `driver`."""
    tls: bool | ssl.SSLContext = field(default=False, repr=False)
    """Encrypt: True with the system's authorities and host name checks, or a context of yours."""
    declare: bool = True
    """Create missing topics and change their limits. False: all must exist, made by
    `wireloom topology apply` or by hand."""
    partitions: int | None = None
    """Partitions of each topic of events and requests; at most so many replicas share one handler's
    work. None: 4 for new topics, and what there is for existing ones. A number is insisted on."""
    spread: bool = False
    """Publish events without a key to any partition, so that more replicas share the work of one
    publisher. False: all of one publisher to one partition, so that their order is kept."""
    replication: int = -1
    """Copies of each new topic. -1: the broker's own default."""
    reply_partitions: int = 8
    """Partitions of the topic that replies to this application's instances come by. Each instance
    reads one; instances beyond that number share and skip what is not theirs."""
    session_timeout: float = 15.0
    """Seconds after which the group gives away the partitions of a process that died. Shorter
    finds deaths sooner, longer forgives a blocked event loop more."""
    rebalance_timeout: float = 60.0
    """Seconds for which a rebalance waits for handlers that run, so that nothing runs twice."""
    commit_interval: float = 0.5
    """Seconds between commits of what was handled: as much is repeated after a crash."""
    request_timeout: float = 10.0
    """Seconds that one exchange with the broker may take before it counts as failed."""
    metadata_max_age: float = 5.0
    """Seconds until a new topic that fits a wildcard pattern is found."""

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        :raises ConfigurationError: naming the option.
        """
        super().__post_init__()
        if self.wire != "native":
            raise self.refuse("wire", f"it speaks 'native' only, not {self.wire!r}")
        if not self.servers or not all(_is_server(server) for server in self.servers):
            raise self._wrong("bootstrap_servers", "it takes 'host:port'")
        if (self.username is None) != (self.password is None):
            raise self._wrong("username", "user and password come together")
        self._check_numbers()

    def _check_numbers(self) -> None:
        for name in ("session_timeout", "rebalance_timeout", "commit_interval", "request_timeout"):
            if getattr(self, name) <= 0:
                raise self._wrong(name, "it must be above 0")
        if not 0 < self.metadata_max_age <= 300:
            raise self._wrong("metadata_max_age", "it must be above 0 and at most 300")
        if self.reply_partitions < 1 or (self.partitions is not None and self.partitions < 1):
            raise self._wrong("partitions", "it must be 1 or more")
        if self.replication < 1 and self.replication != -1:
            raise self._wrong("replication", "it must be 1 or more, or -1")

    @property
    def servers(self) -> list[str]:
        """Return the bootstrap servers one by one."""
        given = self.bootstrap_servers
        texts = given.split(",") if isinstance(given, str) else given
        return [text.strip() for text in texts if text.strip()]

    def broker_id(self) -> str:
        """Return what two tokens on one cluster have in common."""
        return f"kafka://{','.join(sorted(self.servers))}"

    @classmethod
    def url_fields(cls, url: SplitResult) -> dict[str, Any]:
        """Return the servers, user and password that stand where others have one host."""
        if url.path.strip("/"):
            raise ConfigurationError("kafka URL: no path is known; options stand in the query")
        login, _, hosts = url.netloc.rpartition("@")
        fields: dict[str, Any] = {"bootstrap_servers": hosts.split(",")} if hosts else {}
        if login:
            user, _, password = login.partition(":")
            fields |= {"username": unquote(user), "password": unquote(password)}
        return fields

    def _wrong(self, name: str, text: str) -> ConfigurationError:
        shown = "" if name in ("username", "password") else f"={getattr(self, name)!r}"
        return ConfigurationError(f"KafkaOptions({name}{shown}): {text}")


@dataclass(frozen=True, kw_only=True)
class KafkaHandlerOptions(HandlerOptions):
    """What Kafka alone offers a handler: `native=(KafkaHandlerOptions(...),)`."""

    kind: ClassVar[str] = "kafka"

    topics: Sequence[str] = ()
    """Further topics, by their names on the broker, that the handler reads beside its pattern's.
    They must exist. `ctx.topic` tells which one a message came by. Events only."""
    partitions: int | None = None
    """Partitions of this handler's topic in place of `KafkaOptions(partitions=)`; insisted on."""
    read_committed: bool = False
    """Skip what aborted transactions of foreign producers wrote."""

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        :raises ConfigurationError: naming the option.
        """
        if isinstance(self.topics, str):
            raise ConfigurationError("KafkaHandlerOptions(topics=...): it takes a list of names")
        if self.partitions is not None and self.partitions < 1:
            raise ConfigurationError("KafkaHandlerOptions(partitions=...): it must be 1 or more")


def _is_server(text: object) -> bool:
    if not isinstance(text, str):
        return False
    host, _, port = text.rpartition(":")
    return bool(host) and port.isdigit() and int(port) < 65536
