"""`wireloom call` and `wireloom emit` against a running service."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.acceptance.service import Numbers
from tests.programs import Outcome, free_port, wireloom
from wireloom import Application
from wireloom_tcp import TcpOptions

HERE = Path(__file__).parent

pytestmark = pytest.mark.timeout(60)


@pytest_asyncio.fixture
async def url() -> AsyncIterator[str]:
    """A service in this process, so that each test starts one program only."""
    port = free_port()
    transports = {"main": TcpOptions(listen=f"127.0.0.1:{port}")}
    async with Application("numbers", controllers=[Numbers], transports=transports):
        yield f"tcp://127.0.0.1:{port}"


async def call(url: str, *words: str, stdin: bytes = b"") -> Outcome:
    return await wireloom("call", url, *words, cwd=HERE, stdin=stdin)


async def test_answer_is_json_on_standard_output(url: str) -> None:
    assert await call(url, "numbers.double", "21") == Outcome(0, "42\n", "")


async def test_payload_comes_from_standard_input(url: str) -> None:
    assert (await call(url, "numbers.double", "-", stdin=b"4")).out == "8\n"


async def test_pattern_may_be_an_object(url: str) -> None:
    assert (await call(url, '{"cmd": "pid"}')).code == 0


async def test_headers_are_sent(url: str) -> None:
    assert (await call(url, "numbers.tenant", "--header", "tenant=a")).out == '"a"\n'


async def test_stream_is_printed_item_by_item(url: str) -> None:
    assert (await call(url, "numbers.upto", "3", "--stream")).out == "0\n1\n2\n"
    assert (await call(url, "numbers.upto", "3")).out == "2\n"


async def test_negative_number_is_a_payload_and_its_error_comes_by_code(url: str) -> None:
    outcome = await call(url, "numbers.double", "-5")
    assert outcome == Outcome(1, "", 'OUT_OF_RANGE: no number below 0\ndetails: {"number":-5}\n')


async def test_unknown_pattern_is_unimplemented(url: str) -> None:
    outcome = await call(url, "numbers.nope")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith("UNIMPLEMENTED: ")


async def test_invalid_payload_is_told_with_its_details(url: str) -> None:
    outcome = await call(url, "numbers.double", '"many"')
    assert outcome.code == 1
    assert outcome.err.startswith("INVALID_ARGUMENT: ")
    assert "int_parsing" in outcome.err


async def test_nobody_there_is_unavailable() -> None:
    outcome = await call(f"tcp://127.0.0.1:{free_port()}", "numbers.double", "1")
    assert outcome.code == 1
    assert outcome.err.startswith("UNAVAILABLE: not connected to tcp://127.0.0.1:")
    assert "Traceback" not in outcome.err


async def test_event_is_emitted_with_id_and_key(url: str) -> None:
    outcome = await wireloom(
        "emit", url, "numbers.seen", "7", "--uid", "one", "--key", "k", "--header", "a=b", cwd=HERE
    )
    assert outcome.code == 0, outcome.err
    receipt = json.loads(outcome.out)
    assert (receipt["id"], receipt["transport"], receipt["routed"]) == ("one", "tcp", True)
    seen = json.loads((await call(url, "numbers.all")).out)
    assert seen == [{"number": 7, "id": "one", "key": "k"}]


async def test_event_is_emitted_with_a_delay(url: str) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    await wireloom("emit", url, "numbers.seen", "7", "--delay", "2", cwd=HERE)
    async with asyncio.timeout(10):
        while not json.loads((await call(url, "numbers.all")).out):
            pass
    assert loop.time() - began >= 2


async def test_event_without_listeners_is_no_error_unless_asked(url: str) -> None:
    relaxed = await wireloom("emit", url, "numbers.unheard", cwd=HERE)
    assert (relaxed.code, json.loads(relaxed.out)["routed"]) == (0, False)
    strict = await wireloom("emit", url, "numbers.unheard", "--require-route", cwd=HERE)
    assert (strict.code, strict.out) == (1, "")
    assert strict.err.startswith("UNAVAILABLE: nobody listens")
