"""The codec: bytes and back, and what is said of what is neither."""

import dataclasses
import datetime as dt
import json
import math
from contextlib import suppress
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic_core import to_json

from wireloom import ConfigurationError, InvalidPayloadError, JsonCodec, codec, register_codec
from wireloom.codec import check_codec, codec_for

JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()
    ).filter(lambda value: not (isinstance(value, float) and math.isinf(value))),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


class User(BaseModel):
    id: int
    name: str = ""


class Named(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    user_id: int = Field(alias="userId")


@dataclasses.dataclass
class Point:
    x: int
    at: dt.datetime


class Node(BaseModel):
    children: list["Node"] = []


@given(JSON)
def test_plain_values_come_back_as_they_were(value: Any) -> None:
    body = JsonCodec().encoder(None)(value)
    assert json.loads(body) == value
    assert JsonCodec().decoder(None)(body) == value


@pytest.mark.parametrize(
    ("form", "value"),
    [
        (User, User(id=1)),
        (list[User], [User(id=1), User(id=2, name="é")]),
        (User | None, None),
        (User | None, User(id=1)),
        (dict[str, int], {"a": 1}),
        (Point, Point(1, dt.datetime(2024, 1, 2, tzinfo=dt.UTC))),
        (dt.timedelta, dt.timedelta(seconds=1.5)),
        (Named, Named(userId=3)),
        (type(None), None),
        (float, 1),
        (bytes, b"abc"),
        (Literal["a", "b"], "a"),
    ],
)
def test_typed_values_come_back_as_their_type(form: Any, value: Any) -> None:
    body = JsonCodec().encoder(form)(value)
    assert JsonCodec().decoder(form)(body) == value
    assert JsonCodec().encoder(form, check=True)(value) == body


def test_alias_is_what_travels() -> None:
    assert JsonCodec().encoder(Named)(Named(userId=3)) == b'{"userId":3}'


@pytest.mark.parametrize("value", [math.nan, [math.inf], {"a": -math.inf}])
def test_number_that_json_has_no_word_for_is_not_written(value: Any) -> None:
    with pytest.raises(InvalidPayloadError, match="NaN and Infinity"):
        JsonCodec().encoder(None)(value)


@pytest.mark.parametrize("body", [b"NaN", b"[Infinity]", b'{"a":-Infinity}'])
@pytest.mark.parametrize("form", [None, float, dict[str, float]])
def test_number_that_json_has_no_word_for_is_not_read(body: bytes, form: Any) -> None:
    with pytest.raises(InvalidPayloadError):
        JsonCodec().decoder(form)(body)


@pytest.mark.parametrize("text", ["NaN", "Infinity and beyond", "-Infinity"])
def test_text_that_only_looks_like_such_a_number_passes(text: str) -> None:
    body = JsonCodec().encoder(None)([text])
    assert JsonCodec().decoder(list[str])(body) == [text]


@pytest.mark.parametrize("value", [object(), {"a": object()}, "\ud800", {1, 2}.__iter__])
def test_what_json_cannot_hold_is_refused_before_it_is_sent(value: Any) -> None:
    with pytest.raises(InvalidPayloadError, match="cannot be written as JSON"):
        JsonCodec().encoder(None)(value)


def test_cycle_is_refused_before_it_is_sent() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(InvalidPayloadError, match="cannot be written as JSON"):
        JsonCodec().encoder(None)(cycle)


@pytest.mark.parametrize("value", [{"id": "x"}, "text", None, 5])
def test_value_that_is_not_what_it_should_be_is_refused(value: Any) -> None:
    for check in (False, True):
        with pytest.raises(InvalidPayloadError):
            JsonCodec().encoder(User, check=check)(value)


def test_instance_of_the_type_is_not_validated_again() -> None:
    user = User.model_construct(id="not checked", name="x")
    assert JsonCodec().encoder(User)(user) == b'{"id":"not checked","name":"x"}'


@given(st.binary(max_size=80))
def test_any_bytes_are_a_payload_or_invalid(body: bytes) -> None:
    for form in (None, User, list[User], dict[str, Any]):
        with suppress(InvalidPayloadError):
            JsonCodec().decoder(form)(body)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"1" * 5_000,
        b'"\\ud800"',
        b"\xef\xbb\xbf1",
        "1".encode("utf-16"),
        b'{"id":1}\x00',
        b'"' + b"x" * 1_048_576,
        b"",
    ],
    ids=["lists", "objects", "digits", "surrogate", "bom", "utf-16", "nul", "long", "empty"],
)
def test_hostile_bytes_are_invalid(body: bytes) -> None:
    with pytest.raises(InvalidPayloadError):
        JsonCodec().decoder(User)(body)


class TestDetails:
    def refused(self, form: Any, value: Any) -> InvalidPayloadError:
        with pytest.raises(InvalidPayloadError) as caught:
            JsonCodec().decoder(form)(json.dumps(value).encode())
        return caught.value

    def test_name_the_field_and_what_is_wrong(self) -> None:
        error = self.refused(User, {"id": "x"})
        assert error.details == [
            {
                "loc": ["id"],
                "type": "int_parsing",
                "msg": "Input should be a valid integer, unable to parse string as an integer",
            }
        ]
        assert str(error).startswith("id: Input should be a valid integer")

    def test_are_at_most_20(self) -> None:
        assert len(self.refused(list[int], ["x"] * 1000).details) == 20

    @pytest.mark.parametrize(
        ("form", "value"),
        [
            (list[User], [{"id": "k" * 5000}] * 50),
            (dict[str, int], {"k" * 5000 + str(number): "x" for number in range(50)}),
            (dict[str, dict[str, int]], {"é" * 500 + str(n): {"é" * 500: "x"} for n in range(50)}),
        ],
    )
    def test_are_below_4_kib(self, form: Any, value: Any) -> None:
        error = self.refused(form, value)
        told = {"code": "INVALID_ARGUMENT", "message": str(error), "details": error.details}
        assert len(to_json(told)) < 4096

    def test_say_no_more_of_a_deep_place_than_of_a_shallow_one(self) -> None:
        value: Any = {"children": 5}
        for _ in range(60):
            value = {"children": [value] * 2}
            if len(json.dumps(value)) > 20_000:
                break
        error = self.refused(Node, value)
        assert all(len(detail["loc"]) <= 9 for detail in error.details)  # type: ignore[arg-type]
        assert len(to_json(error.details)) < 4096

    @pytest.mark.parametrize(
        ("form", "value"),
        [
            (User, {"id": "s3cret"}),
            (list[int], ["s3cret"] * 3),
            (Literal["a", "b"], "s3cret"),
            (dt.datetime, "s3cret"),
            (dict[str, int], {"a": "s3cret"}),
            (
                Annotated[
                    Annotated[User, Field()] | Named,
                    Field(union_mode="left_to_right"),
                ],
                {"id": "s3cret"},
            ),
        ],
    )
    def test_never_repeat_the_input(self, form: Any, value: Any) -> None:
        error = self.refused(form, value)
        assert "s3cret" not in str(error) + json.dumps(error.details)

    def test_never_repeat_an_unknown_tag(self) -> None:
        class Cat(BaseModel):
            kind: Literal["cat"]

        class Dog(BaseModel):
            kind: Literal["dog"]

        error = self.refused(Annotated[Cat | Dog, Field(discriminator="kind")], {"kind": "s3cret"})
        assert error.details[0]["type"] == "union_tag_invalid"
        assert "s3cret" not in str(error) + json.dumps(error.details)


class Shouting:
    """A codec of the test's own."""

    content_type = "text/shout"

    def encoder(self, type: Any, *, check: bool = False) -> codec.Encode:
        return lambda value: str(value).upper().encode()

    def decoder(self, type: Any) -> codec.Decode:
        validate = TypeAdapter(type or Any).validate_python
        return lambda body: validate(body.decode().lower())


@pytest.fixture
def shouting(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(codec, "_CODECS", dict(codec._CODECS))
    register_codec(Shouting())
    return Shouting.content_type


def test_registered_codec_is_found_by_its_content_type(shouting: str) -> None:
    assert isinstance(codec_for(shouting), Shouting)
    check_codec(shouting)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON",
        " application/json ",
    ],
)
def test_spelling_and_parameters_of_a_content_type_do_not_matter(content_type: str) -> None:
    assert isinstance(codec_for(content_type), JsonCodec)


@pytest.mark.parametrize("content_type", ["text/plain", "", "application/x-" + "y" * 10_000])
def test_unknown_content_type_is_an_invalid_payload(content_type: str) -> None:
    with pytest.raises(InvalidPayloadError, match="unknown content type") as caught:
        codec_for(content_type)
    assert len(str(caught.value)) < 200


def test_unknown_codec_of_a_contract_is_refused_and_lists_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match=r"here: no codec for 'a/b'.*application/json"):
        check_codec("a/b", "here")
