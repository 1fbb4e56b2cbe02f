"""Streams: what we want of them, and what they are."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from wireloom.errors import ConfigurationError
from wireloom.spi import Action, Change, Limits
from wireloom_nats.jetstream import NANOSECONDS, ApiError, JetStream
from wireloom_nats.options import NatsOptions
from wireloom_nats.subjects import covers, merged

__all__ = ["StreamSpec", "Streams", "compare_stream", "stream_settings"]

WINDOW: Final = 120.0
"""Seconds: the duplicate window of a stream that we create without being told."""
_FIXED: Final = ("storage", "retention")
_ARGUMENTS: Final = {
    "max_age": "Limits(age)",
    "max_msgs": "Limits(messages)",
    "max_bytes": "Limits(bytes)",
    "max_msg_size": "Limits(message_size)",
    "storage": "NatsOptions(storage)",
    "num_replicas": "NatsOptions(replicas)",
    "duplicate_window": "NatsOptions(duplicate_window)",
}
_OVERLAP: Final = 10065
_SETTLING: Final = 0.05
"""Seconds after which a change is looked at again: another application may have written over it."""


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """A stream that must exist. `settings` are in the server's words and units."""

    name: str
    subjects: Sequence[str]
    settings: Mapping[str, Any]
    initial: Mapping[str, Any]
    """Settings of a new stream that an existing one may have otherwise."""


class Streams:
    """Creates and changes streams, and nothing that has not to be."""

    def __init__(self, jetstream: JetStream) -> None:
        self._jetstream = jetstream

    async def holders(self, subject: str) -> list[str]:
        """Return the streams that store something of a subject."""
        found = await self._jetstream.call("STREAM.NAMES", {"subject": subject})
        return list(found.get("streams") or ())

    async def config(self, name: str) -> dict[str, Any] | None:
        """Return a stream's settings, or None if there is none of that name."""
        found = await self._jetstream.find(f"STREAM.INFO.{name}")
        return None if found is None else dict(found["config"])

    async def compare(self, spec: StreamSpec) -> list[Change]:
        """Return what `ensure` would do."""
        return compare_stream(spec, await self.config(spec.name))

    async def ensure(self, spec: StreamSpec) -> None:
        """Create or update a stream until it is as wanted.

        :raises ConfigurationError: if it cannot be; names the argument, old and new value.
        """
        for _ in range(10):
            config = await self.config(spec.name)
            changes = compare_stream(spec, config)
            refuse_impossible(changes)
            if all(change.action is Action.KEEP for change in changes):
                return
            await self._write(spec, config)
            await asyncio.sleep(_SETTLING)
        raise ConfigurationError(f"stream {spec.name!r} is changed by others again and again")

    async def _write(self, spec: StreamSpec, config: dict[str, Any] | None) -> None:
        operation = "CREATE" if config is None else "UPDATE"
        known = () if config is None else config.get("subjects") or ()
        wanted = {
            **(spec.initial if config is None else config),
            **spec.settings,
            "name": spec.name,
            "subjects": merged([*known, *spec.subjects]),
        }
        try:
            await self._jetstream.call(f"STREAM.{operation}.{spec.name}", wanted)
        except ApiError as error:
            await self._explain(error, spec)

    async def _explain(self, error: ApiError, spec: StreamSpec) -> None:
        if error.is_temporary or error.reason == 10058:  # made by another since we looked
            return
        holders = {name for subject in spec.subjects for name in await self.holders(subject)}
        others = ", ".join(sorted(holders - {spec.name}))
        hint = f"; {others} holds some of them" if error.reason == _OVERLAP else ""
        raise ConfigurationError(
            f"stream {spec.name!r} cannot hold {', '.join(spec.subjects)}: {error}{hint}",
            remedy="give events that overlap the same limits, or take them out of the other stream"
            if hint
            else "",
        ) from error


def stream_settings(options: NatsOptions, limits: Limits) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings that limits and options ask for, and those of a new stream alone."""
    settings: dict[str, Any] = {
        "retention": "limits",
        "max_age": int((limits.age or 0) * NANOSECONDS),
        "max_msgs": limits.messages or -1,
        "max_bytes": limits.bytes or -1,
        "max_msg_size": limits.message_size or -1,
    }
    window = options.duplicate_window or WINDOW
    window = min(window, limits.age) if limits.age else window
    initial = {
        "discard": "old",
        "allow_direct": True,
        "storage": options.storage or "file",
        "num_replicas": options.replicas or 1,
        "duplicate_window": int(window * NANOSECONDS),
    }
    asked = {
        "storage": options.storage,
        "num_replicas": options.replicas,
        "duplicate_window": options.duplicate_window,
    }
    settings |= {name: initial[name] for name, value in asked.items() if value is not None}
    return settings, initial


def compare_stream(spec: StreamSpec, config: Mapping[str, Any] | None) -> list[Change]:
    """Return a row for each setting that differs, or one that tells that nothing does."""
    if config is None:
        return [Change(Action.CREATE, "stream", spec.name)]
    rows = [
        Change(
            Action.IMPOSSIBLE if setting in _FIXED else Action.UPDATE,
            "stream",
            spec.name,
            _ARGUMENTS.get(setting, setting),
            _readable(setting, config.get(setting)),
            _readable(setting, wanted),
        )
        for setting, wanted in spec.settings.items()
        if config.get(setting) != wanted
    ]
    known = config.get("subjects") or ()
    missing = [name for name in spec.subjects if not any(covers(wide, name) for wide in known)]
    if missing:
        now = ", ".join(known)
        rows.append(Change(Action.UPDATE, "stream", spec.name, "subjects", now, ", ".join(missing)))
    return rows or [Change(Action.KEEP, "stream", spec.name)]


def refuse_impossible(changes: Sequence[Change]) -> None:
    """Raise for what is otherwise on the server and cannot be changed there.

    :raises ConfigurationError: naming the setting, old and new value.
    """
    for change in changes:
        if change.action is Action.IMPOSSIBLE:
            raise ConfigurationError(
                f"{change.what} {change.name!r} exists with {change.setting} = {change.old}, "
                f"not {change.new}, and that cannot be changed",
                remedy="use what exists, or remove it by hand; its messages go with it",
            )


def _readable(setting: str, value: object) -> str:
    if setting in ("max_age", "duplicate_window") and isinstance(value, int):
        return f"{value / NANOSECONDS:g} s" if value else "none"
    return "none" if value == -1 else str(value)
