"""What aiokafka's three clients are constructed with."""

import inspect
import ssl
import zlib
from collections.abc import Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from wireloom.errors import ConfigurationError
from wireloom_kafka.options import KafkaOptions
from wireloom_kafka.partitioner import Partitioner
from wireloom_kafka.redaction import hide_passwords

__all__ = ["Driver"]

MAX_OVERHEAD: Final = 65_536
"""Bytes of headers, key and framing that are carried beside the largest body."""
_CLIENTS: Final = (AIOKafkaProducer, AIOKafkaConsumer, AIOKafkaAdminClient)
_OURS: Final = {
    "bootstrap_servers": "bootstrap_servers",
    "session_timeout_ms": "session_timeout",
    "rebalance_timeout_ms": "rebalance_timeout",
    "request_timeout_ms": "request_timeout",
    "metadata_max_age_ms": "metadata_max_age",
    "max_request_size": "max_payload",
}
"""Arguments that have an option of their own."""
_REFUSED: Final = {
    "acks": "only 'all' keeps what was acknowledged",
    "enable_idempotence": "it is always on",
    "enable_auto_commit": "offsets are committed when handlers have finished",
    "auto_commit_interval_ms": "offsets are committed when handlers have finished",
    "auto_offset_reset": "start_from= of the handler says where a group begins",
    "group_id": "it is the subscription's name",
    "group_instance_id": "one consumer for each subscription would share it",
    "transactional_id": "messages are published one by one",
    "transaction_timeout_ms": "messages are published one by one",
    "isolation_level": "KafkaHandlerOptions(read_committed=) says it for each handler",
    "max_poll_interval_ms": "back-pressure is the intake's",
    "max_poll_records": "back-pressure is the intake's",
    "key_serializer": "codecs belong to contracts",
    "value_serializer": "codecs belong to contracts",
    "key_deserializer": "codecs belong to contracts",
    "value_deserializer": "codecs belong to contracts",
    "loop": "it is the running one",
    "api_version": "aiokafka ignores it",
}
_KNOWN: Final = {
    client: frozenset(inspect.signature(client.__init__).parameters) - {"self", "topics"}
    for client in _CLIENTS
}


class Driver:
    """Makes aiokafka's clients as the options say. Making one touches no network."""

    def __init__(self, options: KafkaOptions, client_id: str) -> None:
        """Check `driver=`.

        :raises ConfigurationError: if it names what no client takes, or what is not its to say.
        """
        _check(options.driver)
        hide_passwords()
        self._options = options
        self._seed = zlib.crc32(client_id.encode())
        self._shared = {"client_id": client_id, **_connection(options), **options.driver}

    def producer(self) -> AIOKafkaProducer:
        """Return a producer that loses nothing it acknowledged."""
        settings: dict[str, Any] = {
            "acks": "all",
            "enable_idempotence": True,
            "max_request_size": self._options.max_payload + MAX_OVERHEAD,
            "max_batch_size": 128 * 1024,
            "partitioner": Partitioner(self._seed, spread=self._options.spread),
        }
        return AIOKafkaProducer(**self._arguments(AIOKafkaProducer, settings))

    def consumer(self, **settings: Any) -> AIOKafkaConsumer:
        """Return a consumer; `settings` are what its reader needs."""
        defaults: dict[str, Any] = {
            "enable_auto_commit": False,
            "auto_offset_reset": "earliest",
            "session_timeout_ms": round(self._options.session_timeout * 1000),
            "heartbeat_interval_ms": round(min(3.0, self._options.session_timeout / 15) * 1000),
            "rebalance_timeout_ms": round(self._options.rebalance_timeout * 1000),
            # Back-pressure may stop reading for as long as handlers take; readers watch themselves.
            "max_poll_interval_ms": 2**31 - 1,
            # A partition that runs dry is asked again only when the fetch under way returns.
            "fetch_max_wait_ms": 200,
            "fetch_max_bytes": 8 * 1024 * 1024,
        }
        return AIOKafkaConsumer(**self._arguments(AIOKafkaConsumer, defaults | settings))

    def admin(self) -> AIOKafkaAdminClient:
        """Return an admin client."""
        return AIOKafkaAdminClient(**self._arguments(AIOKafkaAdminClient, {}))

    def connection(self) -> dict[str, Any]:
        """Return what a bare connection needs, to find out why a client got none."""
        names = ("client_id", "security_protocol", "ssl_context", "request_timeout_ms")
        return {
            name: value
            for name, value in self._shared.items()
            if name in names or name.startswith("sasl_")
        }

    def _arguments(self, client: type, settings: dict[str, Any]) -> dict[str, Any]:
        known = _KNOWN[client]
        shared = {name: value for name, value in self._shared.items() if name in known}
        return settings | shared


def _connection(options: KafkaOptions) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "bootstrap_servers": options.servers,
        "request_timeout_ms": round(options.request_timeout * 1000),
    }
    secure = options.tls is not False
    if secure:
        trusted = options.tls if isinstance(options.tls, ssl.SSLContext) else None
        settings["ssl_context"] = trusted or ssl.create_default_context()
        settings["security_protocol"] = "SSL"
    if options.username is not None:
        settings |= {
            "security_protocol": "SASL_SSL" if secure else "SASL_PLAINTEXT",
            "sasl_mechanism": options.sasl_mechanism,
            "sasl_plain_username": options.username,
            "sasl_plain_password": options.password,
        }
    return settings


def _check(given: Mapping[str, Any]) -> None:
    known = frozenset().union(*_KNOWN.values())
    for name in given:
        if name in _OURS:
            raise ConfigurationError(
                f"KafkaOptions(driver={{{name!r}: ...}}): it is set by KafkaOptions({_OURS[name]}=)"
            )
        if name in _REFUSED:
            raise ConfigurationError(
                f"KafkaOptions(driver={{{name!r}: ...}}): refused, {_REFUSED[name]}"
            )
        if name not in known:
            raise ConfigurationError(
                f"KafkaOptions(driver={{{name!r}: ...}}): aiokafka has no such argument",
                remedy="it takes keyword arguments of AIOKafkaProducer, AIOKafkaConsumer and "
                "AIOKafkaAdminClient",
            )
