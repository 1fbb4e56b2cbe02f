"""The transports that Wireloom ships, by name. An enumeration of names only."""

import enum

__all__ = ["Transport"]


class Transport(enum.StrEnum):
    """What `{"transport": ...}` may say; any installed transport's name does as well."""

    TCP = "tcp"
    NATS = "nats"
    KAFKA = "kafka"
    REDIS = "redis"
    RABBITMQ = "rabbitmq"
    MEMORY = "memory"
