"""Plans: compiled on first use, kept, and bounded, since patterns may be made of user input."""

import pytest
from pydantic import BaseModel, TypeAdapter

from wireloom import ConfigurationError, Event, Rpc
from wireloom.client.plans import Plans


class User(BaseModel):
    id: int


def test_plan_is_compiled_once_for_a_contract_a_text_and_a_type() -> None:
    plans, event, rpc = Plans(), Event("e", User), Rpc("r", int, User)
    assert plans.emit(event) is plans.emit(event)
    assert plans.send(rpc, None) is plans.send(rpc, None)
    assert plans.send("r", User) is plans.send("r", User)
    assert plans.send("r", User) is not plans.send("r", list[User])


def test_object_pattern_has_a_plan_although_it_is_no_key() -> None:
    assert Plans().send({"b": 1, "a": 2}, None).address == '{"a":2,"b":1}'
    assert Plans().emit({"cmd": "x"}).address == '{"cmd":"x"}'


def test_plans_are_bounded() -> None:
    plans = Plans()
    for number in range(10_000):
        plans.emit(f"e.{number}")
        plans.send(f"r.{number}", None)
    assert len(plans._emits) <= 4096
    assert len(plans._sends) <= 4096


def test_filling_in_tokens_compiles_nothing_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    moved, plans = Event("user.{id}.moved", User), Plans()
    plans.emit(moved.at(id=0))

    def never(*_: object, **__: object) -> None:
        raise AssertionError("compiled again")

    monkeypatch.setattr(TypeAdapter, "__init__", never)
    for number in range(1, 5):
        assert plans.emit(moved.at(id=number)).address == f"user.{number}.moved"


def test_type_that_no_codec_knows_is_refused_by_name() -> None:
    class Opaque: ...

    with pytest.raises(ConfigurationError, match=r"Opaque.* cannot be written"):
        Plans().emit(Event("e", Opaque))
    with pytest.raises(ConfigurationError, match=r"Opaque.* cannot be read"):
        Plans().send("r", Opaque)


def test_answer_of_a_contract_without_a_value_is_none() -> None:
    assert Plans().send(Rpc("r", int, None), None).decode(b"null") is None
