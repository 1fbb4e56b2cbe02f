"""Retry, dead letters, give-backs and keep-alive on JetStream."""

import asyncio

import pytest

from tests.transports.nats.conftest import Site, Taken, event, subscription
from wireloom.errors import TransportError
from wireloom_nats import NatsHandlerOptions

FACTS = {"wl-dead-reason": "failed", "wl-dead-attempts": "3"}


async def test_a_retried_event_comes_back_later_as_the_next_run(site: Site) -> None:
    transport = await site.connect()
    taken = Taken()
    await transport.subscribe(subscription("user.created"), taken)
    await transport.publish(event("user.created"))
    loop = asyncio.get_running_loop()
    first = await taken.next()
    start = loop.time()
    await first.retry(0.3, 4)
    taken.free()
    second = await taken.next()
    assert 0.3 <= loop.time() - start < 1.5
    assert (second.attempt, second.deliveries) == (4, 2)
    assert second.message.id == first.message.id
    await second.retry(0.0, 5)
    taken.free()
    assert (await taken.take()).attempt == 5


async def test_a_give_back_uses_no_attempt_and_goes_to_another_instance(site: Site) -> None:
    one = await site.connect()
    taken = Taken()
    subscriber = await one.subscribe(subscription("user.created"), taken)
    await one.publish(event("user.created"))
    delivery = await taken.next()
    await subscriber.stop()
    await delivery.give_back()
    two = await site.connect()
    other = Taken()
    await two.subscribe(subscription("user.created"), other)
    again = await other.take(within=2)
    assert (again.attempt, again.deliveries) == (1, 2)


async def test_the_count_of_runs_is_the_same_for_every_instance(site: Site) -> None:
    one = await site.connect()
    taken = Taken()
    subscriber = await one.subscribe(subscription("user.created"), taken)
    await one.publish(event("user.created"))
    await (await taken.next()).retry(0.0, 2)
    taken.free()
    await (await taken.next()).retry(0.2, 3)
    await subscriber.close()
    two = await site.connect()
    other = Taken()
    await two.subscribe(subscription("user.created"), other)
    assert (await other.take()).attempt == 3


async def test_a_dead_letter_keeps_bytes_headers_and_facts(site: Site) -> None:
    transport = await site.connect()
    taken = Taken()
    await transport.subscribe(subscription("user.created"), taken)
    sent = event("user.created", b"\xff{", headers={"tenant": "a"}, key="k")
    await transport.publish(sent)
    delivery = await taken.next()
    await delivery.dead_letter(FACTS)
    taken.free()
    letters = [row async for row in transport.dead_letters.read("users.Users.welcome")]
    assert len(letters) == 1
    letter = letters[0]
    assert (letter.address, letter.message_id, letter.body, letter.key) == (
        "user.created",
        sent.id,
        b"\xff{",
        "k",
    )
    assert dict(letter.headers) == {"tenant": "a"}
    assert dict(letter.facts) == FACTS
    assert [row async for row in transport.dead_letters.read("other")] == []


async def test_a_replayed_letter_reaches_its_subscription_alone_as_run_one(site: Site) -> None:
    transport = await site.connect()
    mine, theirs = Taken(), Taken()
    await transport.subscribe(subscription("user.*"), mine)
    await transport.subscribe(subscription(">", "mail.Mail.send"), theirs)
    await transport.publish(event("user.created", headers={"tenant": "a"}, key="k"))
    await (await mine.next()).retry(0.0, 3)
    mine.free()
    await (await mine.next()).dead_letter(FACTS)
    mine.free()
    await theirs.take()
    letters = [row async for row in transport.dead_letters.read("users.Users.welcome")]
    await transport.dead_letters.replay(letters[0])
    again = await mine.take()
    assert (again.message.address, again.message.key, again.attempt) == ("user.created", "k", 1)
    assert dict(again.message.headers) == {"tenant": "a"}
    assert again.replayed
    assert [row async for row in transport.dead_letters.read("users.Users.welcome")] == []
    await transport.publish(event("user.other"))
    assert (await theirs.take()).message.address == "user.other"
    with pytest.raises(TransportError, match="gone"):
        await transport.dead_letters.replay(letters[0])


async def test_removed_letters_are_gone_and_the_others_stay(site: Site) -> None:
    transport = await site.connect()
    taken = Taken()
    await transport.subscribe(subscription("user.created"), taken)
    for number in range(3):
        await transport.publish(event("user.created", str(number).encode()))
        await (await taken.next()).dead_letter(FACTS)
        taken.free()
    letters = [row async for row in transport.dead_letters.read("users.Users.welcome")]
    await transport.dead_letters.remove([letters[0], letters[2], letters[0]])
    left = [row.body async for row in transport.dead_letters.read("users.Users.welcome")]
    assert left == [b"1"]


async def test_what_is_not_settled_is_delivered_again_after_its_process_died(site: Site) -> None:
    one, two = await site.connect(), await site.connect()
    options = NatsHandlerOptions(ack_wait=1.0)
    taken = Taken()
    await one.subscribe(subscription("user.created", native=options), taken)
    await one.publish(event("user.created"))
    await taken.next()
    await one._connection.close()  # as a dead process: nothing is settled
    other = Taken()
    await two.subscribe(subscription("user.created", native=options), other)
    again = await other.take(within=6)
    assert (again.attempt, again.deliveries) == (1, 2)


async def test_a_long_run_is_kept_alive(site: Site) -> None:
    transport = await site.connect()
    taken = Taken()
    options = NatsHandlerOptions(ack_wait=1.0)
    await transport.subscribe(subscription("user.created", native=options), taken)
    await transport.publish(event("user.created"))
    delivery = await taken.next()
    with pytest.raises(TimeoutError):
        await taken.next(within=2.5)
    await delivery.ack()


async def test_without_keep_alive_a_long_run_is_delivered_again(site: Site) -> None:
    transport = await site.connect()
    taken = Taken()
    options = NatsHandlerOptions(ack_wait=1.0, keep_alive=False)
    await transport.subscribe(subscription("user.created", native=options), taken)
    await transport.publish(event("user.created"))
    await taken.next()
    assert (await taken.next(within=4)).deliveries == 2


async def test_stopping_gives_back_what_was_under_way(site: Site) -> None:
    one, two = await site.connect(), await site.connect()
    taken, other = Taken(capacity=64), Taken(capacity=256)
    subscriber = await one.subscribe(subscription("user.created"), taken)
    sent = await one.publish_many([event("user.created") for _ in range(200)])
    await taken.next()
    await subscriber.stop()
    settled = 1
    while taken.waiting:
        await (await taken.next()).give_back()
        settled += 1
    await two.subscribe(subscription("user.created"), other)
    for _ in range(len(sent) - 1):
        await other.take(within=3)


async def test_confirmed_acknowledgements_are_known_to_the_server(site: Site) -> None:
    transport = await site.connect()
    taken = Taken()
    options = NatsHandlerOptions(confirm_acks=True)
    await transport.subscribe(subscription("user.created", native=options), taken)
    await transport.publish(event("user.created"))
    await taken.take()
    stream = f"{site.namespace}~events"
    info = await transport._jetstream.call(f"CONSUMER.INFO.{stream}.users~Users~welcome")
    assert info["num_ack_pending"] == 0
    assert info["ack_floor"]["stream_seq"] == 1


async def test_a_consumer_that_was_deleted_is_made_again_where_it_was(site: Site) -> None:
    transport = await site.connect()
    taken = Taken()
    await transport.subscribe(subscription("user.created"), taken)
    await transport.publish(event("user.created", b"1"))
    await taken.take()
    stream = f"{site.namespace}~events"
    await transport._jetstream.call(f"CONSUMER.DELETE.{stream}.users~Users~welcome")
    await transport.publish(event("user.created", b"2"))
    assert (await taken.take(within=8)).message.body == b"2"
