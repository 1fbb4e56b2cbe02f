"""What a transport's deliveries do unless it says otherwise."""

import pytest

from wireloom.spi import Delivery, Kind, Message

MESSAGE = Message(Kind.EVENT, "a", b"", {}, "id")


def test_delivery_counts_what_it_is_told() -> None:
    delivery = Delivery(MESSAGE, attempt=3)
    assert (delivery.attempt, delivery.deliveries, delivery.age) == (3, 3, 0.0)
    assert (delivery.pending, delivery.replayed, delivery.lost) == (None, False, False)


async def test_what_every_transport_must_do_itself_is_not_done_silently() -> None:
    delivery = Delivery(MESSAGE)
    for settle in (
        delivery.retry(1.0, 2),
        delivery.dead_letter({}),
        delivery.give_back(),
        delivery.reply(MESSAGE),
    ):
        with pytest.raises(NotImplementedError):
            await settle


async def test_what_some_transports_have_no_use_for_does_nothing() -> None:
    delivery = Delivery(MESSAGE)
    await delivery.ack()
    await delivery.keep_alive()
    assert delivery.try_reply(MESSAGE) is False
