"""How entries of a group are settled, many at once where many are done in one loop turn."""

import asyncio
from typing import Any

from wireloom.errors import ConnectionLostError
from wireloom_redis.failures import RefusedError
from wireloom_redis.link import Link
from wireloom_redis.session import Session

__all__ = ["Acks"]


class Acks:
    """Acknowledges entries of one group on one stream by one command a loop turn.

    What was done when the connection broke is remembered in `finished`, and acknowledged instead
    of being handled again once the connection is back.
    """

    def __init__(self, session: Session, key: str, group: str, *, forget: bool) -> None:
        self._session = session
        self._key = key
        self._group = group
        self._forget = forget
        """Whether an entry is deleted when it is done, since nobody else reads the stream."""
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []
        self.finished: set[str] = set()

    def add(self, entry_id: str) -> "asyncio.Future[None]":
        """Acknowledge an entry; the future ends when the server has done so."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._send)
        self._waiting.append((entry_id, done))
        return done

    async def repeat(self) -> None:
        """Acknowledge what was finished when a connection broke."""
        if self.finished:
            entries = list(self.finished)
            await asyncio.gather(*self._commands(self._session.link, entries))
            self.finished.difference_update(entries)

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        entries = [entry_id for entry_id, _ in waiting]
        try:
            answers = self._commands(self._session.link, entries)
        except ConnectionLostError as error:
            self._answer(waiting, error)
            return
        asyncio.gather(*answers, return_exceptions=True).add_done_callback(
            lambda all_: self._answered(waiting, all_)
        )

    def _commands(self, link: Link, entries: list[str]) -> list["asyncio.Future[Any]"]:
        answers = [link.call("XACK", self._key, self._group, *entries)]
        if self._forget:
            answers.append(link.call("XDEL", self._key, *entries))
        return answers

    def _answered(
        self,
        waiting: list[tuple[str, "asyncio.Future[None]"]],
        answers: "asyncio.Future[list[Any]]",
    ) -> None:
        if answers.cancelled():
            self._answer(waiting, ConnectionLostError("closed before it was acknowledged"))
            return
        errors = [answer for answer in answers.result() if isinstance(answer, Exception)]
        self._answer(waiting, errors[0] if errors else None)

    def _answer(
        self, waiting: list[tuple[str, "asyncio.Future[None]"]], error: Exception | None
    ) -> None:
        if isinstance(error, ConnectionLostError):
            self.finished.update(entry_id for entry_id, _ in waiting)
        for _, done in waiting:
            if done.done():
                continue
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(_copy(error))


def _copy(error: Exception) -> Exception:
    """Return one's own of an error that many wait for: raising adds to it."""
    if isinstance(error, RefusedError):
        return RefusedError(str(error))
    return ConnectionLostError(str(error))
