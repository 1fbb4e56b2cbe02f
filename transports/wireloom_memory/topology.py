"""What an application needs to exist in a space, compared with what does."""

from collections.abc import Iterable, Sequence

from wireloom.spi import Action, Change, Kind, Subscription
from wireloom_memory.space import Space

__all__ = ["compare"]


def compare(space: Space, subscriptions: Sequence[Subscription], group: str) -> list[Change]:
    """Return a row for each queue that is needed, and for each that was the group's."""
    wanted = {item.name: item for item in subscriptions if keeps_queue(item)}
    rows = [_row(space, item) for item in wanted.values()]
    return [*rows, *_orphans(space, wanted, group)]


def keeps_queue(subscription: Subscription) -> bool:
    """Tell whether a subscription has a queue while nobody is there."""
    alone = subscription.broadcast or subscription.ephemeral
    return subscription.kind is Kind.EVENT and subscription.durable and not alone


def _row(space: Space, wanted: Subscription) -> Change:
    queue = space.queues.get(wanted.name)
    if queue is None:
        return Change(Action.CREATE, "queue", wanted.name)
    for setting in ("pattern", "ordered", "shards"):
        old, new = getattr(queue.subscription, setting), getattr(wanted, setting)
        if old != new:
            action = Action.IMPOSSIBLE if queue.members else Action.UPDATE
            return Change(action, "queue", wanted.name, setting, str(old), str(new))
    return Change(Action.KEEP, "queue", wanted.name)


def _orphans(space: Space, wanted: Iterable[str], group: str) -> list[Change]:
    known = set(wanted)
    return [
        Change(Action.ORPHAN, "queue", name)
        for name, queue in space.queues.items()
        if queue.subscription.group == group and name not in known
    ]
