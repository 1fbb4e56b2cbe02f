"""The rights that an application needs, as an ACL rule."""

from collections.abc import Sequence

from wireloom.spi import Declaration, Kind, Subscription
from wireloom_redis.names import Names

__all__ = ["permissions"]

_ALWAYS = (
    "+hello +auth +select +ping +info +time +client|id +client|unblock"
    " +client|setname +subscribe +unsubscribe +psubscribe +punsubscribe +publish +eval +evalsha"
)
_STORED = (
    "+type +exists +xadd +xrange +xrevrange +xlen +xdel +xtrim +xread +xreadgroup +xack +xclaim"
    " +xautoclaim +xpending +xinfo|stream +xinfo|groups +xinfo|consumers +xgroup|create"
    " +xgroup|destroy +xgroup|delconsumer"
)
_BESIDE = "+get +set +del +hget +hset +hkeys +zadd +zcard +zrem +zrange +zremrangebyscore +pexpire"


def permissions(
    names: Names,
    group: str,
    declarations: Sequence[Declaration],
    subscriptions: Sequence[Subscription],
) -> list[str]:
    """Return one ACL rule: the user, the commands, a line for each kind of key and channel."""
    keys = {f"~{names.registry('limits')}", f"~{names.registry('groups')}"}
    keys.add(f"~{_literal(names.prefix)}rpc.*")
    channels = {f"&{_literal(names.prefix)}inbox.*", f"&{_literal(names.prefix)}rpc.*"}
    for declaration in declarations:
        name = names.glob(declaration.pattern)
        if declaration.durable:
            keys |= {f"~{name}", f"~{name}@*"}
        else:
            channels.add(f"&{name}")
    for subscription in subscriptions:
        if subscription.kind is Kind.REQUEST:
            continue
        keys.add(f"~{names.dead(subscription.name)}")
        name = names.glob(subscription.pattern)
        if subscription.durable:
            due = names.due(subscription.name)
            keys |= {f"~{due}", f"~{due}@*", f"~{name}", f"~{name}@*"}
        else:
            channels.add(f"&{name}")
    return [
        f"ACL SETUSER {group} on >PASSWORD resetkeys resetchannels -@all",
        _ALWAYS,
        _STORED,
        _BESIDE,
        *sorted(keys),
        *sorted(channels),
    ]


def _literal(prefix: str) -> str:
    return prefix.replace("*", "\\*")
