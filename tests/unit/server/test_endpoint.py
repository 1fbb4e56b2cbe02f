"""Deadlines in headers that anybody may have written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireloom.server.endpoint import LONGEST_MS, seconds_left


@given(st.integers(0, LONGEST_MS))
def test_sane_number_of_milliseconds_is_a_deadline(number: int) -> None:
    assert seconds_left({"wl-deadline-ms": str(number)}) == number / 1000


@pytest.mark.parametrize("text", ["", "-1", "abc", "1.5", "9" * 30, str(LONGEST_MS + 1), "٣"])
def test_anything_else_is_none(text: str) -> None:
    assert seconds_left({"wl-deadline-ms": text}) is None


def test_message_without_one_has_none() -> None:
    assert seconds_left({}) is None
