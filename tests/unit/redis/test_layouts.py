"""Messages on channels and in streams, from us and from anybody."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireloom.errors import PublishError
from wireloom.spi import Kind, Message
from wireloom_redis import entry, frame

texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=30)
names = st.from_regex(r"[a-z][a-z0-9.-]{0,10}", fullmatch=True).filter(
    lambda name: name != "body" and not name.startswith("wl-")
)
headers = st.dictionaries(names, texts, max_size=8)


@st.composite
def messages(draw: st.DrawFn, kind: Kind = Kind.EVENT) -> Message:
    return Message(
        kind,
        "a.b",
        draw(st.binary(max_size=200)),
        draw(headers),
        draw(texts),
        reply_to=draw(st.none() | texts),
        key=draw(st.none() | texts),
    )


def facts(message: Message) -> tuple[object, ...]:
    return (
        *(message.kind, message.address, message.body, dict(message.headers), message.id),
        *(message.reply_to, message.key),
    )


@given(st.sampled_from(list(Kind)).flatmap(messages))
def test_frame_holds_all_of_a_message(message: Message) -> None:
    back, sent = frame.decode(min(message.kind, Kind.REPLY), "a.b", frame.encode(message))
    assert facts(back) == facts(message)
    assert sent is None


@given(messages())
def test_entry_holds_all_of_a_message(message: Message) -> None:
    back, own = entry.to_message("a.b", entry.fields_of(message))
    assert facts(back) == facts(message)
    assert own == {}


@given(st.binary(max_size=300) | st.binary(max_size=100).map(lambda data: b"WL/1\n" + data))
def test_any_bytes_are_a_message(data: bytes) -> None:
    for kind in (Kind.EVENT, Kind.REQUEST, Kind.REPLY):
        message, _ = frame.decode(kind, "a", data)
        assert data.endswith(message.body)


@given(st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=20)), max_size=20))
def test_any_fields_are_a_message(pairs: list[tuple[bytes, bytes]]) -> None:
    fields = [part for pair in pairs for part in pair]
    message, _ = entry.to_message("a", fields)
    bodies = [value for name, value in pairs if name == b"body"]
    assert message.body == (bodies[-1] if bodies else b"")
    kept = entry.with_own(fields, {"wl-attempt": "2"})
    assert entry.to_message("a", [_raw(part) for part in kept])[1]["wl-attempt"] == "2"


@pytest.mark.parametrize("value", ["a\nb", "a\n\nwl-id: other"])
def test_header_with_a_line_break_is_refused(value: str) -> None:
    with pytest.raises(PublishError, match="line break"):
        frame.encode(Message(Kind.EVENT, "a", b"", {"x": value}, "1"))


def test_own_headers_of_a_foreigner_do_not_reach_the_handler() -> None:
    fields = [b"body", b"1", b"wl-attempt", b"9", b"WL-SENT-MS", b"1", b"wl-replayed", b"1"]
    message, own = entry.to_message("a", fields)
    assert message.headers == {}
    assert own == {"wl-attempt": "9", "wl-sent-ms": "1", "wl-replayed": "1"}


@pytest.mark.parametrize(
    ("start", "first"),
    [
        ("new", None),
        ("last", None),
        ("first", "0-1"),
        (5, "5-0"),
        ("7-3", "7-3"),
        (datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), "1000-0"),
    ],
)
def test_start_is_an_entry_id(start: object, first: str | None) -> None:
    assert entry.first_of(start) == first  # type: ignore[arg-type]


@pytest.mark.parametrize("start", ["", "yesterday", "-1", "1-", "1-x", "1-2-3", -5, "\u0661"])
def test_start_that_means_no_place_is_refused(start: object) -> None:
    with pytest.raises(ValueError, match="no place"):
        entry.first_of(start)  # type: ignore[arg-type]


@given(st.integers(0, 1 << 50), st.integers(0, 1 << 60))
def test_id_before_an_entry_is_the_next_smaller_one(milliseconds: int, rest: int) -> None:
    here = entry.place(f"{milliseconds}-{rest}")
    there = entry.place(entry.before(f"{milliseconds}-{rest}"))
    assert there < here or here == (0, 0)
    if rest:
        assert there == (milliseconds, rest - 1)


def _raw(part: str | bytes) -> bytes:
    return part.encode() if isinstance(part, str) else part
