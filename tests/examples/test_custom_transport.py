"""`examples/custom_transport` between processes, found by its entry point."""

import signal
from pathlib import Path

import pytest

from tests.examples.installation import CUSTOM_TRANSPORT, write_metadata
from tests.programs import running, wireloom

SERVICE = Path(__file__).parents[1] / "acceptance"

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """An environment in which the package is as good as installed."""
    write_metadata(CUSTOM_TRANSPORT, tmp_path)
    return {
        "PYTHONPATH": f"{tmp_path}:{CUSTOM_TRANSPORT}",
        "MAIN_URL": f"sqlite://{tmp_path}/messages.sqlite",
    }


async def test_services_in_two_processes_talk_through_a_file(env: dict[str, str]) -> None:
    url = env["MAIN_URL"]
    async with running("run", "service:app", cwd=SERVICE, env=env) as program:
        await program.said(": ready")
        answer = await wireloom("call", url, "numbers.double", "21", cwd=SERVICE, env=env)
        assert (answer.code, answer.out) == (0, "42\n"), answer.err
        items = await wireloom("call", url, "numbers.upto", "2", "--stream", cwd=SERVICE, env=env)
        assert items.out == "0\n1\n", items.err
        assert await program.stopped() == 0


async def test_event_waits_for_a_service_that_was_killed(env: dict[str, str]) -> None:
    url = env["MAIN_URL"]
    async with running("run", "service:app", cwd=SERVICE, env=env) as program:
        await program.said(": ready")
        program.send(signal.SIGKILL)
        await program.ended()
    emitted = await wireloom("emit", url, "numbers.seen", "7", "--uid", "u", cwd=SERVICE, env=env)
    assert emitted.code == 0, emitted.err
    async with running("run", "service:app", cwd=SERVICE, env=env) as program:
        await program.said(": ready")
        seen = await wireloom("call", url, "numbers.all", cwd=SERVICE, env=env)
        while seen.out == "[]\n":
            seen = await wireloom("call", url, "numbers.all", cwd=SERVICE, env=env)
        assert '"number":7,"id":"u"' in seen.out


async def test_options_that_it_cannot_honour_are_refused(env: dict[str, str]) -> None:
    url = f"{env['MAIN_URL']}?wire=nestjs"
    outcome = await wireloom("check", "service:app", cwd=SERVICE, env={**env, "MAIN_URL": url})
    assert outcome.code == 2
    assert "option 'wire' cannot be honoured by transport 'sqlite'" in outcome.err
