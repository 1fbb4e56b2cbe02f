"""Consumers: what we want of them, and what they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from wireloom.errors import ConfigurationError
from wireloom.spi import Action, Change, StartFrom, Subscription
from wireloom_nats.jetstream import NANOSECONDS, ApiError, JetStream
from wireloom_nats.options import NatsHandlerOptions, NatsOptions
from wireloom_nats.streams import refuse_impossible
from wireloom_nats.subjects import covers

__all__ = ["ConsumerSpec", "Consumers", "consumer_spec"]

GROUP: Final = "wireloom-group"
"""The metadata by which orphans of a group are found."""
SUBSCRIPTION: Final = "wireloom-subscription"
IDLE: Final = 300.0
"""Seconds without its process after which the server drops an ephemeral consumer."""
_COMPARED: Final = ("ack_wait", "max_deliver", "max_ack_pending")
_ARGUMENTS: Final = {
    "ack_wait": "NatsOptions(ack_wait)",
    "max_ack_pending": "NatsHandlerOptions(max_ack_pending)",
}
_POLICIES: Final = {"new": "new", "first": "all", "last": "last"}


@dataclass(frozen=True, slots=True)
class ConsumerSpec:
    """A consumer that must exist, in the server's words and units."""

    stream: str
    name: str
    filters: Sequence[str]
    config: Mapping[str, Any]
    start: Mapping[str, Any]
    """Where it begins, when it is new."""

    def request(self) -> dict[str, Any]:
        """Return what creates it."""
        return {**self.config, **self.start, "name": self.name, **filter_fields(self.filters)}

    def starting_at(self, sequence: int) -> "ConsumerSpec":
        """Return the same that begins at a sequence: in place of one that was lost."""
        return replace(
            self, start={"deliver_policy": "by_start_sequence", "opt_start_seq": sequence}
        )


class Consumers:
    """Creates and changes consumers, and nothing that has not to be."""

    def __init__(self, jetstream: JetStream) -> None:
        self._jetstream = jetstream

    async def info(self, stream: str, name: str) -> dict[str, Any] | None:
        """Return what the server knows of a consumer, or None if there is none of that name."""
        return await self._jetstream.find(f"CONSUMER.INFO.{stream}.{name}")

    async def compare(self, spec: ConsumerSpec) -> list[Change]:
        """Return what `ensure` would do."""
        info = await self.info(spec.stream, spec.name)
        return compare_consumer(spec, None if info is None else info["config"])

    async def ensure(self, spec: ConsumerSpec) -> dict[str, Any]:
        """Create or update a consumer until it is as wanted; return what the server knows of it.

        :raises ConfigurationError: if it cannot be; names the setting, old and new value.
        """
        info = await self.info(spec.stream, spec.name)
        if info is None:
            return await self._write(spec, spec.request())
        changes = compare_consumer(spec, info["config"])
        refuse_impossible(changes)
        if all(change.action is Action.KEEP for change in changes):
            return info
        kept = {
            name: value
            for name, value in info["config"].items()
            if name not in ("filter_subject", "filter_subjects")
        }
        changed = {name: spec.config[name] for name in _COMPARED}
        return await self._write(spec, {**kept, **changed, **filter_fields(spec.filters)})

    async def delete(self, stream: str, name: str) -> None:
        """Delete a consumer; one that is gone already is no error."""
        await self._jetstream.find(f"CONSUMER.DELETE.{stream}.{name}")

    async def of_group(self, stream: str, group: str) -> list[str]:
        """Return the durable consumers of a stream that a group of ours has made."""
        names: list[str] = []
        seen = 0
        while True:
            found = await self._jetstream.find(f"CONSUMER.LIST.{stream}", {"offset": seen}) or {}
            consumers = found.get("consumers") or ()
            seen += len(consumers)
            names += [
                row["name"]
                for row in consumers
                if (row["config"].get("metadata") or {}).get(GROUP) == group
                and row["config"].get("durable_name")
            ]
            if not consumers or seen >= found.get("total", 0):
                return names

    async def _write(self, spec: ConsumerSpec, config: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return await self._jetstream.call(
                f"CONSUMER.CREATE.{spec.stream}.{spec.name}",
                {"stream_name": spec.stream, "config": dict(config)},
            )
        except ApiError as error:
            if error.is_temporary:
                raise
            raise ConfigurationError(
                f"consumer {spec.name!r} of stream {spec.stream!r} is refused: {error}"
            ) from error


def consumer_spec(
    options: NatsOptions,
    subscription: Subscription,
    *,
    stream: str,
    name: str,
    filters: Sequence[str],
) -> ConsumerSpec:
    """Return the consumer that a subscription needs on one stream."""
    native = subscription.native
    extra = native if isinstance(native, NatsHandlerOptions) else NatsHandlerOptions()
    lasting = not (subscription.broadcast or subscription.ephemeral)
    config: dict[str, Any] = {
        "ack_policy": "explicit",
        "ack_wait": int((extra.ack_wait or options.ack_wait) * NANOSECONDS),
        "max_deliver": -1,  # beyond it a message just stops; the core dead-letters
        "max_ack_pending": extra.max_ack_pending,
        "replay_policy": "instant",
        "metadata": {GROUP: subscription.group, SUBSCRIPTION: subscription.name},
    }
    if lasting:
        config["durable_name"] = name
    else:
        config |= {"inactive_threshold": int(IDLE * NANOSECONDS), "mem_storage": True}
    start = start_fields("new" if not lasting else subscription.start_from)
    return ConsumerSpec(stream, name, filters, config, start)


def start_fields(start: StartFrom) -> dict[str, Any]:
    """Return the settings that tell where a new consumer begins."""
    if isinstance(start, datetime):
        stamp = start.astimezone(UTC).isoformat().replace("+00:00", "Z")
        return {"deliver_policy": "by_start_time", "opt_start_time": stamp}
    if isinstance(start, int):
        return {"deliver_policy": "by_start_sequence", "opt_start_seq": max(1, start)}
    return {"deliver_policy": _POLICIES[start]}


def filter_fields(filters: Sequence[str]) -> dict[str, Any]:
    """Return the settings that tell which subjects a consumer takes: apart from each other."""
    apart = [
        one for one in filters if not any(other != one and covers(other, one) for other in filters)
    ]
    return {"filter_subject": apart[0]} if len(apart) == 1 else {"filter_subjects": apart}


def compare_consumer(spec: ConsumerSpec, config: Mapping[str, Any] | None) -> list[Change]:
    """Return a row for each setting that differs, or one that tells that nothing does."""
    name = f"{spec.stream}/{spec.name}"
    if config is None:
        return [Change(Action.CREATE, "consumer", name)]
    if config.get("deliver_subject"):
        return [Change(Action.IMPOSSIBLE, "consumer", name, "delivery", "push", "pull")]
    if config.get("ack_policy") != "explicit":
        old = str(config.get("ack_policy"))
        return [Change(Action.IMPOSSIBLE, "consumer", name, "ack_policy", old, "explicit")]
    rows = [
        Change(
            Action.UPDATE,
            "consumer",
            name,
            _ARGUMENTS.get(setting, setting),
            str(config.get(setting)),
            str(spec.config[setting]),
        )
        for setting in _COMPARED
        if config.get(setting) != spec.config[setting]
    ]
    known = config.get("filter_subjects") or [config.get("filter_subject", "")]
    wanted = filter_fields(spec.filters)
    subjects = wanted.get("filter_subjects") or [wanted.get("filter_subject", "")]
    if sorted(known) != sorted(subjects):
        rows.append(
            Change(Action.UPDATE, "consumer", name, "filter", ", ".join(known), ", ".join(subjects))
        )
    return rows or [Change(Action.KEEP, "consumer", name)]
