"""How something on the broker differs from what is wanted, from the text of its refusal."""

import re
from dataclasses import dataclass, replace
from typing import Final

from aiormq.exceptions import ChannelPreconditionFailed

from wireloom_rabbitmq.items import Exchange, Queue

__all__ = ["Difference", "adopt", "difference"]

_DIFFERENCE: Final = re.compile(
    r"inequivalent arg '(?P<setting>[^']+)' for \w+ '.*' in vhost '.*?': "
    r"received (?P<new>.*?) but current is (?P<old>.*)$"
)
_VALUE: Final = re.compile(r"(?:the value )?'(?P<value>.*?)'(?: of type '(?P<type>\w+)')?$")


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting of something that exists."""

    setting: str
    old: str
    new: str


def difference(error: ChannelPreconditionFailed) -> Difference:
    """Return what the broker's refusal says."""
    text = " ".join(str(part) for part in error.args)
    found = _DIFFERENCE.search(text)
    if found is None:
        return Difference("settings", "others", text)
    return Difference(found["setting"], _value(found["old"]), _value(found["new"]))


def adopt(item: Exchange | Queue, found: Difference) -> Exchange | Queue:
    """Return the item with one setting as it is on the broker, to find the next that differs."""
    if found.setting == "type" and isinstance(item, Exchange):
        return replace(item, type=found.old)
    if found.setting == "auto_delete" and isinstance(item, Queue):
        return replace(item, auto_delete=found.old == "true")
    arguments = dict(item.arguments)
    if found.old == "none":
        arguments.pop(found.setting, None)
    else:
        arguments[found.setting] = _typed(found.old)
    return replace(item, arguments=arguments)


def _value(text: str) -> str:
    found = _VALUE.match(text.strip())
    return found["value"] if found else text.strip()


def _typed(text: str) -> object:
    if text in ("true", "false"):
        return text == "true"
    return int(text) if text.lstrip("-").isdigit() else text
