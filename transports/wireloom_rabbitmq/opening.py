"""How a session comes up: both connections, then the exchanges."""

import asyncio
import contextlib

from wireloom.errors import ConfigurationError, ConnectionFailedError, TransportError
from wireloom.spi import Environment
from wireloom_rabbitmq.foreign import adopt
from wireloom_rabbitmq.items import Exchange
from wireloom_rabbitmq.lane import Take
from wireloom_rabbitmq.layout import Layout
from wireloom_rabbitmq.link import Link, open_link
from wireloom_rabbitmq.options import RabbitMqOptions
from wireloom_rabbitmq.session import Session

__all__ = ["open_session"]


async def open_session(
    options: RabbitMqOptions,
    environment: Environment,
    number: int,
    layout: Layout,
    receive: Take,
    on_return: Take,
) -> Session:
    """Connect once, and see that the exchanges are there.

    :raises ConnectionFailedError: if that failed; `fatal` if trying again cannot help.
    """
    publishing, consuming = await _links(options, environment, number)
    session = Session(options, publishing, consuming, number)
    try:
        await session.start(receive, on_return)
        if options.declare:
            await session.topology.declare(layout.base())
        else:
            await _check_exchanges(session, layout)
    except ConfigurationError as error:
        await session.close()
        raise ConnectionFailedError(str(error), fatal=True) from error
    except TransportError as error:
        await session.close()
        raise ConnectionFailedError(f"{options.shown_url}: {error}") from error
    except asyncio.CancelledError:
        await session.close()
        raise
    return session


async def _links(
    options: RabbitMqOptions, environment: Environment, number: int
) -> tuple[Link, Link]:
    if options.client is not None:
        link = await adopt(options)
        return link, link
    # In turn from session to session, so that a node that is down is passed over.
    url = options.urls[(number - 1) % len(options.urls)]
    name = f"{environment.group}/{environment.instance}"
    async with contextlib.AsyncExitStack() as stack:
        publishing = await open_link(options, url, f"{name} publishing")
        stack.push_async_callback(publishing.close)
        consuming = await open_link(options, url, f"{name} consuming")
        stack.pop_all()
    return publishing, consuming


async def _check_exchanges(session: Session, layout: Layout) -> None:
    for item in layout.base():
        if isinstance(item, Exchange) and not await session.topology.exists(item):
            raise ConfigurationError(
                f"exchange {item.name!r} does not exist, and declare=False",
                remedy="run `wireloom topology apply` as a user who may create it",
            )
