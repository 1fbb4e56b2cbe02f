"""The bound on what is under way."""

import asyncio

from wireloom_nats.window import Window


async def test_no_more_than_the_size_are_inside_and_the_first_come_goes_first() -> None:
    window = Window(2)
    inside = 0
    most = 0
    order: list[int] = []

    async def visit(number: int) -> None:
        nonlocal inside, most
        async with window:
            order.append(number)
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(visit(number) for number in range(20)))
    assert most == 2
    assert order == list(range(20))


async def test_a_cancelled_visitor_leaves_its_place_to_the_next() -> None:
    window = Window(1)
    held = asyncio.Event()

    async def hold() -> None:
        async with window:
            await held.wait()

    holder = asyncio.ensure_future(hold())
    await asyncio.sleep(0)
    waiting = [asyncio.ensure_future(hold()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    held.set()
    waiting[1].cancel()
    await asyncio.gather(holder, *waiting, return_exceptions=True)
    async with asyncio.timeout(1), window:
        pass
