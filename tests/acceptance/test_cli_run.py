"""`wireloom run`, as a real process."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.programs import WITHIN, Program, alive, free_port, running, wireloom

HERE = Path(__file__).parent
SERVICE = "service:app"
READY = ": ready"

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def env(port: int) -> dict[str, str]:
    return {"MAIN_URL": url(port)}


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def url(port: int) -> str:
    return f"tcp://127.0.0.1:{port}"


async def pid_at(port: int) -> int:
    answer = await wireloom("call", url(port), '{"cmd": "pid"}', cwd=HERE)
    assert answer.code == 0, answer.err
    return int(answer.out)


async def test_sigterm_drains_and_ends_with_zero(port: int, env: dict[str, str]) -> None:
    async with running("run", SERVICE, cwd=HERE, env=env) as program:
        await program.said(READY)
        assert await pid_at(port) == program.pid
        assert await program.stopped() == 0


async def test_factory_is_called(env: dict[str, str]) -> None:
    async with running("run", "service:make", "--factory", cwd=HERE, env=env) as program:
        await program.said("made: ready")
        assert await program.stopped() == 0


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_port_in_use_is_told_without_a_traceback(taken: int, workers: str) -> None:
    outcome = await wireloom(
        "run", SERVICE, "--workers", workers, cwd=HERE, env={"MAIN_URL": url(taken)}
    )
    assert outcome.code == 2
    assert f"127.0.0.1:{taken}" in outcome.err
    assert "in use" in outcome.err
    assert "Traceback" not in outcome.err


async def test_wrong_program_is_told_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(
        "from wireloom import *\n"
        "@MessagePattern('a')\n"
        "async def first(x: int, y: int) -> None: ...\n"
        "app = Application('wrong', handlers=[first])\n"
    )
    outcome = await wireloom("run", "wrong:app", cwd=tmp_path)
    assert outcome.code == 2
    assert "wrong.py" in outcome.err
    assert "Traceback" not in outcome.err


async def test_error_at_import_of_a_decorator_is_told_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(
        "from wireloom import *\napp = Application('x', transports={'a': 'tcpp://127.0.0.1'})\n"
    )
    outcome = await wireloom("run", "wrong:app", cwd=tmp_path)
    assert outcome.code == 2
    assert "unknown transport 'tcpp'; installed:" in outcome.err
    assert "Traceback" not in outcome.err


async def test_memory_cannot_have_workers() -> None:
    outcome = await wireloom(
        "run", SERVICE, "--workers", "2", cwd=HERE, env={"MAIN_URL": "memory://"}
    )
    assert outcome.code == 2
    assert "memory" in outcome.err
    assert "Traceback" not in outcome.err


async def test_workers_share_a_port_and_a_dead_one_is_started_again(
    port: int, env: dict[str, str]
) -> None:
    async with running("run", SERVICE, "--workers", "2", cwd=HERE, env=env) as program:
        await program.said(READY, times=2)
        workers = pids(program)
        assert len(workers) == 2
        assert await pid_at(port) in workers
        os.kill(workers[0], signal.SIGKILL)
        await program.said("ended with -9; starting it again")
        await program.said(READY, times=3)
        assert await pid_at(port) in pids(program)[1:]
        assert await program.stopped() == 0
        assert not any(alive(pid) for pid in pids(program))


async def test_workers_drain_when_their_supervisor_is_killed(env: dict[str, str]) -> None:
    async with running("run", SERVICE, "--workers", "2", cwd=HERE, env=env) as program:
        await program.said(READY, times=2)
        program.send(signal.SIGKILL)
        await program.said("numbers: stopped", times=2)
        await program.ended()


async def test_second_signal_ends_everything_at_once(tmp_path: Path, env: dict[str, str]) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    async with running("run", "slow:app", "--workers", "2", cwd=tmp_path, env=env) as program:
        await program.said(READY, times=2)
        emitted = await wireloom("emit", env["MAIN_URL"], "slow", cwd=tmp_path)
        assert emitted.code == 0, emitted.err
        await program.said("busy now")
        program.send(signal.SIGTERM)
        await program.said(": draining", times=2)
        program.send(signal.SIGTERM)
        assert await program.ended() == 128 + signal.SIGTERM
    await gone(pids(program))


SLOW = """
import asyncio, logging
from wireloom import *
@EventPattern("slow")
async def slow() -> None:
    logging.getLogger("slow").warning("busy now")
    await asyncio.sleep(60)
app = Application("slow", handlers=[slow], transports={"main": from_env("MAIN_URL")})
"""


async def gone(numbers: list[int]) -> None:
    async with asyncio.timeout(WITHIN):
        while any(alive(pid) for pid in numbers):  # noqa: ASYNC110 - of processes not our own
            await asyncio.sleep(0.02)


def pids(program: Program) -> list[int]:
    return [int(line.split()[-1]) for line in program.lines if "started as process" in line]


async def test_change_of_a_file_starts_the_program_again(
    tmp_path: Path, port: int, env: dict[str, str]
) -> None:
    module = tmp_path / "service.py"
    source = (HERE / "service.py").read_text()
    module.write_text(source)
    async with running("run", SERVICE, "--reload", cwd=tmp_path, env=env) as program:
        await program.said(READY)
        first = await pid_at(port)
        module.write_text(source.replace("number * 2", "number * 3"))
        await program.said(READY, times=2)
        assert await pid_at(port) != first
        tripled = await wireloom("call", url(port), "numbers.double", "5", cwd=HERE)
        assert tripled.out == "15\n"
        module.write_text("this is not Python")
        await program.said("waiting for a change")
        module.write_text(source)
        await program.said(READY, times=3)
        assert await program.stopped() == 0


async def test_module_is_run_like_the_script(env: dict[str, str]) -> None:
    script = Path(sys.executable).parent / "wireloom"
    process = await asyncio.create_subprocess_exec(
        script, "check", SERVICE, cwd=HERE, env={**os.environ, **env}
    )
    assert await process.wait() == 0
