"""The benchmarks run: both sides of each Python case meet, and the table says what was measured."""

import asyncio
import importlib
import json
import sys
from pathlib import Path

import pytest

from benchmarks import run
from benchmarks.cases import NESTJS_TCP, REQUESTS, Case
from benchmarks.report import table
from tests.brokers import free_port

PYTHON = [case for case in REQUESTS if case is not NESTJS_TCP]


@pytest.mark.parametrize("case", PYTHON, ids=lambda case: case.name)
async def test_both_sides_of_a_case_meet(case: Case) -> None:
    module = importlib.import_module(case.serve[-1])
    port = free_port()
    serving = asyncio.create_task(module.serve(port))
    try:
        async with asyncio.timeout(10):
            await _listening(port)
            assert await module.measure(port, 4, 0.05) > 0
    finally:
        serving.cancel()
        await asyncio.wait([serving], timeout=10)


def test_round_measures_each_count_in_two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_WARM_UP", 0.05)
    rates = run.measure(PYTHON[0], seconds=0.05)
    assert list(rates) == list(run.IN_FLIGHT)
    assert all(rate > 0 for rate in rates.values())


def test_server_that_does_not_start_is_an_error_with_its_output() -> None:
    broken = Case("broken", (sys.executable, "-c", "raise SystemExit('no luck')"), ())
    with pytest.raises(RuntimeError, match=r"broken did not start(.|\n)*no luck"):
        run.measure(broken, seconds=0.05)


def test_table_shows_medians_spreads_and_ratios_of_medians() -> None:
    samples = {"bare": {1: [90.0, 100.0, 400.0]}, "ours": {1: [60.0, 50.0, 70.0]}}
    head, bare, ours = table(samples, [1], ["bare"]).splitlines()
    assert head.split() == ["requests/s", "1", "in", "flight", "/", "bare"]
    assert bare.split() == ["bare", "100", "(90-400)", "1.00"]
    assert ours.split() == ["ours", "60", "(50-70)", "0.60"]


def test_versions_of_nestjs_are_pinned() -> None:
    package = Path(run.__file__).with_name("nestjs") / "package.json"
    pinned = json.loads(package.read_text())["dependencies"].values()
    assert all(version[0].isdigit() for version in pinned)


async def _listening(port: int) -> None:
    """Wait until something listens; the caller bounds it."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            return
