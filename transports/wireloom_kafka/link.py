"""What all parts of one transport share."""

import zlib
from collections.abc import Collection, Sequence
from typing import Any

from wireloom.errors import ConfigurationError, PayloadTooLargeError, PublishError
from wireloom.spi import Action, Environment, Kind, Limits, Message
from wireloom_kafka.admin import Admin
from wireloom_kafka.driver import Driver
from wireloom_kafka.names import KafkaNames
from wireloom_kafka.options import KafkaOptions
from wireloom_kafka.publisher import Publisher
from wireloom_kafka.records import Outgoing, to_outgoing
from wireloom_kafka.topics import MAX_DELAY, Existing, Topic, TopicPlan, compare

__all__ = ["Link", "inbox_address"]


class Link:
    """The connection of one token: names, topics, admin client and producer."""

    def __init__(self, options: KafkaOptions, environment: Environment) -> None:
        self.options = options
        self.environment = environment
        self.names = KafkaNames(options.namespace)
        self.plan = TopicPlan(options, self.names)
        self.driver = Driver(options, f"wireloom.{environment.group}.{environment.instance}")
        self.admin = Admin(self.driver.admin, options.request_timeout)
        self.publisher = Publisher(
            self.driver.producer, options.request_timeout, options.max_payload, options.client
        )
        self.is_up = True
        """Whether a broker answered when it was last asked."""
        self._limits: dict[str, Limits] = {}
        self._ready: set[str] = set()
        self._known: dict[str, str] = {}
        self._turn = 0

    def patience(self, seconds: float) -> float:
        """Return how long to wait for a goodbye: hardly, if nobody is there to answer it."""
        return seconds if self.is_up else min(seconds, 0.2)

    def remember(self, address: str, limits: Limits) -> None:
        """Note the limits of an event that was declared."""
        self._limits[address] = limits

    def event_topic(self, address: str) -> Topic:
        """Return the topic of a concrete event, with the limits that were declared for it."""
        return self.plan.event(address, self._limits.get(address, Limits()))

    async def ensure(self, topics: Collection[Topic]) -> set[str]:
        """See that topics exist as described; return those that did not exist before.

        :raises ConfigurationError: if one exists otherwise, or is missing and not ours to create.
        """
        if not self.options.declare:
            await self._check(topics)
            created: set[str] = set()
        else:
            created = await self.admin.create(topics, self.options.replication)
            await self._adapt([topic for topic in topics if topic.name not in created])
        self._ready.update(topic.name for topic in topics)
        return created

    async def ensure_ready(self, topic: Topic) -> None:
        """Do the same once for a topic that is published to.

        :raises PublishError: if it cannot be had.
        """
        if topic.name not in self._ready:
            try:
                await self.ensure([topic])
            except ConfigurationError as error:
                raise PublishError(str(error)) from error

    async def outgoing(self, message: Message) -> Outgoing:
        """Return the record of a message, with its topic made ready.

        :raises TransportError: if there is no such topic and none can be made.
        """
        if message.kind >= Kind.REPLY:
            return self._to_inbox(message)
        if message.kind is Kind.REQUEST:
            # Whoever handles it has made the topic, which is read by all in turn.
            topic = self.names.topic(Kind.REQUEST, message.address)
            self._turn = turn = self._turn + 1
            count = await self.publisher.partitions(topic)
            return to_outgoing(message, topic, partition=turn % count)
        name = self._known.get(message.address)
        if name is None:
            wanted = self.event_topic(message.address)
            await self.ensure_ready(wanted)
            name = self._known[message.address] = wanted.name
        self._check_event(message)
        return to_outgoing(message, name)

    async def publish(self, record: Outgoing) -> Any:
        """Write one record."""
        return await self.publisher.send(record)

    def inbox_partition(self, partitions: int) -> int:
        """Return the partition that this instance gets its replies by."""
        return zlib.crc32(self.environment.instance.encode()) % partitions

    def _check_event(self, message: Message) -> None:
        if message.delay > MAX_DELAY:
            raise PublishError(f"a delay of {message.delay:g} s is over {MAX_DELAY:g} s")
        limits = self._limits.get(message.address)
        if limits is not None and limits.message_size is not None:
            size = len(message.body)
            if size > limits.message_size:
                raise PayloadTooLargeError(size, limits.message_size)

    def _to_inbox(self, message: Message) -> Outgoing:
        topic, partition, instance = _inbox_parts(message.address)
        if not self.names.is_inbox(topic):
            raise PublishError(f"{message.address[:80]!r} is no inbox")
        return to_outgoing(message, topic, partition=partition, wl_inbox=instance)

    async def _check(self, topics: Collection[Topic]) -> None:
        found = await self.admin.describe([topic.name for topic in topics])
        for topic in topics:
            if topic.name not in found:
                raise ConfigurationError(
                    f"topic {topic.name!r} does not exist, and declare=False forbids creating it",
                    remedy="create it, or run `wireloom topology apply`",
                )
            _refuse_impossible(topic, found[topic.name])

    async def _adapt(self, topics: Sequence[Topic]) -> None:
        demanding = [t for t in topics if t.limits or t.insisted or t.at_least > 1]
        found = await self.admin.describe_known([topic.name for topic in demanding])
        for topic in demanding:
            await self.adapt(topic, found[topic.name])

    async def adapt(self, topic: Topic, existing: Existing) -> None:
        """Change the limits of a topic that differ.

        :raises ConfigurationError: if something else differs.
        """
        _refuse_impossible(topic, existing)
        changed = {
            change.setting: change.new
            for change in compare(topic, existing)
            if change.action is Action.UPDATE
        }
        if changed:
            await self.admin.update(topic.name, changed, existing.own)


def inbox_address(topic: str, partition: int, instance: str) -> str:
    """Return what requests name as the place for replies."""
    return f"{topic}/{partition}/{instance}"


def _inbox_parts(address: str) -> tuple[str, int, str]:
    topic, _, rest = address.partition("/")
    partition, _, instance = rest.partition("/")
    if not (partition.isascii() and partition.isdigit() and len(partition) < 6 and instance):
        raise PublishError(f"{address[:80]!r} is no inbox")
    return topic, int(partition), instance


def _refuse_impossible(topic: Topic, existing: Existing) -> None:
    for change in compare(topic, existing):
        if change.action is Action.IMPOSSIBLE:
            raise ConfigurationError(
                f"topic {topic.name!r} has {change.setting}={change.old}, not {change.new}",
                remedy="partitions cannot be taken away, and adding some moves keys: "
                "make a new topic, or say partitions= as it is",
            )
