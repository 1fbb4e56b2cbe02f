"""Letting several processes of one application serve together."""

from dataclasses import replace
from typing import Any

from wireloom.application import Application
from wireloom.errors import ConfigurationError, UnsupportedOptionError
from wireloom.link import Link

__all__ = ["share_ports"]


def share_ports(application: Application) -> None:
    """Make an application that is not started share its ports with others of its kind.

    :raises ConfigurationError: if processes of it could not serve together.
    """
    links = [application.links[token] for token in application.blueprint.transports]
    if all(link.transport.capabilities.single_process for link in links):
        kinds = ", ".join(sorted({link.transport.kind for link in links})) or "none"
        raise UnsupportedOptionError("--workers", kinds, "its peers live in one process")
    for link in links:
        _share_port(link)


def _share_port(link: Link) -> None:
    # Of any transport whose options have this field; brokers need nothing.
    options: Any = link.options
    if not hasattr(options, "reuse_port") or options.listen is None:
        return
    if str(options.listen).endswith(":0"):
        raise ConfigurationError(
            f"token {link.token!r} listens at any free port, so that no two workers share one",
            remedy="listen at a port of its own, or leave out --workers",
        )
    link.use(replace(options, reuse_port=True))
