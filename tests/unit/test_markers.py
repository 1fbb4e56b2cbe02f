"""Markers of parameters."""

import pytest

from wireloom import Ctx, Header, Inject


def test_markers_are_values() -> None:
    assert Ctx() == Ctx()
    assert Header("x") == Header("x") != Header("y")
    assert Inject("bus") == Inject("bus")
    assert len({Ctx(), Ctx(), Header("x"), Inject("x")}) == 3


def test_header_in_capitals_is_refused_since_none_arrives_so() -> None:
    with pytest.raises(ValueError, match="lower-case"):
        Header("Tenant")
