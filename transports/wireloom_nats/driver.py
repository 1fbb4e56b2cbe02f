"""How options become the driver's own, and its errors become ours."""

import inspect
import ssl
from importlib.util import find_spec
from typing import Any, Final

from nats import errors
from nats.aio.client import Client

from wireloom.errors import ConnectionFailedError, MissingDriverError
from wireloom.spi import redact_url
from wireloom_nats.client import PlainConnectionError
from wireloom_nats.options import NatsOptions

__all__ = ["check_driver_options", "connect_arguments", "connection_error", "requires_tls"]

_OURS: Final = {
    "servers": "use NatsOptions(servers=...)",
    "allow_reconnect": "Wireloom connects again by itself",
    "max_reconnect_attempts": "Wireloom never gives up by itself",
    "reconnect_to_server_handler": "Wireloom waits between attempts by itself",
    "reconnect_time_wait": "Wireloom waits between attempts by itself",
    "error_cb": "use the application's status",
    "disconnected_cb": "use the application's status",
    "closed_cb": "use the application's status",
    "reconnected_cb": "use the application's status",
    "no_echo": "an application may call its own handlers",
    "verbose": "it halves the speed and tells nothing",
    "inbox_prefix": "use NatsOptions(inbox_prefix=...)",
    "pending_size": "use NatsOptions(pending_bytes=...)",
    "skip_subject_validation": "it guards against injected commands",
}
_KNOWN: Final = frozenset(inspect.signature(Client.connect).parameters) - {"self"}
_REFUSED: Final = ("authorization violation", "authentication", "credentials", "nkey", "jwt")
HEARTBEAT: Final = 8
"""Seconds between pings. Two unanswered ones end a connection: after 24 s at the latest."""


def check_driver_options(options: NatsOptions) -> None:
    """Refuse what is given in `driver` and not understood, or not the user's to say.

    :raises UnsupportedOptionError: naming the argument.
    :raises MissingDriverError: if credentials need a package that is not installed.
    """
    for name in options.driver:
        if name in _OURS:
            raise options.refuse(f"driver[{name!r}]", _OURS[name])
        if name not in _KNOWN:
            raise options.refuse(f"driver[{name!r}]", "nats-py's connect takes no such argument")
    signed = {"nkeys_seed", "nkeys_seed_str", "user_credentials"} & options.driver.keys()
    if (options.credentials or options.nkey_seed or signed) and not _has_nkeys():
        raise MissingDriverError("nats", "nats", "nkeys")


def connect_arguments(options: NatsOptions, group: str) -> dict[str, Any]:
    """Return what the driver's `connect` takes, its callbacks apart."""
    arguments: dict[str, Any] = {
        "servers": list(options.servers),
        "name": group,
        "connect_timeout": max(0.5, options.connect_timeout / (2 * len(options.servers))),
        "reconnect_time_wait": 0.05,
        "max_reconnect_attempts": -1,
        "ping_interval": HEARTBEAT,
        "max_outstanding_pings": 2,
        "pending_size": options.pending_bytes,
        "user": options.user,
        "password": options.password,
        "token": options.auth_token,
        "tls": _context(options),
        "tls_hostname": options.tls_hostname,
        "user_credentials": options.credentials,
        "nkeys_seed": None if options.nkey_seed is None else str(options.nkey_seed),
    }
    return {**arguments, **options.driver}


def requires_tls(options: NatsOptions) -> bool:
    """Tell whether a plain connection is out of the question."""
    asked = options.tls or options.tls_ca or options.driver.get("tls")
    return bool(asked) or any(server.startswith("tls://") for server in options.servers)


def connection_error(error: BaseException, options: NatsOptions) -> ConnectionFailedError:
    """Return our error for what kept the driver from connecting; without secrets."""
    where = ", ".join(redact_url(server) for server in options.servers)
    text = str(error) or type(error).__name__
    refused = any(word in text.lower() for word in _REFUSED)
    fatal = refused or isinstance(
        error, ssl.SSLCertVerificationError | PlainConnectionError | errors.AuthorizationError
    )
    return ConnectionFailedError(f"no connection to {where}: {text}", fatal=fatal)


def _context(options: NatsOptions) -> ssl.SSLContext | None:
    if isinstance(options.tls, ssl.SSLContext):
        return options.tls
    if requires_tls(options) or options.tls_ca is not None:
        return ssl.create_default_context(cafile=options.tls_ca)
    return None


def _has_nkeys() -> bool:
    return find_spec("nkeys") is not None
