"""What every transport's options have in common."""

import string
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import SplitResult

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireloom import ConfigurationError
from wireloom.spi import TransportOptions, redact_url


@dataclass(frozen=True, kw_only=True)
class PipeOptions(TransportOptions):
    kind: ClassVar[str] = "pipe"
    host: str = "127.0.0.1"
    names: tuple[str, ...] = ()
    fast: bool = False

    @classmethod
    def url_fields(cls, url: SplitResult) -> dict[str, Any]:
        return {"host": url.hostname}


def test_url_gives_the_address_and_fields_by_name() -> None:
    options = PipeOptions.from_url(
        "pipe://box?names=a&names=b&fast=true&startup_timeout=2.5&namespace=prod"
    )
    assert options == PipeOptions(
        host="box", names=("a", "b"), fast=True, startup_timeout=2.5, namespace="prod"
    )


def test_mapping_holds_what_a_configuration_file_holds() -> None:
    assert PipeOptions.from_mapping({"host": "b", "max_payload": "500"}).max_payload == 500


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("pipe://box?sped=1", "sped: Unexpected keyword argument"),
        ("pipe://box?fast=perhaps", "fast: Input should be a valid boolean"),
        ("pipe://box?startup_timeout=", "startup_timeout: Input should be a valid number"),
        ("pipe://box?startup_timeout=0", "startup_timeout=0"),
        ("pipe://box?pending_bytes=-1", "pending_bytes=-1"),
        ("pipe://box?namespace=a%20b", "namespace="),
        ("pipe://box?namespace=*", "namespace="),
    ],
)
def test_field_that_is_unknown_or_wrong_is_refused_by_name(url: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said.replace("*", r"\*")):
        PipeOptions.from_url(url)


def test_unknown_field_is_answered_by_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match=r"fields: .*host, names, fast"):
        PipeOptions.from_mapping({"hots": "x"})


def test_wrong_value_is_not_repeated_since_it_may_be_a_secret() -> None:
    with pytest.raises(ConfigurationError) as caught:
        PipeOptions.from_mapping({"startup_timeout": "s3cret", "password": "s3cret"})
    assert "s3cret" not in str(caught.value)


def test_what_may_hold_secrets_is_not_shown() -> None:
    options = PipeOptions(driver={"password": "s3cret"}, client="s3cret")
    assert "s3cret" not in repr(options)


def test_refused_option_names_itself_and_the_transport() -> None:
    error = PipeOptions().refuse("wire", "it speaks 'native' only")
    assert (error.option, error.transport) == ("wire", "pipe")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("nats://127.0.0.1:4222", "nats://127.0.0.1:4222"),
        ("amqp://user:pw@host:5672/v", "amqp://user:***@host:5672/v"),
        ("redis://:pw@host/0", "redis://:***@host/0"),
        ("nats://token@host", "nats://***@host"),
        ("kafka://host?password=pw&x=1", "kafka://host?password=***&x=***"),
        ("user:pw@host", "user:***@host"),
    ],
)
def test_redacted_url_shows_no_credentials(url: str, shown: str) -> None:
    assert redact_url(url) == shown


@given(
    st.text(string.ascii_lowercase, max_size=5),
    st.text(string.ascii_letters + "!$%&/:=@,.~", max_size=8).map(lambda text: f"S3{text}CR3T"),
    st.sampled_from(["h:1", "h", "127.0.0.1:4222/0", "a,b:2"]),
)
def test_password_is_never_shown_however_badly_it_is_quoted(
    user: str, password: str, host: str
) -> None:
    shown = redact_url(f"nats://{user}:{password}@{host}")
    assert "CR3T" not in shown
    assert "S3" not in shown
    assert shown.endswith(f"@{host}")


@given(st.text(max_size=40))
def test_redacting_any_text_gives_text(text: str) -> None:
    assert isinstance(redact_url(text), str)
