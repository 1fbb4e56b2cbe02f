"""What is refused before anything is connected."""

from wireloom.errors import UnsupportedOptionError
from wireloom.spi import Declaration, Kind, Subscription
from wireloom_redis.entry import first_of

__all__ = ["check", "check_declaration"]


def check(subscription: Subscription) -> None:
    """Refuse what Redis cannot do for a handler.

    :raises UnsupportedOptionError: naming the option.
    """
    if subscription.kind is Kind.REQUEST:
        return
    copies = subscription.broadcast or subscription.ephemeral
    if subscription.durable and not subscription.pattern.is_concrete:
        raise _refused(
            subscription,
            "pattern",
            f"{subscription.pattern.text!r}: a stream has one name, wildcards match none",
            "name the events one by one, or use Event(durable=False) with broadcast=True",
        )
    if not subscription.durable:
        _check_signal(subscription, copies=copies)
    try:
        first_of(subscription.start_from)
    except ValueError as error:
        raise _refused(
            subscription, "start_from", str(error), 'an entry id such as "1526919030474-0"'
        ) from None
    if subscription.shards > 1 and copies:
        raise _refused(subscription, "shards", "every instance has a copy of all", "leave it at 1")


def _check_signal(subscription: Subscription, *, copies: bool) -> None:
    if not copies:
        raise _refused(
            subscription,
            "durable",
            "pub/sub knows no groups, every instance gets a copy",
            "broadcast=True on the handler, or Event(durable=True)",
        )
    if subscription.start_from != "new":
        raise _refused(
            subscription, "start_from", "what is not durable is not stored", 'leave it at "new"'
        )


def check_declaration(declaration: Declaration) -> None:
    """Refuse limits that Redis does not have.

    :raises UnsupportedOptionError: naming the option.
    """
    if declaration.durable and declaration.limits.bytes is not None:
        raise UnsupportedOptionError(
            "limits.bytes",
            "redis",
            "a stream's memory is not known exactly",
            where=repr(declaration.pattern.text),
            remedy="use Limits(messages=..., message_size=...)",
        )


def _refused(
    subscription: Subscription, option: str, reason: str, remedy: str
) -> UnsupportedOptionError:
    return UnsupportedOptionError(option, "redis", reason, where=subscription.where, remedy=remedy)
