"""The topics that an application needs, and how they differ from those there are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from wireloom.errors import UnsupportedOptionError
from wireloom.spi import Action, Change, Kind, Limits
from wireloom_kafka.driver import MAX_OVERHEAD
from wireloom_kafka.names import KafkaNames
from wireloom_kafka.options import KafkaHandlerOptions, KafkaOptions

__all__ = ["Existing", "Topic", "TopicPlan", "compare"]

DEFAULT_PARTITIONS: Final = 4
RUNGS: Final = (2.0, 60.0, 1_200.0)
"""Seconds: bounds between the partitions of a delay topic. Delays of one size share a partition, so
that short ones do not wait behind long ones."""
MAX_DELAY: Final = 14 * 24 * 3600.0
"""Seconds that a delay may take: half of what a delay topic keeps."""
_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic that has to exist."""

    name: str
    partitions: int
    """How many when it is created."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Its configuration when it is created."""
    insisted: bool = False
    """Whether another number of partitions than this one is refused."""
    at_least: int = 1
    """Fewer partitions are refused."""
    limits: Mapping[str, str] = field(default_factory=dict)
    """Settings that are also changed where it exists: limits that somebody wrote down."""


@dataclass(frozen=True, slots=True)
class Existing:
    """A topic as the broker has it."""

    partitions: int
    settings: Mapping[str, str]
    """All settings, defaults included."""
    own: Mapping[str, str]
    """Those set on the topic itself."""


class TopicPlan:
    """Says what topics look like."""

    def __init__(self, options: KafkaOptions, names: KafkaNames) -> None:
        self._options = options
        self._names = names
        self.fetch_bytes = max(1, options.max_payload) + MAX_OVERHEAD
        """Bytes of one partition that one fetch brings."""
        self._common = {"max.message.bytes": str(options.max_payload + MAX_OVERHEAD)}

    def event(
        self,
        address: str,
        limits: Limits,
        native: KafkaHandlerOptions | None = None,
        shards: int = 1,
    ) -> Topic:
        """Return the topic of a concrete event."""
        partitions, insisted = self._partitions(native)
        settings = self._common | {"message.timestamp.type": "LogAppendTime"}
        return Topic(
            self._names.topic(Kind.EVENT, address),
            max(partitions, shards),
            settings | limit_settings(limits, partitions),
            insisted,
            shards,
            {} if limits == Limits() else limit_settings(limits, partitions),
        )

    def request(self, address: str, native: KafkaHandlerOptions | None = None) -> Topic:
        """Return the topic of a concrete request pattern."""
        partitions, insisted = self._partitions(native)
        settings = {"message.timestamp.type": "LogAppendTime", **self._passing()}
        return Topic(self._names.topic(Kind.REQUEST, address), partitions, settings, insisted)

    def inbox(self, group: str) -> Topic:
        """Return the topic that replies to a group's instances come by."""
        return Topic(self._names.inbox(group), self._options.reply_partitions, self._passing())

    def delay(self, subscription: str) -> Topic:
        """Return the topic of what a subscription runs later."""
        settings = {
            **self._common,
            "message.timestamp.type": "LogAppendTime",
            "retention.ms": str(28 * _DAY_MS),
        }
        partitions = len(RUNGS) + 1
        return Topic(
            self._names.delay(subscription),
            partitions,
            settings,
            insisted=True,
            at_least=partitions,
        )

    def dead(self, subscription: str) -> Topic:
        """Return the topic of a subscription's dead letters: kept until removed, by their ids."""
        settings = {**self._common, "cleanup.policy": "compact"}
        return Topic(self._names.dead(subscription), 1, settings, insisted=True)

    def _partitions(self, native: KafkaHandlerOptions | None) -> tuple[int, bool]:
        wanted = (native.partitions if native else None) or self._options.partitions
        return (wanted or DEFAULT_PARTITIONS, wanted is not None)

    def _passing(self) -> dict[str, str]:
        # Nobody reads these twice; an hour is longer than any deadline worth the name.
        return {**self._common, "retention.ms": str(_HOUR_MS), "segment.ms": str(_HOUR_MS)}


def limit_settings(limits: Limits, partitions: int) -> dict[str, str]:
    """Return a topic's configuration for limits.

    :raises UnsupportedOptionError: for a number of messages, which Kafka does not count.
    """
    if limits.messages is not None:
        raise UnsupportedOptionError(
            "limits.messages", "kafka", "it keeps by age and bytes, and does not count messages"
        )
    settings = {"retention.ms": "-1" if limits.age is None else str(round(limits.age * 1000))}
    if limits.bytes is not None:
        settings["retention.bytes"] = str(max(1, limits.bytes // partitions))
    if limits.message_size is not None:
        settings["max.message.bytes"] = str(limits.message_size + MAX_OVERHEAD)
    return settings


def rung(delay: float) -> int:
    """Return the partition of a delay topic for a delay of so many seconds."""
    return sum(delay >= bound for bound in RUNGS)


def compare(topic: Topic, existing: Existing | None) -> list[Change]:
    """Return what would have to change for a topic; one KEEP if nothing has."""
    if existing is None:
        return [Change(Action.CREATE, "topic", topic.name, new=f"{topic.partitions} partitions")]
    changes: list[Change] = []
    wanted = topic.partitions if topic.insisted else topic.at_least
    if existing.partitions < topic.at_least or (
        topic.insisted and existing.partitions != topic.partitions
    ):
        changes.append(_impossible(topic.name, "partitions", str(existing.partitions), str(wanted)))
    for setting, new in topic.limits.items():
        old = existing.settings.get(setting, "")
        if old != new:
            changes.append(Change(Action.UPDATE, "topic", topic.name, setting, old, new))
    return changes or [Change(Action.KEEP, "topic", topic.name)]


def _impossible(name: str, setting: str, old: str, new: str) -> Change:
    return Change(Action.IMPOSSIBLE, "topic", name, setting, old, new)
