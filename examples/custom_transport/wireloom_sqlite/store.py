"""The file: queues, messages, and who is alive.

Statements run on the event loop: each is a transaction of some 50 microseconds, since nothing but
other such transactions is ever waited for.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from wireloom.errors import ConnectionFailedError, ConnectionLostError, NoHandlerError, PublishError
from wireloom.pattern import Pattern
from wireloom.spi import Clock, Kind, Message, Subscription
from wireloom_sqlite import schema
from wireloom_sqlite.options import SqliteOptions

__all__ = ["Store"]

BUSY = 5.0
"""Seconds that a transaction may wait for those of other processes."""


class Store:
    """One connection to the file, by one instance."""

    def __init__(self, options: SqliteOptions, instance: str, clock: Clock) -> None:
        """Open the file.

        :raises ConnectionFailedError: if that cannot be done.
        """
        self.instance = instance
        self._clock = clock
        self._dead_after = options.dead_after
        try:
            self.database = sqlite3.connect(options.file, timeout=BUSY, isolation_level=None)
            self.database.executescript(schema.SCHEMA)
        except sqlite3.Error as error:
            raise ConnectionFailedError(f"sqlite: {options.file}: {error}", fatal=True) from error
        self.beat()

    def close(self) -> None:
        """Leave: what was taken and not settled goes to others."""
        with self.transaction() as run:
            run(schema.DROP_DEAD, (self.instance, 0.0))
            self._release(run)
        self.database.close()

    @contextmanager
    def transaction(self) -> Iterator[Callable[..., sqlite3.Cursor]]:
        """Do all or nothing.

        :raises PublishError: if it was nothing.
        """
        try:
            self.database.execute("BEGIN IMMEDIATE")
            try:
                yield self.database.execute
            except BaseException:
                self.database.execute("ROLLBACK")
                raise
            self.database.execute("COMMIT")
        except sqlite3.Error as error:
            raise PublishError(f"sqlite: {error}") from error

    def version(self) -> int:
        """Return a number that changes whenever another connection has written.

        :raises ConnectionLostError: if the file cannot be read.
        """
        (version,) = self._read("PRAGMA data_version")
        return int(version)

    def beat(self) -> None:
        """Give a sign of life, and take away what the dead had."""
        now = self._clock.now()
        with self.transaction() as run:
            run("INSERT OR REPLACE INTO instance (name, seen) VALUES (?, ?)", (self.instance, now))
            run(schema.DROP_DEAD, ("", now - self._dead_after))
            run(schema.EXPIRE, (now,))
            self._release(run)

    def join(self, queue: str, subscription: Subscription, *, alone: bool) -> None:
        """Take part in a queue, which is made if it is not there. `alone`: it goes with us."""
        owner = self.instance if alone else None
        self._open(
            queue,
            (subscription.kind, subscription.pattern.filter, subscription.durable,
             subscription.name, owner, subscription.limits.age),
        )  # fmt: skip

    def open_inbox(self, address: str) -> None:
        """Make a queue for replies, which goes with us."""
        self._open(address, (Kind.REPLY, address, False, None, self.instance, None))

    def leave(self, queue: str, *, drop: bool) -> None:
        """Take part no more; `drop` the queue with what is in it."""
        with self.transaction() as run:
            run(schema.LEAVE, (queue, self.instance))
            if drop:
                run("DELETE FROM queue WHERE name = ?", (queue,))
                run("DELETE FROM message WHERE queue = ?", (queue,))

    def publish(self, messages: Sequence[Message]) -> list[int]:
        """Put messages into their queues, all or none; return into how many each went.

        :raises NoHandlerError: for a request that nobody handles.
        """
        with self.transaction() as run:
            return [self._add(run, message) for message in messages]

    def claim(self, queue: str, limit: int) -> list[Any]:
        """Take our share of what is due, in the order of publishing."""
        now = self._clock.now()
        waiting, takers = self._read(schema.SHARE, queue, now, limit)
        if not waiting:
            return []
        share = -(-waiting // max(takers, 1))
        with self.transaction() as run:
            return sorted(run(schema.CLAIM, (self.instance, queue, now, share)).fetchall())

    def drain(self, queue: str, limit: int) -> list[Any]:
        """Take out what is in a queue that nobody else takes from, in the order of publishing."""
        if not self._read(schema.ANY, queue):
            return []
        with self.transaction() as run:
            return sorted(run(schema.DRAIN, (queue, limit)).fetchall())

    def due_in(self, queue: str) -> float | None:
        """Return the seconds until the next message may be taken; None if there is none."""
        (due,) = self._read(schema.NEXT, queue)
        return None if due is None else max(0.0, due - self._clock.now())

    def settle(self, statement: str, *values: object) -> None:
        """Run one statement, which is a transaction of its own.

        :raises PublishError: if it was not run.
        """
        try:
            self.database.execute(statement, values)
        except sqlite3.Error as error:
            raise PublishError(f"sqlite: {error}") from error

    def bury(self, subscription: str, row: int, facts: Mapping[str, str]) -> None:
        """Make a message a dead letter, in one step."""
        with self.transaction() as run:
            run(schema.BURY, (subscription, json.dumps(dict(facts)), row))
            run(schema.FORGET, (row,))

    def _read(self, query: str, *values: object) -> Any:
        try:
            return self.database.execute(query, values).fetchone()
        except sqlite3.Error as error:
            raise ConnectionLostError(f"sqlite: {error}") from error

    def _open(self, queue: str, values: tuple[object, ...]) -> None:
        with self.transaction() as run:
            run(schema.OPEN_QUEUE, (queue, *values))
            run(schema.TAKE_PART, (queue, self.instance))

    def _add(self, run: Callable[..., sqlite3.Cursor], message: Message) -> int:
        queues = self._queues(run, message)
        now = self._clock.now()
        for queue in queues:
            run(
                schema.ADD,
                (queue, message.kind, message.address, message.body,
                 json.dumps(dict(message.headers)), message.id, message.reply_to, message.key,
                 now, now + message.delay),
            )  # fmt: skip
        return len(queues)

    def _queues(self, run: Callable[..., sqlite3.Cursor], message: Message) -> list[str]:
        if message.kind >= Kind.REPLY:  # whoever asked may be gone, which is no error
            return [message.address] if run(schema.ASK, (message.address,)).fetchone() else []
        is_request = message.kind is Kind.REQUEST
        rows = run(schema.REQUEST_QUEUE if is_request else schema.EVENT_QUEUES).fetchall()
        found = [name for name, text in rows if _pattern(text).matches(message.address)]
        if is_request and not found:
            raise NoHandlerError(f"nobody handles {message.address!r}")
        return found[:1] if is_request else found

    def _release(self, run: Callable[..., sqlite3.Cursor]) -> None:
        for statement in schema.RELEASE:
            run(statement)


@lru_cache(maxsize=4096)
def _pattern(text: str) -> Pattern:
    return Pattern(text)
