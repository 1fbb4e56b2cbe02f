"""Contracts: what both sides share."""

from typing import Any

import pytest

from wireloom import Event, InvalidPatternError, Limits, Pattern, Rpc


def test_event_holds_what_it_was_given() -> None:
    limits = Limits(messages=5)
    event = Event(
        "a.{id}",
        int,
        key="id",
        limits=limits,
        durable=False,
        codec="x/y",
        description="d",
        version="2",
    )
    other = event.at(id=7)
    assert other.pattern == Pattern("a.7")
    assert (other.type, other.key, other.limits, other.durable) == (int, "id", limits, False)
    assert (other.codec, other.description, other.version) == ("x/y", "d", "2")
    assert repr(other) == "Event('a.7')"


def test_rpc_holds_what_it_was_given() -> None:
    rpc = Rpc({"cmd": "get"}, request=int, response=list[str], timeout=2.0, idempotent=True)
    assert (rpc.request, rpc.response, rpc.timeout, rpc.idempotent) == (int, list[str], 2.0, True)
    assert repr(rpc) == 'Rpc(\'{"cmd":"get"}\')'
    other = Rpc("a.{id}", int, str, timeout=3.0, idempotent=True).at(id=1)
    assert (other.pattern.text, other.timeout, other.idempotent) == ("a.1", 3.0, True)


def test_untyped_contract_takes_anything() -> None:
    assert Event("a").type is Any
    assert (Rpc("a").request, Rpc("a").response) == (Any, Any)


def test_none_as_a_type_is_the_type_of_none_as_in_annotations() -> None:
    rpc = Rpc("a", request=None, response=None)
    assert (rpc.request, rpc.response, Event("a", None).type) == (type(None),) * 3


def test_events_are_kept_for_a_week_unless_the_contract_says_otherwise() -> None:
    assert Event("a").limits.age == 7 * 24 * 3600


def test_contract_with_a_wrong_pattern_is_refused() -> None:
    with pytest.raises(InvalidPatternError):
        Event("a..b")
    with pytest.raises(InvalidPatternError):
        Rpc("a.{id}").at(name=1)
