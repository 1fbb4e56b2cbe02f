"""JetStream's API: JSON questions to the server."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from wireloom.errors import ConfigurationError, TransportError
from wireloom.spi import Clock
from wireloom_nats.frames import Arrival
from wireloom_nats.inbox import NO_RESPONDERS, Inbox

__all__ = ["NANOSECONDS", "ApiError", "JetStream", "read_answer"]

NANOSECONDS: Final = 1_000_000_000
OLDEST: Final = (2, 10)
"""The version that lets a consumer have several filters."""
TIMEOUT: Final = 5.0
"""Seconds that the server may take to answer."""
_NOT_FOUND: Final = 404


class ApiError(TransportError):
    """JetStream refused. `code` is like HTTP's, `reason` its own number of the error."""

    def __init__(self, code: int, reason: int, description: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(f"JetStream: {description or code}")

    @property
    def is_missing(self) -> bool:
        """Tell whether what was asked about does not exist."""
        return self.code == _NOT_FOUND or "no message found" in str(self)

    @property
    def is_temporary(self) -> bool:
        """Tell whether the same may succeed in a moment."""
        return self.code in (429, 503)


class JetStream:
    """The API below one prefix, and the server's clock as its answers show it."""

    def __init__(self, inbox: Inbox, prefix: str, clock: Clock) -> None:
        self.prefix = prefix
        self._inbox = inbox
        self._clock = clock
        self._ahead: float | None = None

    def now(self) -> float:
        """Return seconds since the epoch by the server's clock; by ours until it has answered."""
        if self._ahead is None:
            return self._clock.now()
        return self._clock.monotonic() + self._ahead

    async def call(self, operation: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the answer to one question.

        :raises ApiError: if the server refused.
        :raises TransportError: if there was no answer.
        """
        asked = self._clock.monotonic()
        answer = await self._inbox.ask(
            f"{self.prefix}.{operation}",
            b"" if body is None else json.dumps(body).encode(),
            timeout=TIMEOUT,
        )
        found = read_answer(answer)
        self._set_clock(found.get("ts"), asked)
        return found

    async def find(
        self, operation: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any] | None:
        """Return the answer to one question, or None if what it is about does not exist."""
        try:
            return await self.call(operation, body)
        except ApiError as error:
            if error.is_missing:
                return None
            raise

    async def get(
        self, stream: str, *, last: str | None = None, seq: int = 0, next_of: str = ""
    ) -> Arrival | None:
        """Return one stored message, read from whichever replica answers: the `last` of a subject,
        or the `next_of` a subject from `seq` on; None if there is none.

        :raises TransportError: if there was no answer.
        """
        subject = f"{self.prefix}.DIRECT.GET.{stream}"
        body = json.dumps({"seq": seq, "next_by_subj": next_of}).encode()
        if last is not None:
            subject, body = f"{subject}.{last}", b""
        answer = await self._inbox.ask(subject, body, timeout=TIMEOUT)
        if answer.status == _NOT_FOUND:
            return None
        if answer.status:
            raise ApiError(answer.status, 0, answer.headers.get("description", ""))
        return answer

    async def check(self) -> None:
        """See that the account has JetStream, of a server that is new enough.

        :raises ConfigurationError: if it has not.
        """
        version = self._inbox.server_version
        if (0, 0) < version < OLDEST:
            raise ConfigurationError(
                f"durable events need nats-server {_text(OLDEST)} or newer, not {_text(version)}"
            )
        try:
            await self.call("INFO")
        except ApiError as error:
            raise ConfigurationError(
                f"durable events need JetStream, and the server says: {error}",
                remedy="start nats-server with -js, allow it for the account, or use durable=False",
            ) from error

    def _set_clock(self, stamp: object, asked: float) -> None:
        if isinstance(stamp, str):
            answered = self._clock.monotonic()
            self._ahead = timestamp(stamp) - (asked + answered) / 2


def _text(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def timestamp(text: str) -> float:
    """Return seconds since the epoch of a time as the server writes it, with nanoseconds."""
    head, _, fraction = text.rstrip("Z").partition(".")
    whole = datetime.fromisoformat(f"{head}+00:00").timestamp()
    return whole + (int(fraction) / 10 ** len(fraction) if fraction.isdigit() else 0.0)


def read_answer(answer: Arrival) -> dict[str, Any]:
    """Return an answer's JSON.

    :raises ApiError: if it is an error, or no answer of JetStream's.
    """
    if answer.status == NO_RESPONDERS:
        raise ApiError(NO_RESPONDERS, 0, "nobody answers; JetStream is off, or not ready")
    try:
        found = json.loads(answer.body)
    except ValueError:
        raise ApiError(0, 0, "the answer is no JSON") from None
    if not isinstance(found, dict):
        raise ApiError(0, 0, "the answer is no JSON object")
    error = found.get("error")
    if isinstance(error, dict):
        raise ApiError(
            int(error.get("code", 0)),
            int(error.get("err_code", 0)),
            str(error.get("description", "")),
        )
    return found
