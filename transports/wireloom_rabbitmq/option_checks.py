"""What is wrong with the value of an option."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from wireloom.errors import ConfigurationError
from wireloom.spi import redact_url

__all__ = ["check_arguments", "check_priority", "check_queue_type", "check_url"]

SCHEMES: Final = ("amqp", "amqps", "rabbitmq")
OWN_ARGUMENTS: Final = frozenset(
    {
        "x-queue-type",
        "x-single-active-consumer",
        "x-message-ttl",
        "x-max-length",
        "x-max-length-bytes",
        "x-overflow",
        "x-max-priority",
        "x-delivery-limit",
        "x-dead-letter-exchange",
        "x-dead-letter-routing-key",
    }
)
"""Queue arguments that have an option of their own, here or in the contract's `Limits`, or none."""


def check_url(url: str) -> None:
    """Refuse what is no address, or would be lost on the way to the driver.

    :raises ConfigurationError: without the password.
    """
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise ConfigurationError(
            f"RabbitMqOptions(url={redact_url(url)!r}): {', '.join(SCHEMES)} and a host"
        )
    if parts.query:
        names = ", ".join(sorted({pair.partition("=")[0] for pair in parts.query.split("&")}))
        raise ConfigurationError(
            f"RabbitMqOptions(url=...): its query ({names}) is not passed on",
            remedy="settings are fields of RabbitMqOptions; certificates are always verified",
        )


def check_queue_type(options: object, kind: str) -> None:
    """Refuse a queue type whose queues cannot be shared by a group.

    :raises ConfigurationError: naming the class of the options.
    """
    if kind not in ("quorum", "classic"):
        raise ConfigurationError(
            f"{type(options).__name__}(queue_type={kind!r}): quorum or classic",
            remedy="a stream has no groups; to keep history, RabbitMqOptions(streams=[...])",
        )


def check_arguments(owner: str, arguments: Mapping[str, Any]) -> None:
    """Refuse queue arguments that are set by another option, which would win.

    :raises ConfigurationError: naming them.
    """
    if own := sorted(OWN_ARGUMENTS.intersection(arguments)):
        raise ConfigurationError(
            f"{owner}(queue_arguments=...): {', '.join(own)} cannot be set here",
            remedy="queue_type, max_priority, delivery_limit, ordered, Event(limits=Limits(...))",
        )


def check_priority(what: str, priority: int) -> None:
    """Refuse what AMQP has no room for.

    :raises ConfigurationError: naming the option.
    """
    if not 0 <= priority <= 255:
        raise ConfigurationError(f"{what}: {priority} is not from 0 to 255")
