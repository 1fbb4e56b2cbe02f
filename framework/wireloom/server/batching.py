"""The story of a batch: decode each, call once, settle each apart."""

from typing import Any

from wireloom.errors import BatchError
from wireloom.middleware import Layers, fold
from wireloom.server.endpoint import Endpoint, seconds_left
from wireloom.server.events import EventSettlement
from wireloom.server.runner import failure
from wireloom.server.watchdog import NEVER, Run
from wireloom.spi import Context, Delivery, current_context

__all__ = ["BatchRunner"]


class BatchRunner:
    """Runs batches of one endpoint. Guards see each message; middleware and filters stand around
    the one call, with the context of the batch's last message.
    """

    def __init__(self, endpoint: Endpoint, settlement: EventSettlement, layers: Layers) -> None:
        self._endpoint = endpoint
        self._settlement = settlement
        handler = endpoint.handler

        async def read(context: Context) -> Any:
            return handler.read_item(context)

        self._read = fold(read, Layers(guards=layers.guards))
        self._around = Layers(middleware=layers.middleware, filters=layers.filters)

    async def process(self, deliveries: list[Delivery], run: Run) -> None:
        """Run and settle these. What fails is retried by the broker, apart from the rest.

        A message whose id is being run, in this batch or another, is run after this batch: waiting
        for it in here could be waiting for ourselves.
        """
        later = await self._process([], deliveries, run)
        for delivery in later:
            await self._process([delivery], [], run)

    async def _process(
        self, alone: list[Delivery], deliveries: list[Delivery], run: Run
    ) -> list[Delivery]:
        ready: list[Delivery] = []
        payloads: list[Any] = []
        later: list[Delivery] = []
        context: Context | None = None
        for delivery in (*alone, *deliveries):
            if not alone and self._settlement.is_busy(delivery):
                later.append(delivery)
                continue
            context = await self._prepare(delivery, payloads) or context
            if len(payloads) > len(ready):
                ready.append(delivery)
        if context is not None and ready:
            await self._run(context, ready, payloads, run)
        return later

    async def _run(
        self, context: Context, ready: list[Delivery], payloads: list[Any], run: Run
    ) -> None:
        failed: dict[int, BaseException] = {}
        try:
            await self._call(context, payloads, run)
        except BatchError as error:
            failed = _positions(error, len(ready))
        except BaseException as error:
            reason = failure(error, run, ending=self._endpoint.watchdog.ending)
            if reason is None:
                for delivery in ready:
                    await self._settlement.abandon(delivery)
                raise
            failed = dict.fromkeys(range(len(ready)), reason)
        await self._settle(ready, failed, run)

    async def _prepare(self, delivery: Delivery, payloads: list[Any]) -> Context | None:
        if delivery.lost:
            await self._settlement.give_back(delivery)
            return None
        left = seconds_left(delivery.message.headers)
        now = self._endpoint.link.clock.monotonic()
        if left is not None and delivery.arrived + left - delivery.age <= now:
            await self._settlement.expire(delivery)
            return None
        beginning = self._settlement.begin(delivery)
        if beginning is not None and not await beginning:
            return None
        link = self._endpoint.link
        deadline = None if left is None else delivery.arrived + left - delivery.age
        context = link.transport.context_type(delivery, self._endpoint.origin, deadline)
        try:
            payloads.append(await self._read(context))
        except Exception as error:  # noqa: BLE001 - one bad message must not fail its neighbours
            await self._fail(delivery, error)
            return None
        return context

    async def _call(self, context: Context, payloads: list[Any], run: Run) -> None:
        invoke = self._endpoint.handler.invoke_batch
        assert invoke is not None  # noqa: S101 - a batch endpoint is bound with it

        async def call(_context: Context) -> Any:
            return await invoke(payloads)

        current_context.set(context)
        timeout = self._endpoint.timeout
        if timeout is not None:
            run.until = self._endpoint.link.clock.monotonic() + timeout
            self._endpoint.watchdog.wake()
        try:
            await fold(call, self._around)(context)
        finally:
            run.until = NEVER

    async def _settle(
        self, ready: list[Delivery], failed: dict[int, BaseException], run: Run
    ) -> None:
        for position, delivery in enumerate(ready):
            error = failed.get(position)
            if error is None:
                await self._settlement.succeed(delivery, None, run)
            else:
                await self._fail(delivery, error)

    async def _fail(self, delivery: Delivery, error: BaseException) -> None:
        wait = await self._settlement.fail(delivery, error)
        if wait is not None:  # too short for the broker's while, but a batch runs none in place
            await self._settlement.retry(delivery, wait)


def _positions(error: BatchError, size: int) -> dict[int, BaseException]:
    """Return what failed, by position; one that is not in the batch says nothing about any."""
    if all(0 <= position < size for position in error.failed):
        return dict(error.failed)
    return dict.fromkeys(range(size), error)
