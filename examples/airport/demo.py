"""Run the airport: replay a week of flights through three services, ask them all the while, stop
and start one of them in the middle, and compare every figure with the records.

Exits with 0 if all figures are what the records demand, else with 1.
"""

import argparse
import asyncio
import logging
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

from bootstrap import bus
from checks import check
from contracts import NOTICES, REPLAY, SUMMARY, TOTAL
from expected import Expected, expect
from fleet import Fleet, InProcess, Processes, free_addresses
from progress import Bar
from questions import Travellers
from records import read
from report import Run, report
from wireloom import Application, ClientProxy, Rpc, WireloomError

URLS: Mapping[str, str] = {
    "memory": "memory://airport",
    "nats": "nats://127.0.0.1:4222",
    "redis": "redis://127.0.0.1:6379",
    "rabbitmq": "amqp://guest:guest@127.0.0.1:5672",
    "kafka": "kafka://127.0.0.1:9092",
}
WITHIN = 60.0
"""Seconds for services to come up."""
QUIET = 8.0
"""Seconds without anything new after which no more events are waited for."""
STOPPED = "delays"


class Demonstration:
    """One run of it all."""

    def __init__(self, fleet: Fleet, client: ClientProxy, expected: Expected) -> None:
        self._fleet = fleet
        self._bus = client
        self._expected = expected
        self._bar = Bar()
        self._travellers = Travellers(client, expected)
        self._half = asyncio.Event()
        self._held_up = 0
        self._away = 0.0

    async def run(self, transport: str) -> bool:
        """Return whether all figures are right."""
        await self._answering(TOTAL, SUMMARY, NOTICES)
        began = perf_counter()
        asking = asyncio.create_task(self._travellers.ask(), name="travellers")
        async with asyncio.TaskGroup() as group:
            group.create_task(self._replay(), name="replay")
            group.create_task(self._restart(), name="restart")
        await self._settled()
        run = Run(transport, perf_counter() - began, self._held_up, self._away)
        asking.cancel()
        await asyncio.wait([asking])
        findings = await check(self._bus, self._expected)
        answers = self._travellers.answers
        findings.same("unknown carriers", answers.errors["NOT_FOUND"] >= answers.nonsense, True)
        report(run, answers, findings, self._expected)
        return not findings.wrong

    async def _replay(self) -> None:
        async for progress in self._bus.stream(REPLAY, timeout=WITHIN):
            self._held_up = progress.held_up
            self._bar.show(progress.done, progress.total)
            if 2 * progress.done >= progress.total:
                self._half.set()
        self._bar.end()

    async def _restart(self) -> None:
        """Stop a service in the middle and start it again; everything else goes on."""
        await self._half.wait()
        began = perf_counter()
        await self._fleet.stop(STOPPED)
        await self._fleet.start(STOPPED)
        await self._answering(SUMMARY)
        self._away = perf_counter() - began

    async def _settled(self) -> None:
        """Wait until the services have handled what they accepted, or nothing happens any more:
        then the checks say what is missing.
        """
        demanded = (self._expected.events, len(self._expected.late))
        handled, since = (0, 0), perf_counter()
        while some_missing(handled, demanded) and perf_counter() - since < QUIET:
            await asyncio.sleep(0.05)
            summary, notices = await self._bus.send(SUMMARY), await self._bus.send(NOTICES)
            if handled != (now := (summary.events, len(notices))):
                handled, since = now, perf_counter()

    async def _answering(self, *requests: Rpc[None, Any]) -> None:
        async def answered() -> bool:
            self._fleet.check()
            for request in requests:
                await self._bus.send(request, timeout=2.0)
            return True

        if not await _comes_true(answered):
            raise RuntimeError(f"no answer to {requests} in {WITHIN:g} s")


def some_missing(handled: tuple[int, int], demanded: tuple[int, int]) -> bool:
    return handled[0] < demanded[0] or handled[1] < demanded[1]


async def _comes_true(condition: Callable[[], Awaitable[bool]]) -> bool:
    """Wait until it holds; return whether it did in time."""
    try:
        async with asyncio.timeout(WITHIN):
            while not await _holds(condition):  # noqa: ASYNC110 - it holds in another process
                await asyncio.sleep(0.05)
    except TimeoutError:
        return False
    return True


async def _holds(condition: Callable[[], Awaitable[bool]]) -> bool:
    try:
        return await condition()
    except WireloomError:
        return False


async def demonstrate(transport: str, url: str | None) -> bool:
    """Set everything up, and take it down at the end."""
    records = read()
    with tempfile.TemporaryDirectory() as directory:
        os.environ["AIRPORT_STORE"] = str(Path(directory) / "delays.sqlite")
        os.environ.update({"AIRPORT_URL": url} if url else free_addresses())
        fleet: Fleet = InProcess() if transport == "memory" else Processes()
        caller = Application("demo", clients={"bus": bus("demo")}, grace=1.0)
        async with fleet, caller:
            demonstration = Demonstration(fleet, caller.client("bus"), expect(records))
            print(f"replaying {len(records):,} flights over {transport}", flush=True)
            return await demonstration.run(transport)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transport", choices=["tcp", *URLS], default="tcp")
    parser.add_argument(
        "--url", help="the broker's; default: AIRPORT_URL, else its usual port here"
    )
    return parser.parse_args()


def main() -> int:
    chosen = arguments()
    # Connections that come and go belong to the show.
    logging.getLogger("wireloom").setLevel(logging.ERROR)
    url = chosen.url or os.environ.get("AIRPORT_URL") or URLS.get(chosen.transport)
    if chosen.transport == "tcp":
        os.environ.pop("AIRPORT_URL", None)
        url = None
    try:
        return 0 if asyncio.run(demonstrate(chosen.transport, url)) else 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
