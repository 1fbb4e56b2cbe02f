"""Applications of one case, in one process: several of one name are its replicas."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from wireloom import Application, ClientProxy
from wireloom.spi import DeadLetter, DeadLetters, TransportOptions
from wireloom.testing.conformance.record import WITHIN
from wireloom.testing.conformance.site import Site

__all__ = ["TOKEN", "Cluster"]

TOKEN = "bus"


class Cluster:
    """Starts applications at one site, and stops what is left of them at the end."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._running: dict[Application, TransportOptions] = {}

    async def start(
        self, *handlers: Callable[..., Any], name: str = "service", **options: Any
    ) -> Application:
        """Start one more application, or replica; return when it is ready and known."""
        joined = self.site.join()
        app = Application(name, handlers=handlers, transports={TOKEN: joined}, **options)
        try:
            await app.__aenter__()
        except BaseException:
            self.site.leave(joined)
            raise
        self._running[app] = joined
        await self.site.linked(len(self._running))
        return app

    async def client(self, name: str = "caller", **options: Any) -> ClientProxy:
        """Start an application that only calls; return its client."""
        return (await self.start(name=name, **options)).client(TOKEN)

    async def stop(self, app: Application) -> None:
        """Stop one application, as the end of its `async with` does."""
        options = self._running.pop(app)
        await app.__aexit__(None, None, None)
        self.site.leave(options)

    async def close(self) -> None:
        """Stop all that run, at once; the case is over, so handlers are not waited for."""
        for options in self._running.values():
            self.site.leave(options)
        await asyncio.gather(*(app.stop(grace=0.0) for app in self._running))
        self._running.clear()

    def dead_letters(self, app: Application) -> DeadLetters:
        """Return what an application's transport gave up."""
        return app.links[TOKEN].transport.dead_letters

    async def letters(
        self, app: Application, subscription: str, count: int, within: float = WITHIN
    ) -> Sequence[DeadLetter]:
        """Wait until a subscription has so many dead letters; return all there are."""
        dead = self.dead_letters(app)
        found: list[DeadLetter] = []
        async with asyncio.timeout(within):
            while True:
                found = [letter async for letter in dead.read(subscription)]
                if len(found) >= count:
                    return found
                await asyncio.sleep(0.02)
