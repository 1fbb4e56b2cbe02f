import io
import sys

import pytest
import typer

from wireloom import InvalidPatternError
from wireloom.cli.arguments import headers_of, pattern_of, payload_of
from wireloom.client.plans import EMPTY
from wireloom.pattern import Pattern


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("users.get", "users.get"),
        ("42", 42),
        ('{"v": 1, "cmd": "sum"}', {"cmd": "sum", "v": 1}),
        ("{name}.created", "{name}.created"),
    ],
)
def test_pattern_is_text_or_an_object(text: str, literal: object) -> None:
    assert pattern_of(text) == Pattern.of(literal)


def test_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidPatternError):
        pattern_of("a..b")


@pytest.mark.parametrize(
    ("text", "value"), [("1", 1), ("-5", -5), ('{"a": [null]}', {"a": [None]})]
)
def test_payload_is_json(text: str, value: object) -> None:
    assert payload_of(text) == value


def test_no_payload_is_an_empty_body_and_not_null() -> None:
    assert payload_of(None) is EMPTY
    assert payload_of("null") is None


def test_dash_reads_the_payload_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("[1, 2]"))
    assert payload_of("-") == [1, 2]


def test_payload_that_is_not_json_is_refused_with_a_hint() -> None:
    with pytest.raises(typer.BadParameter, match="double quotes"):
        payload_of("Ada")


def test_headers_are_pairs_and_a_value_may_hold_the_separator() -> None:
    assert headers_of(["tenant=a", "token=x=y"]) == {"tenant": "a", "token": "x=y"}
    assert headers_of(None) == {}


@pytest.mark.parametrize("pair", ["tenant", "wl-id=1", "Tenant=a", "=a"])
def test_header_that_cannot_be_sent_is_refused(pair: str) -> None:
    with pytest.raises(typer.BadParameter):
        headers_of([pair])
