"""Makes the parts of one transport, and opens and closes them in order."""

import logging
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from redis.asyncio import RedisCluster

from wireloom.errors import TransportError
from wireloom.spi import Environment
from wireloom_redis.bell import Bell
from wireloom_redis.channels import Channels
from wireloom_redis.clock import ServerClock
from wireloom_redis.connector import connector
from wireloom_redis.declared import Declared
from wireloom_redis.delays import Delays
from wireloom_redis.hub import Hub
from wireloom_redis.names import Names
from wireloom_redis.options import RedisOptions
from wireloom_redis.server_check import check_server
from wireloom_redis.session import Session
from wireloom_redis.tasks import Tasks
from wireloom_redis.trimming import Trimmer

__all__ = ["Plant"]

_log = logging.getLogger("wireloom.redis")


class Plant:
    """What runs in the background as long as the transport is open."""

    def __init__(self, options: RedisOptions, environment: Environment) -> None:
        cluster = isinstance(options.client, RedisCluster) or urlsplit(options.url).scheme.endswith(
            "+cluster"
        )
        names = Names(options.namespace, cluster=cluster)
        channels = Channels()
        self._connector = connector(options, names.tag)
        session = Session(self._connector, environment, channels.dispatch, options.heartbeat)
        self.hub = Hub(
            options=options,
            environment=environment,
            names=names,
            session=session,
            channels=channels,
            clock=ServerClock(environment.clock),
            bell=Bell(self._connector, session, options.block),
            delays=Delays(session),
            declared=Declared(),
            tasks=Tasks(),
        )
        self._cluster = cluster
        self._warned = False
        session.on_restore(self._check)
        session.on_restore(lambda: self.hub.clock.compare(session))
        session.on_restore(lambda: channels.restore(session))

    @property
    def native(self) -> object:
        """Return the driver's client."""
        return self._connector.native

    def restore_last(
        self, forget: Callable[[], None], list_all: Callable[[], Awaitable[None]]
    ) -> None:
        """Have the lists of who serves what forgotten and written on every new connection."""

        async def restore() -> None:
            forget()
            await list_all()

        self.hub.session.on_restore(restore)

    async def open(self, beat: Callable[[], Awaitable[None]]) -> None:
        """Connect, and start what runs in the background.

        :raises ConnectionFailedError: if that failed; it can be called again then.
        """
        hub = self.hub
        await hub.session.start()
        trimmer = Trimmer(
            hub.session, hub.names, hub.declared, hub.environment.clock, hub.options.sweep
        )
        hub.tasks.start("waiting for news", hub.bell.run)
        hub.tasks.start("moving what is due", hub.delays.run)
        if hub.options.declare:
            hub.tasks.start("trimming", trimmer.run)
        hub.tasks.start("telling that we live", lambda: self._beat(beat))

    async def close(self) -> None:
        """End it all, each step bounded."""
        await self.hub.tasks.stop()
        await self.hub.session.close()
        try:
            await self._connector.close()
        except (TransportError, OSError, TimeoutError, ValueError) as error:
            _log.debug("closing the driver's client: %s", error)

    async def _beat(self, beat: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self.hub.environment.clock.sleep(self.hub.options.heartbeat)
            await self.hub.session.wait_up()
            await self.hub.clock.compare(self.hub.session)
            await beat()

    async def _check(self) -> None:
        dangers = await check_server(
            self.hub.session,
            cluster=self._cluster,
            require_durable=self.hub.options.require_durable,
        )
        if not self._warned:
            self._warned = True
            for danger in dangers:
                _log.warning("Redis: %s", danger)
