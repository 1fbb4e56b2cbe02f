"""Steps that the server takes as one."""

from hashlib import sha1
from importlib.resources import files
from typing import Any

from wireloom_redis.failures import RefusedError
from wireloom_redis.session import Session

__all__ = [
    "AGAIN",
    "COUNTS",
    "DEAD",
    "DECLARE",
    "DUE",
    "GROUP",
    "LEASE",
    "LEAVE",
    "PUBLISH",
    "RELEASE",
    "REPLAY",
    "TRIM",
    "Script",
]

Argument = str | bytes | int | float


class Script:
    """One script, sent whole only to a server that does not know it."""

    def __init__(self, name: str) -> None:
        self.text = files("wireloom_redis").joinpath("lua", f"{name}.lua").read_text()
        self._digest = sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, session: Session, keys: list[str], *arguments: Argument) -> Any:
        """Return the script's answer.

        :raises RefusedError: if a command in it failed.
        :raises ConnectionLostError: if no answer came.
        """
        try:
            return await session.call("EVALSHA", self._digest, len(keys), *keys, *arguments)
        except RefusedError as error:
            if error.code != "NOSCRIPT":
                raise
        return await session.call("EVAL", self.text, len(keys), *keys, *arguments)


AGAIN = Script("again")
COUNTS = Script("counts")
DEAD = Script("dead")
DECLARE = Script("declare")

DUE = Script("due")
GROUP = Script("group")
LEASE = Script("lease")
LEAVE = Script("leave")
PUBLISH = Script("publish")
RELEASE = Script("release")
REPLAY = Script("replay")
TRIM = Script("trim")
