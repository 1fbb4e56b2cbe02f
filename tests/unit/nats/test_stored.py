"""What an acknowledgement's subject tells, and the shard of a key."""

from hypothesis import given
from hypothesis import strategies as st

from wireloom_nats.jetstream import timestamp
from wireloom_nats.reader import Shard
from wireloom_nats.stored import nak, place_of


def test_both_forms_of_the_subject_are_read() -> None:
    short = "$JS.ACK.events.a~b.3.17.20.1700000000500000000.4"
    long = "$JS.ACK.hub.ACC.events.a~b.3.17.20.1700000000500000000.4.rnd"
    assert place_of(short) == place_of(long) == (3, 17, 20, 1700000000.5, 4)


@given(st.text(max_size=60))
def test_any_other_subject_is_none(subject: str) -> None:
    assert place_of(subject) is None
    place_of(f"$JS.ACK.{subject}")


def test_a_delay_is_asked_for_in_nanoseconds() -> None:
    assert nak(0) == nak(-1) == b"-NAK"
    assert nak(1.5) == b'-NAK {"delay": 1500000000}'


@given(st.text(min_size=1), st.integers(1, 8))
def test_a_key_is_in_one_shard(key: str, shards: int) -> None:
    assert sum(Shard(number, shards).holds(key) for number in range(shards)) == 1
    assert Shard(0, shards).holds(None)


def test_times_of_the_server_are_read_to_the_nanosecond() -> None:
    assert timestamp("2023-11-14T22:13:20.5Z") == 1700000000.5
    assert timestamp("2023-11-14T22:13:20Z") == 1700000000.0
    assert timestamp("2023-11-14T22:13:20.123456789Z") == 1700000000.123456789
