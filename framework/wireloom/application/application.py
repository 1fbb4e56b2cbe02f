"""The application: its start, its life, its end."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Final, Self

from wireloom.application.assembly import Assembly, assemble, links_of
from wireloom.application.blueprint import Blueprint
from wireloom.application.bootstrap import TransportValue
from wireloom.application.process import run_process
from wireloom.budget import Budget
from wireloom.client import ClientProxy
from wireloom.errors import ClosedError, ConfigurationError, UnknownTransportError
from wireloom.middleware import ExceptionFilter, Guard, Layers, Middleware
from wireloom.server import Server
from wireloom.server.build import bound_handlers
from wireloom.spi import Clock, Status, SystemClock
from wireloom.tasks import running_task
from wireloom.threads import Threads

__all__ = ["Application"]

log = logging.getLogger("wireloom")
CLOSING: Final = 4.7
"""Seconds beyond the grace period for everything else that a drain does: 5, less some slack."""


class Application:
    """Serves handlers and gives out clients, on any number of transports.

    `async with app:` starts it and drains it; `app.run()` does so as a process of its own;
    `FastAPI(lifespan=app.lifespan)` within another. It may be started again once it has stopped.
    """

    def __init__(
        self,
        name: str,
        *,
        controllers: Sequence[type] = (),
        handlers: Sequence[Callable[..., Any]] = (),
        providers: Sequence[Any] = (),
        transports: Mapping[str, TransportValue] | None = None,
        clients: Mapping[str, TransportValue] | None = None,
        emits: Sequence[Any] | Mapping[str, Sequence[Any]] = (),
        middleware: Sequence[Middleware | type] = (),
        guards: Sequence[Guard | type] = (),
        filters: Sequence[ExceptionFilter] = (),
        require_guard: bool = False,
        grace: float = 30.0,
        clock: Clock | None = None,
        overrides: Mapping[Any, object] | None = None,
    ) -> None:
        """Describe an application.

        :param name: also the default group of its handlers.
        :param providers: classes, factories, `provide(...)`, dishka providers.
        :param transports: by token, what it serves and calls. None, with no clients: memory.
        :param clients: by token, what it only calls.
        :param emits: events that it publishes and does not handle, so that they are declared;
            for all serving tokens, or a mapping by token.
        :param require_guard: refuse to start if a handler has no guard at any level.
        :param grace: seconds for which running handlers may go on when it stops.
        :param overrides: values in place of what the container would make, by type or token.
        :raises ConfigurationError: if a transport is unknown, its driver missing, or its options
            are wrong. Handlers are checked by `check` and at start.
        """
        if not name or any(char.isspace() or char in "*>" for char in name):
            raise ConfigurationError(f"Application({name!r}): a name without spaces, '*' and '>'")
        if grace < 0:
            raise ConfigurationError(f"Application(grace={grace}): seconds from 0 up")
        if not transports and not clients:
            transports = {"main": "memory://"}
        self._set_up(
            Blueprint(
                name=name,
                controllers=tuple(controllers),
                handlers=tuple(handlers),
                providers=tuple(providers),
                transports=dict(transports or {}),
                clients=dict(clients or {}),
                emits=emits if isinstance(emits, Mapping) else tuple(emits),
                layers=Layers(tuple(middleware), tuple(guards), tuple(filters)),
                require_guard=require_guard,
                grace=grace,
                clock=clock or SystemClock(),
                overrides=dict(overrides or {}),
            )
        )

    @classmethod
    def from_blueprint(cls, blueprint: Blueprint) -> Self:
        """Return the application that a blueprint describes; for tests that change one."""
        application = cls.__new__(cls)
        application._set_up(blueprint)
        return application

    def _set_up(self, blueprint: Blueprint) -> None:
        self.blueprint = blueprint
        self.name = blueprint.name
        self.links = links_of(blueprint)
        self._clients = {token: ClientProxy(link) for token, link in self.links.items()}
        self.servers: list[Server] = []
        self._assembly: Assembly | None = None
        self._threads: Threads | None = None
        self._serving = False
        self._starting: _Starting | None = None
        self._stopping = asyncio.Lock()

    def client(self, token: str) -> ClientProxy:
        """Return the client of a token, outside the container. Legal before the start.

        :raises UnknownTransportError: if there is no such token; lists those there are.
        """
        if token not in self._clients:
            raise UnknownTransportError(token, installed=self._clients, noun="token")
        return self._clients[token]

    def check(self) -> Assembly:
        """Compile everything and connect nothing.

        :raises ConfigurationError: whatever the start would refuse.
        """
        return assemble(self.blueprint, self.links, self._clients)

    async def start(self) -> None:
        """Connect all, declare, subscribe all; ready on return. If one fails, none stays.

        :raises ConfigurationError: if the program is wrong; nothing was connected then.
        :raises ConnectionFailedError: if a broker was not reached in its `startup_timeout`.
        :raises ClosedError: if it was stopped before it was ready.
        """
        if self._assembly is not None:
            raise ConfigurationError(f"application {self.name!r} is started already")
        self._assembly = self.check()
        self._threads = Threads()
        self._stopping = asyncio.Lock()
        starting = self._starting = _Starting()
        try:
            await self._connect()
            await self._serve(self._assembly, self._threads)
        except BaseException as error:
            stopped = starting.was_stopped(error)
            await self._drain(0.0)
            if stopped:
                raise ClosedError(f"{self.name!r} was stopped while it was starting") from None
            raise
        finally:
            self._starting = None
            starting.over.set()
        self._serving = True
        log.info("%s: ready", self.name)

    async def stop(self, grace: float | None = None) -> None:
        """Drain: stop the intake, give back what was not started, wait for running handlers up to
        the grace period, cancel the rest, flush, close. Takes `grace` + 5 s at most, whatever the
        brokers do. Stopping what is not started is no error; what is being started is given up.
        """
        self._serving = False
        if self._assembly is None:
            return
        if self._starting is not None:
            await self._starting.stop()
        async with self._stopping:
            await self._drain(self.blueprint.grace if grace is None else grace)

    async def _drain(self, grace: float) -> None:
        if self._assembly is None:  # somebody else has stopped it meanwhile
            return
        loop = asyncio.get_running_loop()
        budget = Budget(CLOSING, steps=8)
        seconds = budget.next()
        await _all(server.unsubscribe(seconds) for server in self.servers)
        seconds = budget.next()
        await _all(server.give_back(seconds) for server in self.servers)
        began = loop.time()
        await _all(server.wait(grace) for server in self.servers)
        budget.extend(loop.time() - began)
        for step in (Server.give_back, Server.cancel):
            seconds = budget.next()
            await _all(step(server, seconds) for server in self.servers)
        seconds = budget.next()
        await _all(client.drain(seconds) for client in self._clients.values())
        seconds = budget.next()
        await _all(server.close(seconds) for server in self.servers)
        seconds = budget.next()
        await _all(link.close(seconds) for link in self.links.values())
        await _all([_bounded(self._assembly.container.close(), budget.next())])
        if self._threads is not None:
            self._threads.close()
        self.servers, self._assembly, self._threads = [], None, None
        log.info("%s: stopped", self.name)

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Drain and stop."""
        await self.stop()

    @asynccontextmanager
    async def lifespan(self, _asgi: object = None) -> AsyncIterator[None]:
        """Run inside an ASGI server: `FastAPI(lifespan=app.lifespan)`. Sets no signal handlers."""
        async with self:
            yield

    def run(self) -> None:
        """Run until SIGTERM or SIGINT, then drain; a second signal ends the process at once.

        :raises SystemExit: 0 after a drain; 2 if it could not start, with the reason on stderr.
        """
        raise SystemExit(run_process(self))

    @property
    def ready(self) -> bool:
        """Tell whether everything is subscribed and every connection is up."""
        return self._serving and all(link.healthy for link in self.links.values())

    def health(self) -> dict[str, Any]:
        """Return what a health endpoint shows: plain values, no secrets."""
        return {
            "name": self.name,
            "ready": self.ready,
            "in_flight": sum(server.in_flight for server in self.servers),
            "transports": {token: link.health() for token, link in self.links.items()},
        }

    async def _connect(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for link in self.links.values():
                    group.create_task(link.start(), name=f"wireloom connect {link.token}")
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        for client in self._clients.values():
            client.started()

    async def _serve(self, assembly: Assembly, threads: Threads) -> None:
        handlers = await bound_handlers(list(assembly.routes), assembly.container, threads.run)
        made = {one: await assembly.container.get(one) for one in assembly.layer_classes}
        for token, link in self.links.items():
            await link.transport.declare(assembly.declarations[token])
        for token, entries in assembly.subscriptions.items():
            served = [(route, subscription, handlers[route]) for route, subscription in entries]
            self.servers.append(Server(self.links[token], served, self.blueprint.layers, made))
        for server in self.servers:
            await server.start()
        _check_up(self.links.values())


class _Starting:
    """A start under way, which may be stopped."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self._task = running_task()
        self._stopped = False
        self._failed = False

    async def stop(self) -> None:
        """Give it up; return when nothing of it is left."""
        if not (self._stopped or self._failed):  # else it is cleaning up already
            self._stopped = True
            self._task.cancel()
        await self.over.wait()

    def was_stopped(self, error: BaseException) -> bool:
        """Tell whether it failed since it was stopped, and not since its task was cancelled."""
        self._failed = True
        if not self._stopped:
            return False
        return self._task.uncancel() <= 0 and isinstance(error, asyncio.CancelledError)


def _check_up(links: Any) -> None:
    for link in links:
        if link.status is Status.FAILED and link.error is not None:
            raise link.error


async def _bounded(step: Awaitable[None], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        await step


async def _all(steps: Any) -> None:
    """Do one step of the drain everywhere at once; what one meets does not stop the others."""
    for outcome in await asyncio.gather(*steps, return_exceptions=True):
        if isinstance(outcome, Exception):
            log.error("while stopping", exc_info=outcome)
