from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from wireloom.spi import Kind, Message
from wireloom_kafka.putoff import put_off
from wireloom_kafka.records import Place, from_record, to_outgoing
from wireloom_kafka.topics import rung


@dataclass
class Record:
    headers: list[tuple[str, bytes | None]]
    value: bytes | None = b""
    key: bytes | None = None
    topic: str = "a.b"
    partition: int = 1
    offset: int = 2
    timestamp: int = 1_700_000_000_000
    timestamp_type: int = 1
    extra: list[int] = field(default_factory=list)


names = st.text("abcdefghij-.", min_size=1, max_size=10).map("x-{}".format)
headers = st.dictionaries(names, st.text(max_size=20), max_size=5)


@given(
    st.binary(max_size=50),
    headers,
    st.text(max_size=10),
    st.none() | st.text(max_size=10),
    st.sampled_from(list(Kind)),
    st.none() | st.just("inbox.a/0/b"),
)
def test_messages_survive_their_record(
    body: bytes,
    given_headers: dict[str, str],
    uid: str,
    key: str | None,
    kind: Kind,
    reply_to: str | None,
) -> None:
    message = Message(kind, "a.b", body, given_headers, uid, key=key, reply_to=reply_to)
    written = to_outgoing(message, "a.b")
    record = Record(list(written.headers), written.value, written.key)
    back = from_record(record, kind, "a.b").message
    for name in ("kind", "address", "body", "headers", "id", "key", "reply_to"):
        assert getattr(back, name) == getattr(message, name)


@given(
    st.lists(st.tuples(st.text(max_size=20), st.none() | st.binary(max_size=30)), max_size=10),
    st.none() | st.binary(max_size=20),
    st.none() | st.binary(max_size=20),
)
def test_whatever_a_foreign_producer_writes_is_a_message(
    pairs: list[tuple[str, bytes | None]], key: bytes | None, value: bytes | None
) -> None:
    source = from_record(Record(pairs, value, key), Kind.EVENT, "a.b")
    assert source.attempt == 1
    assert source.message.body == (value or b"")
    assert all(name == name.lower() for name in source.message.headers)


def test_hearsay_about_attempts_and_places_is_not_believed() -> None:
    pairs = [("wl-attempt", b"99"), ("wl-source", b"x:1:2:3"), ("wl-replayed", b"1")]
    source = from_record(Record(list(pairs)), Kind.EVENT, "a.b")
    assert (source.attempt, source.place.topic, source.replayed) == (1, "a.b", False)
    assert not source.message.headers


def test_what_was_put_off_comes_back_with_its_place_attempt_and_time() -> None:
    message = Message(Kind.EVENT, "a.b", b"x", {"h": "v"}, "7", key="k")
    source = from_record(Record([], b"x"), Kind.EVENT, "a.b")
    source.message = message
    written = put_off(source, "delay.s", 90.0, 3)
    assert (written.topic, written.partition, written.key) == ("delay.s", rung(90.0), b"k")
    back = from_record(
        Record(list(written.headers), written.value, written.key, topic="delay.s"),
        Kind.EVENT,
        "",
        ours=True,
    )
    assert (back.attempt, back.place, back.delay) == (3, source.place, 90.0)
    assert back.due == 1_700_000_090.0
    assert back.message.headers == {"h": "v"}


@given(st.text(max_size=60))
def test_any_text_is_a_place_or_none(text: str) -> None:
    place = Place.from_text(text)
    assert place is None or place.to_text()


def test_longer_delays_never_come_before_shorter_ones_in_the_ladder() -> None:
    assert [rung(delay) for delay in (0.0, 1.9, 2.0, 59.0, 60.0, 1_199.0, 1_200.0, 1e6)] == [
        0,
        0,
        1,
        1,
        2,
        2,
        3,
        3,
    ]
