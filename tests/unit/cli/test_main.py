import pytest
from typer.testing import CliRunner

from wireloom.cli.main import COMMANDS, cli

COMMAND_NAMES = [command.__name__ for command in COMMANDS]


def outcome(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli, words, prog_name="wireloom")
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("name", COMMAND_NAMES)
def test_help_of_every_command_has_an_example(name: str) -> None:
    code, out, _ = outcome(name, "--help")
    assert code == 0
    assert f"Example: wireloom {name} " in out


def test_options_between_our_own_processes_stay_hidden() -> None:
    _, out, _ = outcome("run", "--help")
    assert "--workers" in out
    assert "supervised" not in out
    assert "share-ports" not in out


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("call", "ftp://127.0.0.1", "a"), "unknown transport 'ftp'; installed:"),
        (("call", "127.0.0.1:4000", "a"), "no URL"),
        (("call", "tcp://127.0.0.1:1?nope=1", "a"), "nope"),
        (("call", "memory://", "a", "{"), "JSON"),
        (("call", "memory://", "a..b"), "a..b"),
        (("call", "memory://", "a", "--header", "b"), "name=value"),
        (("call", "memory://", "a", "--timeout", "0"), "timeout"),
        (("call", "memory://", "a", "1", "--nope"), "--nope"),
        (("emit", "memory://", "a", "--delay", "-1"), "delay"),
        (("run", "a:b", "--reload", "--workers", "2"), "--workers"),
        (("run", "a:b", "--workers", "0"), "workers"),
        (("nope",), "nope"),
    ],
)
def test_wrong_command_line_ends_with_two(words: tuple[str, ...], text: str) -> None:
    code, out, err = outcome(*words)
    assert (code, out) == (2, "")
    assert text in err


def test_request_that_nobody_handles_ends_with_one() -> None:
    code, out, err = outcome("call", "memory://", "nobody.home", "1")
    assert (code, out) == (1, "")
    assert err.startswith("UNIMPLEMENTED: ")


def test_event_prints_its_receipt() -> None:
    code, out, _ = outcome("emit", "memory://", "nobody.home", "--uid", "one")
    assert code == 0
    assert '"id":"one"' in out
