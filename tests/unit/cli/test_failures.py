import pytest
import typer

from wireloom import (
    ConfigurationError,
    ConnectionFailedError,
    NoHandlerError,
    OverloadedError,
    Reject,
    RequestTimeoutError,
    RpcError,
    WireloomError,
)
from wireloom.cli.failures import code_of, failures


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RpcError("no", code="NOT_FOUND"), "NOT_FOUND"),
        (RpcError("no", code=404), 404),
        (NoHandlerError("x"), "UNIMPLEMENTED"),
        (RequestTimeoutError("x"), "DEADLINE_EXCEEDED"),
        (OverloadedError("x"), "RESOURCE_EXHAUSTED"),
        (ConnectionFailedError("x"), "UNAVAILABLE"),
        (Reject(), "UNKNOWN"),
    ],
)
def test_every_error_has_a_code(error: WireloomError, code: str | int) -> None:
    assert code_of(error) == code


def test_error_of_a_call_is_printed_with_its_code_and_details(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(typer.Exit) as ended, failures():
        raise RpcError("no such user", code="NOT_FOUND", details={"id": 1})
    assert ended.value.exit_code == 1
    assert capsys.readouterr().err == 'NOT_FOUND: no such user\ndetails: {"id":1}\n'


def test_error_that_was_only_logged_is_printed_with_its_id(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(typer.Exit), failures():
        raise RpcError("internal error", error_id="abc")
    assert "error id: abc" in capsys.readouterr().err


def test_wrong_program_ends_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, failures():
        raise ConfigurationError("it is wrong", remedy="mend it")
    assert ended.value.exit_code == 2
    assert capsys.readouterr().err == "wireloom: it is wrong\n  mend it\n"
