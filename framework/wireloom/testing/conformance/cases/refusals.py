"""What a transport cannot do is refused at start, and what it can do is not."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest

from wireloom import Application, EventPattern, MessagePattern, UnsupportedOptionError
from wireloom.testing.conformance.base import Conformance
from wireloom.testing.conformance.cluster import TOKEN
from wireloom.testing.conformance.site import Site

__all__ = ["RefusalCases"]


def _requests() -> Any:
    @MessagePattern("asked.for")
    async def handler() -> None: ...

    return handler


def _event(**options: Any) -> Callable[[], Any]:
    def make() -> Any:
        @EventPattern(options.get("pattern", "asked.for"), **_without_pattern(options))
        async def handler() -> None: ...

        return handler

    return make


def _without_pattern(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != "pattern"}


PROBES: Final[Mapping[str, tuple[str, Callable[[], Any]]]] = {
    "requests": ("requests", _requests),
    "broadcast": ("broadcast", _event(broadcast=True)),
    "ordered": ("ordered", _event(ordered=True)),
    "replay": ("start_from", _event(start_from="first")),
    "wildcards": ("pattern", _event(pattern="asked.*")),
}
"""By capability: the option that the error names, and a handler that needs it."""


class RefusalCases(Conformance):
    """Capabilities that are not there."""

    @pytest.mark.parametrize("flag", PROBES)
    async def test_refusal_what_the_capabilities_rule_out_is_refused_at_start(
        self, site: Site, flag: str
    ) -> None:
        """With an error that names option, transport and handler."""
        option, make = PROBES[flag]
        app = Application("service", handlers=[make()], transports={TOKEN: site.join()})
        if getattr(self.transport.capabilities, flag):
            async with app:
                assert app.ready
            return
        with pytest.raises(UnsupportedOptionError) as caught:
            await app.__aenter__()
        assert caught.value.option == option
        assert self.transport.kind in str(caught.value)
        assert "handler" in str(caught.value)
