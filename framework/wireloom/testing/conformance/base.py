"""What every case stands on."""

from collections.abc import AsyncIterator, Callable
from typing import Any, ClassVar, Final, TypeVar

import pytest

from wireloom.spi import Transport
from wireloom.testing.conformance.cluster import Cluster
from wireloom.testing.conformance.site import Site

__all__ = ["HOOKS", "NEEDS", "Conformance", "needs", "needs_site"]

C = TypeVar("C", bound=Callable[..., Any])
NEEDS: Final = "__wireloom_needs__"
HOOKS: Final = "__wireloom_hooks__"


def needs(*flags: str) -> Callable[[C], C]:
    """Let a case run only for transports whose capabilities have all these flags."""

    def mark(case: C) -> C:
        setattr(case, NEEDS, flags)
        return case

    return mark


def needs_site(*hooks: str) -> Callable[[C], C]:
    """Let a case run only at sites that override these methods."""

    def mark(case: C) -> C:
        setattr(case, HOOKS, hooks)
        return case

    return mark


class Conformance:
    """Gives cases a cluster at a fresh site."""

    transport: ClassVar[type[Transport]]
    """The transport under test; its capabilities choose the cases."""
    site_type: ClassVar[type[Site]]
    """What `site` gives; cases that need what it does not override are left out."""

    @pytest.fixture
    def site(self) -> Site:
        """Return a fresh, isolated place on the broker. To be overridden if it needs arguments."""
        return self.site_type()

    @pytest.fixture
    async def cluster(self, site: Site) -> AsyncIterator[Cluster]:
        """Give a cluster there, whose applications are stopped at the end."""
        cluster = Cluster(site)
        yield cluster
        await cluster.close()
        await site.close()
