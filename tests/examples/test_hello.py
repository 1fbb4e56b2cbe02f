"""`examples/hello`, as its README says."""

import re
from pathlib import Path

import pytest

from tests.programs import free_port, running, wireloom

HELLO = Path(__file__).parents[2] / "examples" / "hello"
URL = "tcp://127.0.0.1:4000"

pytestmark = pytest.mark.timeout(60)


async def test_service_greets_those_who_came(tmp_path: Path) -> None:
    """At a port of our own, since somebody may use that of the example."""
    url = f"tcp://127.0.0.1:{free_port()}"
    source = (HELLO / "app.py").read_text()
    assert source.count(URL) == 1
    (tmp_path / "app.py").write_text(source.replace(URL, url))
    async with running("run", "app:app", cwd=tmp_path) as program:
        await program.said("hello: ready")
        assert await out("call", url, "hello", cwd=tmp_path) == '"Hello, world!"\n'
        await out("emit", url, "visitor.Ada.came", cwd=tmp_path)
        greeting = await out("call", url, "hello", '"Ada"', cwd=tmp_path)
        while "visit" not in greeting:
            greeting = await out("call", url, "hello", '"Ada"', cwd=tmp_path)
        assert greeting == '"Hello, Ada! This is visit 2."\n'
        assert await program.stopped() == 0


async def test_every_command_of_the_readme_is_understood() -> None:
    commands = re.findall(r"^    wireloom (\w+) ", (HELLO / "README.md").read_text(), re.MULTILINE)
    assert commands == ["run", "call", "emit", "call"]


async def out(*words: str, cwd: Path) -> str:
    outcome = await wireloom(*words, cwd=cwd)
    assert outcome.code == 0, outcome.err
    return outcome.out
