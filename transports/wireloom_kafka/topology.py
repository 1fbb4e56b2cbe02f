"""What an application needs on the broker: shown, made, and the rights for it."""

from collections.abc import Iterable, Sequence

from wireloom.spi import Action, Change, Declaration, Kind, Subscription
from wireloom_kafka.interest import interest_of, native_options
from wireloom_kafka.link import Link
from wireloom_kafka.starts import begin_group, matching
from wireloom_kafka.topics import Topic, compare

__all__ = ["Topology", "wanted_topics"]

_GROUP = "consumer group"


def wanted_topics(link: Link, subscription: Subscription) -> list[Topic]:
    """Return the topics that a subscription needs."""
    native = native_options(subscription)
    pattern = subscription.pattern
    topics = [Topic(name, 1) for name in native.topics]
    if subscription.kind is Kind.REQUEST:
        return [link.plan.request(pattern.text, native)]
    if pattern.is_concrete:
        topics.append(
            link.plan.event(pattern.text, subscription.limits, native, subscription.shards)
        )
    if interest_of(subscription, link.names).delay:
        topics.append(link.plan.delay(subscription.name))
    if not subscription.ephemeral:
        topics.append(link.plan.dead(subscription.name))
    return topics


class Topology:
    """The topics and groups of some declarations and subscriptions."""

    def __init__(
        self, link: Link, declared: Sequence[Declaration], subscribed: Sequence[Subscription]
    ) -> None:
        self._link = link
        self._subscribed = [item for item in subscribed if not item.ephemeral]
        self._topics = self._wanted(declared)

    async def plan(self) -> list[Change]:
        """Compare with what there is. Changes nothing."""
        existing = await self._link.admin.describe(list(self._topics))
        changes = [
            change
            for name, topic in self._topics.items()
            for change in compare(topic, existing.get(name))
        ]
        return [*changes, *await self._groups(), *await self._orphans()]

    async def apply(self) -> list[Change]:
        """Make and change what `plan` says, and return that; what cannot be changed is returned
        too, unchanged.
        """
        changes = await self.plan()
        missing = {change.name for change in changes if change.action is Action.CREATE}
        new = [topic for name, topic in self._topics.items() if name in missing]
        created = await self._link.admin.create(new, self._link.options.replication) if new else []
        await self._update(changes)
        for subscription, group in self._durable():
            if group in missing:
                interest = interest_of(subscription, self._link.names)
                await begin_group(self._link, interest, group, created)
        done = (Action.CREATE, Action.UPDATE, Action.IMPOSSIBLE)
        return [change for change in changes if change.action in done]

    def permissions(self) -> list[str]:
        """Return the rights, as arguments of `kafka-acls --add --allow-principal User:...`."""
        lines = [self._topic_line(name) for name in self._topics]
        for subscription in self._subscribed:
            interest = interest_of(subscription, self._link.names)
            lines += [_line("Read", "Describe", topic=name) for name in interest.topics]
            if interest.group is not None:
                lines.append(_line("Read", "Describe", group=interest.group))
        return sorted({*lines, *self._request_lines()})

    async def _update(self, changes: Iterable[Change]) -> None:
        stuck = {change.name for change in changes if change.action is Action.IMPOSSIBLE}
        updated = {change.name for change in changes if change.action is Action.UPDATE} - stuck
        existing = await self._link.admin.describe(updated)
        for name in updated:
            await self._link.adapt(self._topics[name], existing[name])

    async def _groups(self) -> list[Change]:
        rows = []
        for subscription, group in self._durable():
            interest = interest_of(subscription, self._link.names)
            present = set(await matching(self._link, interest)) & await self._link.admin.names()
            partitions = await self._link.admin.partitions(present)
            known = await self._link.admin.committed(group, partitions) if partitions else {}
            rows.append(Change(Action.KEEP if known else Action.CREATE, _GROUP, group))
        return rows

    async def _orphans(self) -> list[Change]:
        names, group = self._link.names, self._link.environment.group
        begins = (names.owned("dead", group), names.owned("delay", group))
        topics = await self._link.admin.names()
        groups = {group for _, group in self._durable()}
        rows = [
            Change(Action.ORPHAN, "topic", name)
            for name in sorted(topics)
            if name.startswith(begins) and name not in self._topics
        ]
        prefix = f"{names.prefix}{group}."
        return rows + [
            Change(Action.ORPHAN, _GROUP, name)
            for name in sorted(await self._link.admin.groups())
            if name.startswith(prefix) and name not in groups
        ]

    def _durable(self) -> Iterable[tuple[Subscription, str]]:
        for subscription in self._subscribed:
            interest = interest_of(subscription, self._link.names)
            if interest.group is not None and not interest.fresh:
                yield subscription, interest.group

    def _wanted(self, declared: Sequence[Declaration]) -> dict[str, Topic]:
        for item in declared:
            if item.pattern.is_concrete:
                self._link.remember(item.pattern.text, item.limits)
        topics = [
            self._link.event_topic(item.pattern.text)
            for item in declared
            if item.pattern.is_concrete
        ]
        for subscription in self._subscribed:
            topics += wanted_topics(self._link, subscription)
        topics.append(self._link.plan.inbox(self._link.environment.group))
        found: dict[str, Topic] = {}
        for topic in topics:
            known = found.get(topic.name)
            if known is None or topic.at_least > known.at_least or topic.insisted:
                found[topic.name] = topic
        return found

    def _topic_line(self, name: str) -> str:
        inner = name.startswith(f"{self._link.names.prefix}delay.")
        reads = inner or name == self._link.names.inbox(self._link.environment.group)
        rights = ["Write", "Describe", *(["Read"] if reads else [])]
        if self._link.options.declare:
            rights += ["Create", "DescribeConfigs", "AlterConfigs"]
        return _line(*rights, topic=name)

    def _request_lines(self) -> list[str]:
        # Which requests an application sends is in no declaration; replies go to any caller.
        prefix = self._link.names.prefix
        return [
            _line("Write", "Describe", topic=f"{prefix}inbox.", prefixed=True),
            _line("Write", "Describe", topic=f"{prefix}rpc.", prefixed=True),
            _line("Describe", group=f"{prefix}rpc.", prefixed=True),
        ]


def _line(*rights: str, topic: str = "", group: str = "", prefixed: bool = False) -> str:
    operations = " ".join(f"--operation {right}" for right in rights)
    resource = f"--topic {topic}" if topic else f"--group {group}"
    return f"{operations} {resource}{' --resource-pattern-type prefixed' if prefixed else ''}"
