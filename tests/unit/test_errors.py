"""Errors: the tree, what they say, and what they carry."""

import copy
import pickle  # noqa: TID251 - process pools pickle errors; nothing here comes from a wire

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireloom import errors
from wireloom.errors import (
    BatchError,
    ConfigurationError,
    ConnectionFailedError,
    ConnectionLostError,
    InvalidPatternError,
    InvalidPayloadError,
    MissingDriverError,
    NoHandlerError,
    PayloadTooLargeError,
    PublishError,
    RequestError,
    RequestTimeoutError,
    RetryLater,
    RpcError,
    UnknownTransportError,
    UnsupportedOptionError,
    WireloomError,
    placed,
)


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_is_a_wireloom_error(name: str) -> None:
    assert issubclass(getattr(errors, name), WireloomError)


def test_request_timeout_is_the_builtin_timeout_error() -> None:
    assert issubclass(RequestTimeoutError, TimeoutError)
    assert issubclass(RequestTimeoutError, RequestError)


def test_missing_handler_is_no_rpc_error_so_that_a_gateway_can_tell_them_apart() -> None:
    assert not issubclass(NoHandlerError, RpcError)


def test_configuration_error_names_the_place_and_the_remedy() -> None:
    error = ConfigurationError("it is wrong", where="Users.get (a.py:3)", remedy="make it right")
    assert str(error) == "Users.get (a.py:3): it is wrong\n  make it right"
    assert (error.where, error.remedy) == ("Users.get (a.py:3)", "make it right")


def test_place_is_added_to_an_error_that_has_none() -> None:
    with (
        pytest.raises(InvalidPatternError, match=r"Users\.get: a pattern\n  remedy"),
        placed("Users.get"),
    ):
        raise InvalidPatternError("a pattern", remedy="remedy")


def test_place_that_is_known_already_is_kept() -> None:
    with pytest.raises(ConfigurationError) as caught, placed("outer"):
        raise ConfigurationError("wrong", where="inner")
    assert (caught.value.where, str(caught.value)) == ("inner", "inner: wrong")


def test_unsupported_option_names_option_and_transport() -> None:
    error = UnsupportedOptionError("ordered", "redis", "no order", where="h (a.py:1)")
    assert (error.option, error.transport) == ("ordered", "redis")
    assert str(error) == (
        "h (a.py:1): option 'ordered' cannot be honoured by transport 'redis': no order"
    )


def test_unknown_transport_lists_what_is_installed() -> None:
    error = UnknownTransportError("zmq", installed=["tcp", "memory"])
    assert str(error) == "unknown transport 'zmq'; installed: memory, tcp"


def test_unknown_token_lists_the_tokens() -> None:
    error = UnknownTransportError("bus", installed=["main"], noun="token", where="h (a.py:1)")
    assert str(error) == "h (a.py:1): unknown token 'bus'; configured: main"
    assert str(UnknownTransportError("x", noun="token")).endswith("configured: none")


def test_missing_driver_says_what_to_install() -> None:
    error = MissingDriverError("nats", "nats", "nats-py")
    assert 'pip install "wireloom[nats]"' in str(error)


@pytest.mark.parametrize(
    ("error", "field", "value"),
    [
        (ConnectionFailedError("x", fatal=True), "fatal", True),
        (ConnectionFailedError("x"), "fatal", False),
        (ConnectionLostError("x"), "maybe_executed", True),
        (PayloadTooLargeError(9, 8), "limit", 8),
        (PublishError("x", [1, 2]), "outcomes", [1, 2]),
        (BatchError({1: ValueError("x")}), "failed", {1: ValueError}),
        (RetryLater(2.5), "after", 2.5),
    ],
)
def test_error_carries_its_fact(error: Exception, field: str, value: object) -> None:
    found = getattr(error, field)
    assert found == value or [*found] == [*value]  # type: ignore[call-overload]


def test_payload_too_large_names_size_and_limit() -> None:
    assert str(PayloadTooLargeError(1_048_577, 1_048_576)) == (
        "1048577 bytes is over the limit of 1048576 bytes a message"
    )


def test_invalid_payload_keeps_at_most_20_details() -> None:
    error = InvalidPayloadError("x", [{"loc": [number]} for number in range(50)])
    assert [detail["loc"] for detail in error.details] == [[number] for number in range(20)]


@pytest.mark.parametrize("after", [-1.0, float("inf"), float("nan")])
def test_retry_later_refuses_what_is_no_wait(after: float) -> None:
    with pytest.raises(ValueError, match="after="):
        RetryLater(after)


@pytest.mark.parametrize(
    ("code", "status"),
    [("NOT_FOUND", 404), ("UNAVAILABLE", 503), ("OWN", 500), (404, 404), (42, 500), (599, 599)],
)
def test_rpc_error_maps_its_code_to_http(code: str | int, status: int) -> None:
    assert RpcError("no", code).http_status == status


@given(
    st.text(),
    st.one_of(st.text(), st.integers()),
    st.one_of(st.none(), st.dictionaries(st.text(), st.integers())),
    st.none() | st.text(),
)
def test_rpc_error_survives_copy_and_pickle(
    message: str, code: str | int, details: object, error_id: str | None
) -> None:
    error = RpcError(message, code, details, error_id=error_id)
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (other.message, other.code, other.details, other.error_id) == (
            message,
            code,
            details,
            error_id,
        )
        assert str(other) == f"{code}: {message}"
