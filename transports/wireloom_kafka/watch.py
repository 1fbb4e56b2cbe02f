"""Whether the broker is there, asked now and then."""

import ssl
from typing import Final

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError

from wireloom.errors import ConnectionFailedError, TransportError
from wireloom.spi import Status
from wireloom_kafka.driver import Driver
from wireloom_kafka.guard import bounded, is_fatal
from wireloom_kafka.link import Link

__all__ = ["Watch", "diagnosis"]

EVERY: Final = 2.0
"""Seconds between looks."""
PATIENCE: Final = 3.0
"""Seconds for an answer; a broker that takes longer counts as away."""


class Watch:
    """Reports the status as the broker answers or does not."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._environment = link.environment
        self._status = Status.CONNECTED

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self._environment.clock.sleep(EVERY)
            try:
                await self._link.admin.probe(PATIENCE)
            except TransportError as error:
                self._link.is_up = False
                await self._lost(error)
            else:
                self._link.is_up = True
                self._report(Status.CONNECTED, None)

    async def _lost(self, error: TransportError) -> None:
        self._report(Status.RECONNECTING, error)
        found = await diagnosis(self._link.driver, self._link.options.servers, PATIENCE)
        if found is not None and found.fatal:
            self._report(Status.FAILED, found)

    def _report(self, status: Status, error: Exception | None) -> None:
        if status is self._status or (
            status is Status.RECONNECTING and self._status is Status.FAILED
        ):
            return
        self._status = status
        self._environment.report(status, error)


async def diagnosis(
    driver: Driver, servers: list[str], patience: float
) -> ConnectionFailedError | None:
    """Return why no broker lets us in, or None if one does: the driver's clients only log it."""
    found: ConnectionFailedError | None = None
    for server in servers:
        found = await _try(driver, server, patience)
        if found is None or found.fatal:
            return found
    return found


async def _try(driver: Driver, server: str, patience: float) -> ConnectionFailedError | None:
    host, _, port = server.rpartition(":")
    try:
        connection = await bounded(
            create_conn(host.strip("[]"), int(port), **driver.connection()), patience, server
        )
    except TransportError as error:
        cause = error.__cause__
        refused = is_fatal(cause) if isinstance(cause, KafkaError) else False
        untrusted = isinstance(cause, ssl.SSLCertVerificationError)
        return ConnectionFailedError(str(error), fatal=refused or untrusted)
    connection.close()
    return None
