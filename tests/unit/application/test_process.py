"""An application as a process: signals and exit codes."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from tests.unit.apps import application
from wireloom import ConnectionFailedError
from wireloom.application import process
from wireloom_memory import MemoryBroker


def test_application_that_cannot_start_exits_2_and_says_why_in_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    broker = MemoryBroker()
    broker.stop()
    app = application(broker=broker)
    app.links["bus"].options.__dict__["startup_timeout"] = 0.05
    with pytest.raises(SystemExit) as caught:
        app.run()
    assert caught.value.code == 2
    printed = capsys.readouterr().err
    assert printed.startswith("svc: ")
    assert "Traceback" not in printed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_drains_and_exits_0(number: signal.Signals) -> None:
    program = """
        from wireloom import Application
        from wireloom.application.application import Application as App
        class Loud(App):
            async def start(self):
                await super().start()
                print("ready", flush=True)
            async def stop(self, grace=None):
                await super().stop(grace)
                print("stopped", flush=True)
        Loud("svc").run()
    """
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        os.kill(child.pid, number)
        assert child.stdout.read() == "stopped\n"
        assert child.wait(10) == 0


async def test_signal_while_starting_gives_the_start_up_and_exits_0() -> None:
    class Slow:
        name = "slow"
        cleaned = False

        async def start(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            try:
                await asyncio.Event().wait()
            finally:
                self.cleaned = True

        async def stop(self, grace: float | None = None) -> None:
            raise AssertionError("it was never started")

    slow = Slow()
    assert await process._serve(slow) == 0
    assert slow.cleaned


async def test_failing_start_is_an_exit_code_and_a_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Broken:
        name = "broken"

        async def start(self) -> None:
            raise ConnectionFailedError("nobody there")

        async def stop(self, grace: float | None = None) -> None: ...

    assert await process._serve(Broken()) == process.FAILED
    assert capsys.readouterr().err == "broken: nobody there\n"
