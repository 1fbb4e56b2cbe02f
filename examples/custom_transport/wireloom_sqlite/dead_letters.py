"""What was given up, in a table of its own."""

import json
from collections.abc import AsyncIterator, Sequence

from wireloom.errors import PublishError
from wireloom.spi import Clock, DeadLetter, Kind
from wireloom_sqlite import schema
from wireloom_sqlite.store import Store

__all__ = ["SqliteDeadLetters"]


class SqliteDeadLetters:
    """The dead letters in one file."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def read(self, subscription: str) -> AsyncIterator[DeadLetter]:
        """Go through what is there now, oldest first, removing nothing."""
        rows = self._store.database.execute(
            "SELECT id, address, uid, body, headers, facts, key FROM dead WHERE subscription = ? "
            "ORDER BY id",
            (subscription,),
        ).fetchall()
        for number, address, uid, body, headers, facts, key in rows:
            yield DeadLetter(
                id=str(number),
                subscription=subscription,
                address=address,
                message_id=uid,
                body=body,
                headers=json.loads(headers),
                facts=json.loads(facts),
                key=key,
            )

    async def replay(self, letter: DeadLetter) -> None:
        """Deliver it to its subscription alone, as run 1, then remove it here.

        :raises PublishError: if there is no such subscription any more.
        """
        now = self._clock.now()
        with self._store.transaction() as run:
            queues = run(schema.QUEUES_OF, (letter.subscription,)).fetchall()
            if not queues:
                raise PublishError(f"there is no subscription {letter.subscription!r}")
            for (queue,) in queues:
                run(
                    schema.ADD,
                    (queue, Kind.EVENT, letter.address, letter.body,
                     json.dumps(dict(letter.headers)), letter.message_id, None, letter.key,
                     now, now),
                )  # fmt: skip
            run("DELETE FROM dead WHERE id = ?", (letter.id,))

    async def remove(self, letters: Sequence[DeadLetter]) -> None:
        """Drop these for good."""
        with self._store.transaction() as run:
            for letter in letters:
                run("DELETE FROM dead WHERE id = ?", (letter.id,))
