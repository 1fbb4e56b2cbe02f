"""`wireloom check`, `routes` and the help."""

from pathlib import Path

import pytest

from tests.programs import wireloom

HERE = Path(__file__).parent
NOWHERE = {"MAIN_URL": "tcp://127.0.0.1:1"}

pytestmark = pytest.mark.timeout(60)

HEAD = "from typing import Annotated\nfrom wireloom import *\nfrom wireloom.spi import Context\n"
WRONG = {
    "two answers to one request": (
        "@MessagePattern('a')\nasync def one() -> None: ...\n"
        "@MessagePattern('a')\nasync def two() -> None: ...\n"
        "app = Application('x', handlers=[one, two])\n",
        "answered already",
    ),
    "wrong pattern": (
        "@EventPattern('a..b')\nasync def one() -> None: ...\n"
        "app = Application('x', handlers=[one])\n",
        "wrong.py",
    ),
    "parameter that nothing provides": (
        "class Store: ...\n"
        "@MessagePattern('a')\nasync def one(x: int, store: Store) -> None: ...\n"
        "app = Application('x', handlers=[one])\n",
        "wrong.py",
    ),
    "missing token": (
        "@MessagePattern('a')\n"
        "async def one(bus: Annotated[ClientProxy, Inject('nope')]) -> None: ...\n"
        "app = Application('x', handlers=[one])\n",
        "nope",
    ),
    "option that a transport lacks": (
        "app = Application('x', transports={'a': 'tcp://127.0.0.1:1?wire=nestjs'})\n",
        "wire",
    ),
}


@pytest.mark.parametrize("what", WRONG)
async def test_what_the_start_would_refuse_is_told(what: str, tmp_path: Path) -> None:
    source, text = WRONG[what]
    (tmp_path / "wrong.py").write_text(HEAD + source)
    outcome = await wireloom("check", "wrong:app", cwd=tmp_path)
    assert (outcome.code, outcome.out) == (2, "")
    assert text in outcome.err
    assert "Traceback" not in outcome.err


async def test_sound_program_is_checked_without_connecting() -> None:
    outcome = await wireloom("check", "service:app", cwd=HERE, env=NOWHERE)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == "numbers: 6 handlers on main (tcp); all is well\n"


async def test_routes_are_a_table() -> None:
    outcome = await wireloom("routes", "service:app", cwd=HERE, env=NOWHERE)
    assert outcome.code == 0
    assert [line.split() for line in outcome.out.splitlines()] == [
        ["KIND", "PATTERN", "HANDLER", "GROUP", "TOKENS"],
        ["event", "numbers.seen", "Numbers.seen", "numbers", "main"],
        ["request", "numbers.all", "Numbers.all", "numbers", "main"],
        ["request", "numbers.double", "Numbers.double", "numbers", "main"],
        ["request", "numbers.tenant", "Numbers.tenant", "numbers", "main"],
        ["request", '{"cmd":"pid"}', "Numbers.pid", "numbers", "main"],
        ["stream", "numbers.upto", "Numbers.upto", "numbers", "main"],
    ]
