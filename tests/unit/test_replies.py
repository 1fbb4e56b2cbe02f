"""Errors on the wire: nothing that is not meant for callers, and the same error at the caller."""

import enum
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireloom import (
    ConnectionLostError,
    InvalidPayloadError,
    NoHandlerError,
    Reject,
    RequestTimeoutError,
    RetryLater,
    RpcError,
)
from wireloom.errors import UnreadableMessageError
from wireloom.replies import LOST, error_message, error_of, header_safe, told
from wireloom.spi import Kind, Message
from wireloom.spi.headers import ERROR

REQUEST = Message(Kind.REQUEST, "a", b"", {}, "r-1", reply_to="inbox.x")


class Code(enum.Enum):
    GONE = "GONE"


def travelled(error: RpcError) -> Any:
    return error_of(error_message(REQUEST, error))


@given(
    st.text(),
    st.one_of(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.integers()),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text("ab"),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner),
        max_leaves=5,
    ),
)
def test_code_message_and_details_arrive_as_they_were(
    message: str, code: str | int, details: object
) -> None:
    if code in ("UNIMPLEMENTED", "DEADLINE_EXCEEDED"):
        return
    error = travelled(RpcError(message, code, details))
    assert type(error) is RpcError
    assert (error.code, error.details) == (code, details)
    assert type(error.code) is type(code)
    if message and message.isprintable():
        assert error.message == message


def test_error_message_answers_the_request() -> None:
    message = error_message(REQUEST, RpcError("no", 404, error_id="e-1"))
    assert (message.kind, message.address, message.id) == (Kind.ERROR, "inbox.x", "r-1")
    assert message.headers == {ERROR: "404"}
    assert json.loads(message.body) == {"code": 404, "message": "no", "error_id": "e-1"}
    assert error_of(message).error_id == "e-1"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (RpcError("no", "NOT_FOUND", {"id": 1}), "NOT_FOUND", "no"),
        (UnreadableMessageError("id: wrong", [{"loc": ["id"]}]), "INVALID_ARGUMENT", "id: wrong"),
        (InvalidPayloadError("an answer: s3cret"), "INTERNAL", "internal error"),
        (Reject("never"), "FAILED_PRECONDITION", "never"),
        (RetryLater(3), "UNAVAILABLE", "retry later"),
        (RequestTimeoutError("inner"), "DEADLINE_EXCEEDED", "the handler ran out of time"),
        (ValueError("s3cret"), "INTERNAL", "internal error"),
        (NoHandlerError("s3cret"), "INTERNAL", "internal error"),
        (SystemExit("s3cret"), "INTERNAL", "internal error"),
    ],
)
def test_caller_is_told_what_is_meant_for_it(error: Exception, code: str, message: str) -> None:
    answer = told(error, "id-1")
    assert (answer.code, answer.message) == (code, message)
    assert answer.error_id == ("id-1" if code == "INTERNAL" else None)
    assert "s3cret" not in error_message(REQUEST, answer).body.decode()


def test_retry_later_tells_when() -> None:
    assert told(RetryLater(3), "x").details == {"retry_after": 3}
    assert told(RetryLater(), "x").details is None


def test_no_handler_and_timeout_are_errors_of_their_own_at_the_caller() -> None:
    assert type(travelled(RpcError("x", "UNIMPLEMENTED"))) is NoHandlerError
    assert type(travelled(RpcError("x", "DEADLINE_EXCEEDED"))) is RequestTimeoutError


def test_lost_connection_is_told_from_a_server_s_error() -> None:
    message = Message(Kind.ERROR, "i", b"", {ERROR: "UNAVAILABLE", LOST: "1"}, "r")
    assert isinstance(error_of(message), ConnectionLostError)


@pytest.mark.parametrize(
    ("message", "code", "details"),
    [
        ("half \ud800", "X", None),
        ("x", "X\ud800", None),
        ("x", "X", object()),
        ("x", "X", {"deep": object()}),
        (object(), "X", None),
        ("x", object(), None),
        ("x", Code.GONE, None),
    ],
)
def test_error_travels_whatever_it_was_made_of(message: Any, code: Any, details: Any) -> None:
    error = travelled(RpcError(message, code, details))
    assert isinstance(error, RpcError)
    assert isinstance(error.code, str)


@given(st.binary(max_size=60), st.dictionaries(st.just(ERROR), st.text()))
def test_error_from_anybody_becomes_one_of_ours(body: bytes, headers: dict[str, str]) -> None:
    error = error_of(Message(Kind.ERROR, "inbox", body, headers, "id"))
    assert isinstance(error, (RpcError, NoHandlerError, RequestTimeoutError))


@given(st.text())
def test_header_safe_text_is_printable_ascii(text: str) -> None:
    safe = header_safe(text)
    assert safe.isascii()
    assert safe.isprintable() or not safe
    assert len(safe) <= 200
