"""An application under test: the same handlers, no broker, and time that stands still."""

import asyncio
import inspect
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, TypeVar

from wireloom.application import Application
from wireloom.client import ClientProxy
from wireloom.codec import JSON, codec_for
from wireloom.contracts import Event, Rpc
from wireloom.discovery import load_transport
from wireloom.errors import UnknownTransportError
from wireloom.middleware import Call
from wireloom.pattern import Literal, Pattern, PatternIndex
from wireloom.spi import Context, DeadLetter, Message, Receipt, Transport
from wireloom.testing.clock import ManualClock
from wireloom.testing.loop import idle
from wireloom.testing.standin import Emitted, Reply, Stage, stand_in

__all__ = ["TestApp"]

T = TypeVar("T")


class TestApp:
    """Runs an application in this process; every token keeps its kind and is memory.

        async with TestApp(app, overrides={UserStore: FakeStore()}) as test:
            test.answer(GET_USER, User(id=1))            # what another service would say
            await test.emit(ORDER_PLACED, order)         # as another service would
            await test.settled()
            assert test.payloads(STOCK_RESERVED) == [Reserved(order=1)]

    Time passes in `advance` alone: retries, delays, timeouts and batches wait for it. What the
    transports' capabilities rule out is refused as ever.
    """

    __test__ = False  # pytest: this is no test, whatever its name begins with

    def __init__(
        self,
        app: Application,
        *,
        overrides: Mapping[Any, object] | None = None,
        clock: ManualClock | None = None,
    ) -> None:
        """Make a copy of the application to be tested.

        :param overrides: values in place of what the container would make, by type or token.
        """
        self.clock = clock or ManualClock()
        self._stage = Stage(f"test {secrets.token_hex(8)}")
        self._stage.find_reply = self._find_reply
        self._answers: PatternIndex[tuple[str | None, Reply, bool]] = PatternIndex()
        self._running: list[str] = []
        self._ended = asyncio.Event()
        plan = app.blueprint
        layers = replace(plan.layers, middleware=(self._count, *plan.layers.middleware))
        inside = replace(
            plan,
            load=self._load(observed=True),
            clock=self.clock,
            layers=layers,
            overrides={**plan.overrides, **(overrides or {})},
        )
        self.app = Application.from_blueprint(inside)
        outside = replace(
            plan,
            name="test",
            controllers=(),
            handlers=(),
            providers=(),
            emits=(),
            transports={},
            clients={**plan.transports, **plan.clients},
            load=self._load(observed=False),
            clock=self.clock,
        )
        self._outside = Application.from_blueprint(outside)

    async def __aenter__(self) -> Self:
        """Start the application, and a caller beside it."""
        await self.app.start()
        await self._outside.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop both; handlers that still run are cancelled."""
        await self._outside.stop(grace=0.0)
        await self.app.stop(grace=0.0)

    # --- the world outside ---

    def client(self, token: str | None = None) -> ClientProxy:
        """Return the client of another service on this token; None: the only one.

        :raises UnknownTransportError: if there is no such token, or several and none is named.
        """
        tokens = list(self.app.links)
        if token is None and len(tokens) > 1:
            raise UnknownTransportError("None", installed=tokens, noun="token")
        return self._outside.client(token or tokens[0])

    async def emit(
        self, pattern: Any, *payload: Any, token: str | None = None, **options: Any
    ) -> Receipt:
        """Emit as another service would; options are those of `ClientProxy.emit`."""
        return await self.client(token).emit(pattern, *payload, **options)

    async def send(
        self, pattern: Any, *payload: Any, token: str | None = None, **options: Any
    ) -> Any:
        """Send as another service would; options are those of `ClientProxy.send`."""
        return await self.client(token).send(pattern, *payload, **options)

    def answer(
        self,
        pattern: Literal | Pattern | Rpc[Any, Any],
        answer: object,
        *,
        token: str | None = None,
    ) -> None:
        """Answer requests that the application sends to another service.

        :param answer: the answer; an exception to raise; or a function of the payload, plain,
            async, or an async generator for a stream.
        """
        contract = pattern if isinstance(pattern, Rpc) else None
        parsed = contract.pattern if contract else Pattern.of(pattern)
        reply = _reply(answer, contract)
        streams = inspect.isasyncgenfunction(answer)
        self._answers.add(parsed, (token, reply, streams))

    # --- what became of it ---

    @property
    def emitted(self) -> list[Emitted]:
        """Return the events that the application has published so far, in order."""
        return self._stage.emitted

    def payloads(self, contract: Event[T]) -> list[T]:
        """Return the payloads that it has published by this contract, as its type."""
        decode = codec_for(contract.codec).decoder(contract.type)
        matching = (one for one in self.emitted if contract.pattern.matches(one.address))
        return [decode(one.message.body) for one in matching]

    async def dead_letters(
        self, subscription: str, *, token: str | None = None
    ) -> list[DeadLetter]:
        """Return what a handler gave up, by its durable name such as `users.Users.welcome`."""
        tokens = list(self.app.links) if token is None else [token]
        stores = [self.app.links[name].transport.dead_letters for name in tokens]
        return [letter for store in stores async for letter in store.read(subscription)]

    def context(self, **fields: Any) -> None:
        """Let contexts show these values from now on, such as `subject="users.1"`."""
        self._stage.fields.update(fields)

    # --- time ---

    async def settled(self, within: float = 5.0) -> None:
        """Wait until no handler runs and nothing more happens without moving the clock.

        :raises AssertionError: if handlers still run after `within` seconds of real time.
        """
        try:
            async with asyncio.timeout(within):
                await idle()
                while self._running:
                    self._ended.clear()
                    await self._ended.wait()
                    await idle()
        except TimeoutError:
            raise AssertionError(f"still running after {within:g} s: {self._running}") from None

    async def advance(self, seconds: float) -> None:
        """Move the clock; what falls due runs in order, each at its time."""
        await self.clock.advance(seconds)

    async def _count(self, context: Context, call: Call) -> Any:
        name = context.subscription
        self._running.append(name)
        try:
            return await call(context)
        finally:
            self._running.remove(name)
            self._ended.set()

    def _load(self, *, observed: bool) -> Callable[[str], type[Transport]]:
        made: dict[type[Transport], type[Transport]] = {}

        def load(name: str) -> type[Transport]:
            real = load_transport(name)
            if real not in made:
                made[real] = stand_in(real, self._stage, observed=observed)
            return made[real]

        return load

    def _find_reply(self, token: str, address: str) -> tuple[Reply, bool] | None:
        for asked, reply, streams in reversed(self._answers.find(address)):
            if asked in (None, token):
                return reply, streams
        return None


def _reply(answer: object, contract: Rpc[Any, Any] | None) -> Reply:
    codec = codec_for(JSON)
    decode = codec.decoder(contract.request if contract else None)
    encode = codec.encoder(contract.response if contract else None)

    async def reply(request: Message) -> AsyncIterator[bytes]:
        if isinstance(answer, BaseException):
            raise answer
        if not callable(answer):
            yield encode(answer)
            return
        result = answer(decode(request.body)) if request.body else answer()
        if isinstance(result, AsyncIterator):
            async for item in result:
                yield encode(item)
        else:
            yield encode(await result if inspect.isawaitable(result) else result)

    return reply
