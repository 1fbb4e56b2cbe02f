"""Headers: what is legal, and numbers that anybody may have written."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireloom.spi.headers import MAX_BYTES, MAX_HEADERS, bounded_int, check_headers

NAME = st.text(string.ascii_lowercase + string.digits + "-_.", min_size=1, max_size=12).filter(
    lambda name: not name.startswith("wl-")
)
VALUE = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=20)


@given(st.dictionaries(NAME, VALUE, max_size=20))
def test_lower_case_names_with_one_line_of_text_are_legal(headers: dict[str, str]) -> None:
    check_headers(headers)


@pytest.mark.parametrize(
    "name", ["", "Tenant", "a b", "a:b", "ä", "a\n", "wl-id", "wl-anything", "a\x00", "tab\t"]
)
def test_name_that_some_broker_would_garble_is_refused_and_named(name: str) -> None:
    with pytest.raises(ValueError, match="header name"):
        check_headers({name: "x"})


@pytest.mark.parametrize("value", ["a\r\nb", "a\nb", "a\x00", "\x7f", "\ud800"])
def test_value_that_ends_a_line_or_is_no_text_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="'tenant' holds"):
        check_headers({"tenant": value})


@pytest.mark.parametrize("value", [None, 5, b"x", ["a"]])
def test_value_that_is_no_text_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="'tenant' must be text"):
        check_headers({"tenant": value})  # type: ignore[dict-item]


def test_more_headers_than_every_broker_carries_are_refused() -> None:
    check_headers({f"h{number}": "" for number in range(MAX_HEADERS)})
    with pytest.raises(ValueError, match="65 headers"):
        check_headers({f"h{number}": "" for number in range(MAX_HEADERS + 1)})


def test_more_bytes_than_every_broker_carries_are_refused() -> None:
    check_headers({"h": "x" * (MAX_BYTES - 1)})
    with pytest.raises(ValueError, match="bytes"):
        check_headers({"h": "é" * (MAX_BYTES // 2)})


@given(st.integers(0, 10**18), st.integers(0, 10**18), st.integers(0, 10**18))
def test_number_within_its_bounds_is_read(number: int, one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert bounded_int(str(number), low, high) == (number if low <= number <= high else None)


@given(st.text(max_size=30))
def test_any_text_is_a_bounded_number_or_none(text: str) -> None:
    number = bounded_int(text, 0, 100)
    assert number is None or 0 <= number <= 100


@pytest.mark.parametrize(
    "text", [None, "", "-1", "+1", "1.0", "1e3", " 1", "٣", "9" * 20, "abc", "1_0"]
)
def test_what_is_no_plain_number_is_none(text: str | None) -> None:
    assert bounded_int(text, 0, 10**18) is None
