"""Questions to the broker, and orders, each bounded."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any, Final, TypeVar

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

from wireloom.errors import ClosedError, ConfigurationError
from wireloom_kafka.guard import bounded, closed, driver_error, started
from wireloom_kafka.topics import Existing, Topic

__all__ = ["Admin"]

T = TypeVar("T")

_EXISTS: Final = 36
_UNKNOWN_TOPIC: Final = 3
_DENIED: Final = (29, 31)
_PASSING: Final = (5, 7, 41)
"""Codes of a cluster that is busy electing or was slow: the same may work a moment later."""
_ON_TOPIC: Final = 1
"""Where a setting comes from, in the protocol's numbers: the topic itself."""
_AGAIN: Final = 0.1
"""Seconds between questions to a coordinator or leader that is not there yet."""


class Admin:
    """The admin client, made anew by `open`."""

    def __init__(self, make: Callable[[], AIOKafkaAdminClient], timeout: float) -> None:
        self._make = make
        self._timeout = timeout
        self._client: AIOKafkaAdminClient | None = None
        self._coordinators: dict[str, int] = {}

    async def open(self) -> None:
        """Connect once.

        :raises TransportError: if that failed.
        """
        client = self._make()
        await started(client, self._timeout, "connect")
        self._client = client

    async def close(self) -> None:
        """Disconnect; without a connection, nothing."""
        client, self._client = self._client, None
        if client is not None:
            await closed(client, 2.0)

    async def probe(self, timeout: float | None = None) -> None:
        """Make a round trip.

        :raises TransportError: if there was none.
        """
        await bounded(self._open.describe_topics([]), timeout or self._timeout, "probe")

    async def names(self) -> set[str]:
        """Return the names of all topics that we may see. Creates none, as naming one might."""
        return set(await self._ask(self._open.list_topics(), "list topics"))

    async def describe(self, names: Collection[str]) -> dict[str, Existing]:
        """Return those topics that exist."""
        return await self.describe_known(await self.names() & set(names))

    async def describe_known(self, present: Collection[str]) -> dict[str, Existing]:
        """Return topics that are known to exist; others might be created by asking."""
        if not present:
            return {}
        found = await self._ask(self._open.describe_topics(sorted(present)), "describe topics")
        partitions = {row["topic"]: len(row["partitions"]) for row in found}
        settings = await self._settings(present)
        return {name: Existing(partitions[name], *settings[name]) for name in present}

    async def partitions(self, names: Iterable[str]) -> list[TopicPartition]:
        """Return all partitions of topics that exist."""
        wanted = sorted(names)
        if not wanted:
            return []
        rows = await self._ask(self._open.describe_topics(wanted), "describe topics")
        return [
            TopicPartition(row["topic"], partition["partition"])
            for row in rows
            for partition in row["partitions"]
        ]

    async def create(self, topics: Collection[Topic], replication: int) -> set[str]:
        """Create topics and return those that did not exist; all have leaders on return.

        :raises ConfigurationError: if the broker refuses one for what it is.
        """
        new = [_new_topic(topic, replication) for topic in topics]
        if not new:
            return set()
        answer = await self._ask(self._open.create_topics(new), "create topics")
        created = set()
        for name, code, message in answer.topic_errors:
            if not code:
                created.add(name)
            elif code != _EXISTS:
                raise _refusal(name, code, message)
        if created:
            await self._wait_for_leaders(created)
        return created

    async def update(self, name: str, settings: Mapping[str, str], own: Mapping[str, str]) -> None:
        """Change settings of a topic; `own` are those that it has, which would else be reset."""
        resource = ConfigResource(ConfigResourceType.TOPIC, name, {**own, **settings})
        for answer in await self._ask(self._open.alter_configs([resource]), "change a topic"):
            for code, message, *_ in answer.resources:
                if code:
                    raise _refusal(name, code, message)

    async def has_members(self, group: str) -> bool:
        """Tell whether a consumer group has live members."""

        async def ask() -> bool:
            coordinator = await self._coordinator(group)
            rows = await self._open.describe_consumer_groups([group], coordinator)
            code, _, _, _, _, members, *_ = rows[0].groups[0]
            if code:
                raise for_code(code)(group)
            return bool(members)

        return await self._of_group(group, ask, "describe a group")

    async def committed(
        self, group: str, partitions: Collection[TopicPartition]
    ) -> dict[TopicPartition, tuple[int, str]]:
        """Return offset and metadata of each partition that the group ever committed."""

        async def ask() -> dict[TopicPartition, tuple[int, str]]:
            coordinator = await self._coordinator(group)
            rows = await self._open.list_consumer_group_offsets(group, coordinator, partitions)
            return {tp: (row.offset, row.metadata) for tp, row in rows.items() if row.offset >= 0}

        return await self._of_group(group, ask, "read offsets")

    async def groups(self) -> set[str]:
        """Return the names of all consumer groups that we may see."""
        rows = await self._ask(self._open.list_consumer_groups(), "list groups")
        return {row[0] for row in rows}

    async def truncate(self, partition: TopicPartition, records: object) -> None:
        """Delete the oldest records of a partition."""
        await self._ask(self._open.delete_records({partition: records}), "delete records")

    @property
    def _open(self) -> AIOKafkaAdminClient:
        if self._client is None:
            raise ClosedError("the Kafka transport is not connected")
        return self._client

    async def _ask(self, work: Awaitable[T], what: str) -> T:
        return await bounded(work, self._timeout, what)

    async def _coordinator(self, group: str) -> int:
        known = self._coordinators.get(group)
        if known is None:
            known = await self._open.find_coordinator(group)
            if len(self._coordinators) > 10_000:
                self._coordinators.clear()
            self._coordinators[group] = known
        return known

    async def _of_group(self, group: str, ask: Callable[[], Awaitable[T]], what: str) -> T:
        # A coordinator that moved, loads, or is elected for the very first group: ask again.
        async def patient() -> T:
            while True:
                try:
                    return await ask()
                except KafkaError as error:
                    self._coordinators.pop(group, None)
                    if not error.retriable:
                        raise
                    await asyncio.sleep(_AGAIN)

        return await bounded(patient(), self._timeout, what)

    async def _wait_for_leaders(self, names: Collection[str]) -> None:
        async def patient() -> None:
            while not all(_has_leaders(row) for row in await self._rows(names)):  # noqa: ASYNC110
                await asyncio.sleep(_AGAIN / 4)

        await bounded(patient(), self._timeout, "create topics")

    async def _rows(self, names: Collection[str]) -> list[Any]:
        rows: list[Any] = await self._open.describe_topics(sorted(names))
        return rows

    async def _settings(
        self, names: Collection[str]
    ) -> dict[str, tuple[dict[str, str], dict[str, str]]]:
        asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in sorted(names)]
        answers = await self._ask(self._open.describe_configs(asked), "describe topics")
        found = {}
        for answer in answers:
            for _, _, _, name, entries in answer.resources:
                rows = [(row[0], row[1] or "", row[3]) for row in entries]
                everything = {setting: value for setting, value, _ in rows}
                own = {setting: value for setting, value, source in rows if source == _ON_TOPIC}
                found[name] = (everything, own)
        return found


def _new_topic(topic: Topic, replication: int) -> NewTopic:
    # The empty assignment is how the driver lets -1, the broker's default, through.
    assignment: dict[int, list[int]] | None = {} if replication == -1 else None
    return NewTopic(
        topic.name, topic.partitions, replication, assignment, {**topic.settings, **topic.limits}
    )


def _has_leaders(row: Any) -> bool:
    return not row["error_code"] and all(part["leader"] >= 0 for part in row["partitions"])


def _refusal(name: str, code: int, message: str | None) -> Exception:
    error = for_code(code)
    text = f"topic {name!r}: {message or error.__name__}"
    if code in _DENIED:
        return ConfigurationError(text, remedy="grant it to this user, or set declare=False")
    if code in _PASSING or code == _UNKNOWN_TOPIC:
        return driver_error(error(text), "create topics")
    return ConfigurationError(text)
