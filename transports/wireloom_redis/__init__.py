"""Wireloom on Redis: events on Streams with consumer groups, requests on pub/sub."""

from wireloom_redis.context import RedisContext
from wireloom_redis.options import RedisHandlerOptions, RedisOptions

__all__ = ["RedisContext", "RedisHandlerOptions", "RedisOptions"]
