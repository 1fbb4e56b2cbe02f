"""Limits of what is kept."""

import pytest

from wireloom import Limits


@pytest.mark.parametrize("name", ["age", "messages", "bytes", "message_size"])
def test_limit_that_keeps_nothing_is_refused(name: str) -> None:
    for value in (0, -1):
        with pytest.raises(ValueError, match=name):
            Limits(**{name: value})
    assert getattr(Limits(**{name: None}), name) is None


def test_a_week_is_kept_by_default() -> None:
    assert Limits() == Limits(age=604_800, messages=None, bytes=None, message_size=None)
