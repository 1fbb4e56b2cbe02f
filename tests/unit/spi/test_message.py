"""Messages and receipts."""

import dataclasses

import pytest

from wireloom import Receipt
from wireloom.spi import Kind, Message
from wireloom.spi.native import from_headers, to_headers


def test_message_does_not_show_its_body() -> None:
    message = Message(Kind.EVENT, "a", b"s3cret", {"password": "s3cret"}, "id-1")
    assert repr(message) == "<EVENT 'a' id='id-1' 6 bytes>"


def test_receipt_knows_nothing_that_it_was_not_told() -> None:
    receipt = Receipt("id", "tcp")
    unknown = {f.name for f in dataclasses.fields(receipt) if getattr(receipt, f.name) is None}
    assert unknown == {"stream", "sequence", "partition", "offset", "duplicate", "routed"}
    with pytest.raises(dataclasses.FrozenInstanceError):
        receipt.id = "x"  # type: ignore[misc]


@pytest.mark.parametrize("kind", Kind)
def test_message_comes_back_from_its_headers_as_it_was(kind: Kind) -> None:
    message = Message(kind, "a", b"body", {"x": "1"}, "id", reply_to="inbox.i", key="k")
    headers = to_headers(message)
    assert all(isinstance(value, str) for value in headers.values())
    place = kind if kind < Kind.REPLY else Kind.REPLY
    other = from_headers(place, "a", b"body", headers)
    fields = ("kind", "address", "body", "headers", "id", "reply_to", "key")
    assert [getattr(other, name) for name in fields] == [getattr(message, name) for name in fields]


def test_message_of_a_foreign_producer_has_no_id() -> None:
    message = from_headers(Kind.EVENT, "a", b"1", {"tenant": "x"})
    assert (message.id, message.reply_to, message.key) == ("", None, None)
    assert message.headers == {"tenant": "x"}


@pytest.mark.parametrize("kind", ["", "nonsense", "EVENT"])
def test_unknown_kind_in_an_inbox_is_a_reply(kind: str) -> None:
    assert from_headers(Kind.REPLY, "inbox.x", b"", {"wl-kind": kind}).kind is Kind.REPLY
