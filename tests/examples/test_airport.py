"""`examples/airport`: the demonstration is right, and notices when it is not."""

import asyncio
import os
import random
import re
import shutil
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections import defaultdict
from pathlib import Path

import pytest

from tests.examples.installation import on_path

AIRPORT = Path(__file__).parents[2] / "examples" / "airport"
with on_path(AIRPORT):
    from contracts import Arrived, Departed
    from records import read
    from store import open_store
    from timeline import timeline
WITHIN = 150.0
"""Seconds: many times what it takes on an idle machine."""

pytestmark = pytest.mark.timeout(180)


async def demonstration(folder: Path, *words: str) -> tuple[int, str]:
    """Run it in a folder; return exit code and output."""
    environment = {name: text for name, text in os.environ.items() if "AIRPORT" not in name}
    process = await asyncio.create_subprocess_exec(
        sys.executable, folder / "demo.py", *words, stdout=PIPE, stderr=STDOUT, env=environment
    )
    try:
        async with asyncio.timeout(WITHIN):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, output.decode()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the example, to be changed."""
    ignored = shutil.ignore_patterns("__pycache__", "*.sqlite*")
    return Path(shutil.copytree(AIRPORT, tmp_path / "airport", ignore=ignored))


def alter(file: Path, old: str, new: str) -> None:
    source = file.read_text()
    assert source.count(old) == 1
    file.write_text(source.replace(old, new))


@pytest.mark.parametrize("transport", ["tcp", "memory"])
async def test_demonstration_is_right_over(transport: str) -> None:
    code, output = await demonstration(AIRPORT, "--transport", transport)
    assert code == 0, output
    assert "events handled            11,194 of 11,194" in output
    assert "events out of order       0" in output
    assert re.search(r"errors by code .*NOT_FOUND", output)
    assert "All 214 figures are what the records demand." in output
    assert "Traceback" not in output


async def test_handler_that_is_off_by_one_fails_the_demonstration(copy: Path) -> None:
    alter(copy / "delays.py", "return self._store.summary()", "return off(self._store.summary())")
    with (copy / "delays.py").open("a") as file:
        file.write(
            "\n\ndef off(summary: Summary) -> Summary:\n"
            "    return summary.model_copy(update={'arrived': summary.arrived + 1})\n"
        )
    code, output = await demonstration(copy, "--transport", "memory")
    assert code == 1, output
    assert "WRONG: 1 of 214 figures." in output
    assert "arrivals: the answer is 5097, the records demand 5096" in output


def test_records_are_more_than_five_thousand_real_flights() -> None:
    records = read()
    assert len(records) == 6098
    assert len({record.id for record in records}) == 6098
    assert sum(record.departure_delay is None for record in records) == 982
    assert {record.origin for record in records} == {"EWR", "JFK", "LGA"}


def test_order_of_an_aircraft_holds_in_the_timeline_whatever_the_order_of_the_file() -> None:
    records = read()
    random.Random(1).shuffle(records)
    legs: dict[tuple[type, str | None], list[int]] = defaultdict(list)
    for happening in timeline(records):
        if isinstance(happening.payload, Departed | Arrived):
            legs[type(happening.payload), happening.payload.tail_number].append(
                happening.payload.leg
            )
    assert sum(map(len, legs.values())) == 11194 - 982
    assert all(each == list(range(1, len(each) + 1)) for each in legs.values())


def test_store_sees_an_event_that_overtook_another(tmp_path: Path) -> None:
    departures = [each.payload for each in timeline(read()) if isinstance(each.payload, Departed)]
    same = [each for each in departures if each.tail_number == departures[0].tail_number][:3]
    for store in open_store(str(tmp_path / "delays.sqlite")):
        for event in (same[0], same[2], same[1], same[0]):
            store.add(event)
        summary = store.summary()
        assert (summary.departed, summary.out_of_order, summary.again) == (3, 1, 1)
