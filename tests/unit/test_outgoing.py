"""Messages as they leave: ids, keys, and what follows a call."""

import dataclasses
from typing import Any

import pytest
from pydantic import BaseModel

from wireloom import ConfigurationError, Event, InvalidPatternError, Pattern, PayloadTooLargeError
from wireloom.outgoing import (
    check_size,
    concrete_address,
    event_key,
    event_message,
    new_ids,
    passed_on,
)
from wireloom.spi import Context, Delivery, Kind, Message, Origin, current_context
from wireloom.spi.headers import CORRELATION, DEADLINE


class User(BaseModel):
    id: int | None = None


@dataclasses.dataclass
class Point:
    id: int


def context(**headers: str) -> Context:
    message = Message(Kind.EVENT, "a", b"", headers, "first")
    return Context(Delivery(message), Origin(Pattern("a"), "t", "memory", "s"))


def test_ids_are_unique_to_everybody() -> None:
    one, other = new_ids(), new_ids()
    made = [*(one() for _ in range(1000)), *(other() for _ in range(1000))]
    assert len(set(made)) == 2000


@pytest.mark.parametrize(
    ("key", "payload", "found"),
    [
        ("id", User(id=5), "5"),
        ("id", Point(7), "7"),
        ("id", {"id": "x"}, "x"),
        ("id", User(), None),
        ("id", {"id": None}, None),
        (lambda user: user.id * 2, User(id=5), "10"),
        (lambda user: None, User(id=5), None),
        (None, User(id=5), None),
    ],
)
def test_key_is_read_from_the_payload(key: Any, payload: Any, found: str | None) -> None:
    assert event_key(Event("e", key=key), payload) == found


def test_event_without_a_contract_has_no_key() -> None:
    assert event_key(None, User(id=5)) is None


@pytest.mark.parametrize("payload", [{}, 5, User(), "id"])
def test_payload_without_the_field_of_the_key_is_refused(payload: Any) -> None:
    with pytest.raises(ConfigurationError, match="key='nonexistent'"):
        event_key(Event("e", key="nonexistent"), payload)


def test_correlation_begins_with_the_first_message_and_is_passed_on() -> None:
    assert passed_on(None) == {}
    assert passed_on(context()) == {CORRELATION: "first"}
    headers = {"wl-correlation-id": "c", "traceparent": "t", "tracestate": "s", "tenant": "x"}
    assert passed_on(context(**headers)) == {
        CORRELATION: "c",
        "traceparent": "t",
        "tracestate": "s",
    }


def test_event_carries_what_follows_the_call_and_what_the_user_gives() -> None:
    token = current_context.set(context(traceparent="theirs"))
    try:
        message = event_message(
            "a.b",
            b"1",
            "id",
            content_type="x/y",
            headers={"traceparent": "mine", "tenant": "t"},
            key="k",
            delay=3.0,
            ttl=1.5,
        )
    finally:
        current_context.reset(token)
    assert (message.kind, message.address, message.body, message.id) == (
        Kind.EVENT,
        "a.b",
        b"1",
        "id",
    )
    assert (message.key, message.delay) == ("k", 3.0)
    assert message.headers == {
        "content-type": "x/y",
        CORRELATION: "first",
        "traceparent": "mine",
        "tenant": "t",
        DEADLINE: "1500",
    }


@pytest.mark.parametrize("ttl", [0, -1, float("nan"), float("inf")])
def test_time_to_live_that_is_none_is_refused(ttl: float) -> None:
    with pytest.raises(ValueError, match="ttl="):
        event_message("a", b"", "id", content_type="x", ttl=ttl)


def test_pattern_of_many_addresses_is_nothing_to_send_to() -> None:
    assert concrete_address(Pattern("a.b")) == "a.b"
    with pytest.raises(InvalidPatternError, match=r"\.at\("):
        concrete_address(Pattern("a.{id}"))
    with pytest.raises(InvalidPatternError, match="name one address"):
        concrete_address(Pattern("a.*"))


def test_body_over_the_limit_is_refused_with_both_figures() -> None:
    check_size(b"xxx", 3)
    with pytest.raises(PayloadTooLargeError, match=r"4 bytes .* 3 bytes"):
        check_size(b"xxxx", 3)
