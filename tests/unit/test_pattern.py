"""Patterns: parsing, matching, route text."""

import enum
import json
import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireloom.errors import InvalidPatternError
from wireloom.pattern import Pattern, PatternIndex, route_text, split_address

TOKEN = st.text(string.ascii_lowercase + string.digits + "-_é", min_size=1, max_size=8)
ADDRESS = st.lists(TOKEN, min_size=1, max_size=6).map(".".join)


class Command(enum.Enum):
    SUM = "sum"
    OBJECT = {"cmd": "sum"}  # noqa: RUF012 - a member's value
    NUMBER = 7


def filters() -> st.SearchStrategy[str]:
    token = st.one_of(TOKEN, st.just("*"))
    tokens = st.lists(token, min_size=1, max_size=6)
    return st.tuples(tokens, st.booleans()).map(
        lambda drawn: ".".join([*drawn[0], ">"] if drawn[1] else drawn[0])
    )


def expected(pattern: str, address: str) -> bool:
    """Match by the definition, token by token."""
    wanted, given_ = pattern.split("."), address.split(".")
    if wanted[-1] == ">":
        wanted = wanted[:-1]
        if len(given_) < len(wanted) + 1:
            return False
        given_ = given_[: len(wanted)]
    return len(wanted) == len(given_) and all(
        one in ("*", other) for one, other in zip(wanted, given_, strict=True)
    )


@given(filters(), ADDRESS)
def test_matching_follows_the_definition(pattern: str, address: str) -> None:
    assert Pattern(pattern).matches(address) == expected(pattern, address)


@given(ADDRESS)
def test_address_matches_itself_and_is_concrete(address: str) -> None:
    pattern = Pattern(address)
    assert pattern.is_concrete
    assert pattern.matches(address)
    assert Pattern.of(address) == pattern
    assert hash(Pattern.of(address)) == hash(pattern)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("user.*", ["user.created"], ["user", "user.a.b", "users.a"]),
        ("user.>", ["user.created", "user.a.b"], ["user", "users.a"]),
        (">", ["a", "a.b"], []),
        ("*.b", ["a.b"], ["b", "a.b.c"]),
        ("user.{id}.left", ["user.7.left"], ["user.7", "user.7.8.left"]),
    ],
)
def test_wildcard_stands_for_what_the_documentation_says(
    pattern: str, yes: list[str], no: list[str]
) -> None:
    assert all(Pattern(pattern).matches(address) for address in yes)
    assert not any(Pattern(pattern).matches(address) for address in no)


def test_parameter_is_filled_and_read_back() -> None:
    pattern = Pattern("user.{id}.{what}")
    concrete = pattern.at(id=7, what="left")
    assert (concrete.text, concrete.is_concrete) == ("user.7.left", True)
    assert pattern.extract(concrete.text) == {"id": "7", "what": "left"}
    assert pattern.filter == "user.*.*"


@given(st.dictionaries(st.sampled_from(["a", "b"]), TOKEN, min_size=2))
def test_at_and_extract_undo_each_other(tokens: dict[str, str]) -> None:
    pattern = Pattern("x.{a}.y.{b}")
    assert pattern.extract(pattern.at(**tokens).text) == tokens


@pytest.mark.parametrize(
    "tokens", [{}, {"id": 1, "other": 2}, {"id": ""}, {"id": "a.b"}, {"id": "*"}, {"id": "a b"}]
)
def test_at_refuses_what_fills_no_parameter(tokens: dict[str, object]) -> None:
    with pytest.raises(InvalidPatternError):
        Pattern("user.{id}").at(**tokens)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "a..b",
        "a.",
        ".a",
        "a.>.b",
        "a*",
        "*a.b",
        "a.>>",
        "a b",
        "a\nb",
        "a\x00",
        "\ud800",
        "a.{}",
        "a.{1}",
        "a.x{id}",
        "{id}.{id}",
        "x" * 513,
        ".".join("x" * 65),
        *["a.\u2028"],
    ],
)
def test_text_that_no_broker_could_carry_is_refused(text: str) -> None:
    with pytest.raises(InvalidPatternError):
        Pattern(text)


@pytest.mark.parametrize("literal", [None, True, 1j, b"a", ["a"], object(), float("nan")])
def test_what_is_no_literal_is_refused(literal: object) -> None:
    with pytest.raises(InvalidPatternError):
        Pattern.of(literal)


@pytest.mark.parametrize(
    ("literal", "text"),
    [
        (5, "5"),
        (5.0, "5"),
        (-0.0, "0"),
        (1.5, "1.5"),
        (Command.SUM, "sum"),
        (Command.NUMBER, "7"),
        (Command.OBJECT, '{"cmd":"sum"}'),
        ({"cmd": "sum", "v": 1}, '{"cmd":"sum","v":1}'),
        ({"v": 1, "cmd": "sum"}, '{"cmd":"sum","v":1}'),
        ({"a": None, "b": True, "c": [1, "x"]}, '{"a":null,"b":true,"c":{"0":1,"1":"x"}}'),
        ({"q": 'a"b\\c'}, '{"q":"a\\"b\\\\c"}'),
        ({1: "a"}, '{"1":"a"}'),
        ({"a": {2: "x", Command.SUM: 1}}, '{"a":{"2":"x","sum":1}}'),
    ],
)
def test_literal_has_the_route_text_of_nestjs(literal: object, text: str) -> None:
    pattern = Pattern.of(literal)
    assert pattern.text == text
    assert pattern.is_concrete
    assert pattern.matches(text)


@pytest.mark.parametrize("literal", [{"a": object()}, {"a": b"x"}, {None: 1}, {("a",): 1}])
def test_object_of_more_than_literals_is_refused(literal: object) -> None:
    with pytest.raises(InvalidPatternError):
        Pattern.of(literal)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-99, 99), st.text('ab"\\.*>{} ', max_size=4)),
    lambda inner: st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abcXYZé1_", min_size=1, max_size=3), JSON, max_size=4))
def test_route_text_is_the_json_of_the_object_whatever_its_order(
    literal: dict[str, object],
) -> None:
    turned = dict(reversed(literal.items()))
    assert route_text(turned) == route_text(literal)
    assert json.loads(route_text(literal)) == literal


@given(
    st.dictionaries(st.text("ab", min_size=1), JSON, min_size=1, max_size=3),
    st.dictionaries(st.text("ab", min_size=1), JSON, min_size=1, max_size=3),
)
def test_route_texts_of_different_objects_differ(
    one: dict[str, object], other: dict[str, object]
) -> None:
    assert (route_text(one) == route_text(other)) == (
        json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    )


def test_nested_deeper_than_nestjs_looks_is_cut_as_it_cuts() -> None:
    literal: object = 1
    for _ in range(8):
        literal = {"a": literal}
    assert '"[MAX_DEPTH_REACHED]"' in route_text(literal)
    assert '"[TOO_MANY_KEYS]"' in route_text({"a": {str(key): 1 for key in range(21)}})


def test_object_is_one_token_whatever_it_holds() -> None:
    pattern = Pattern.of({"cmd": "a.b.*"})
    assert pattern.is_concrete
    assert split_address(pattern.text) == (pattern.text,)
    assert Pattern("*").matches(pattern.text)
    assert Pattern(pattern.text) == pattern


@given(st.text(max_size=600))
def test_any_text_is_a_pattern_or_refused(text: str) -> None:
    try:
        pattern = Pattern(text)
    except InvalidPatternError:
        return
    assert Pattern(pattern.text) == pattern


@pytest.mark.parametrize(
    "address",
    ["*.>.**" * 20, "a." * 10_000 + "a", "a" * 100_000, "{" * 5_000, '{"' + "." * 5_000],
)
def test_matching_hostile_addresses_takes_no_time(address: str) -> None:
    patterns = [Pattern("a.*.b.>"), Pattern(".".join("*" * 60) + ".>"), Pattern("{x}.{y}")]
    began = time.perf_counter()
    for pattern in patterns:
        pattern.matches(address)
    assert time.perf_counter() - began < 0.02


class TestPatternIndex:
    def test_finds_the_values_of_every_matching_pattern(self) -> None:
        index: PatternIndex[int] = PatternIndex()
        assert not index
        for pattern, value in (("a.*", 1), ("a.b", 2), (">", 3), ("a.b", 4), ("c", 5)):
            index.add(Pattern(pattern), value)
        assert index
        assert index.find("a.b") == (2, 4, 1, 3)
        assert index.find("a.b") == (2, 4, 1, 3)
        assert index.find("nobody") == (3,)

    def test_what_was_removed_is_not_found_again(self) -> None:
        index: PatternIndex[int] = PatternIndex()
        index.add(Pattern("a"), 1)
        index.add(Pattern("*"), 2)
        assert index.find("a") == (1, 2)
        index.remove(Pattern("a"), 1)
        index.remove(Pattern("*"), 2)
        index.remove(Pattern("*"), 9)
        assert index.find("a") == ()
        assert not index

    def test_memory_of_addresses_that_peers_choose_is_bounded(self) -> None:
        index: PatternIndex[int] = PatternIndex()
        index.add(Pattern(">"), 1)
        for number in range(25_000):
            assert index.find(f"a.{number}") == (1,)
        assert len(index._seen) <= 10_000

    @given(st.lists(filters(), max_size=8), ADDRESS)
    def test_finds_what_a_search_through_all_would(self, texts: list[str], address: str) -> None:
        index: PatternIndex[int] = PatternIndex()
        patterns = [Pattern(text) for text in texts]
        for number, pattern in enumerate(patterns):
            index.add(pattern, number)
        wanted = {number for number, one in enumerate(patterns) if one.matches(address)}
        assert set(index.find(address)) == wanted
