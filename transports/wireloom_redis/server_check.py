"""What the server must be for this to work, and for events to outlive it."""

import logging
from typing import Any

from wireloom.errors import ConnectionFailedError
from wireloom_redis.failures import RefusedError
from wireloom_redis.session import Session

__all__ = ["check_server"]

_log = logging.getLogger("wireloom.redis")
_OLDEST = (7, 0)


async def check_server(session: Session, *, cluster: bool, require_durable: bool) -> list[str]:
    """Return what on this server endangers stored events.

    :raises ConnectionFailedError: if it is too old, not ready, of another kind than the URL says,
        or endangers stored events though that was ruled out.
    """
    try:
        facts = _facts(await session.call("INFO"))
    except RefusedError as error:
        if require_durable:
            raise ConnectionFailedError(
                f"whether Redis keeps events cannot be known: {error}", fatal=True
            ) from error
        return [f"whether Redis keeps events cannot be known: {error}"]
    _check_kind(facts, cluster=cluster)
    dangers = _dangers(facts)
    if dangers and require_durable:
        raise ConnectionFailedError(f"require_durable=True, but {'; '.join(dangers)}", fatal=True)
    return dangers


def _check_kind(facts: dict[str, str], *, cluster: bool) -> None:
    version = facts.get("redis_version", "0")
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST:
        raise ConnectionFailedError(f"Redis {version} is too old; it takes 7.0", fatal=True)
    if facts.get("loading", "0") != "0":
        raise ConnectionFailedError("Redis is still loading its data")
    if facts.get("role") not in ("master", None):
        raise ConnectionFailedError("this Redis is a replica and takes no writes")
    clustered = facts.get("cluster_enabled", "0") == "1"
    if clustered and not cluster:
        raise ConnectionFailedError(
            "this Redis belongs to a cluster; use a redis+cluster:// URL", fatal=True
        )
    if cluster and not clustered:
        raise ConnectionFailedError("this Redis is no cluster; use a redis:// URL", fatal=True)


def _dangers(facts: dict[str, str]) -> list[str]:
    found = []
    if facts.get("aof_enabled", "0") != "1":
        found.append("appendonly is off: a crash loses every event since the last snapshot")
    policy = facts.get("maxmemory_policy", "noeviction")
    if facts.get("maxmemory", "0") != "0" and policy.startswith("allkeys"):
        found.append(f"maxmemory-policy is {policy}: a full server drops whole streams")
    return found


def _facts(info: Any) -> dict[str, str]:
    lines = (line.partition(":") for line in info.decode().splitlines() if ":" in line)
    return {name: value for name, _, value in lines}
