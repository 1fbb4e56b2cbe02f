"""The transport of `examples/custom_transport` passes the suite, found by its own entry point."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.conformance.raw import publish_raw
from tests.examples.installation import CUSTOM_TRANSPORT, on_path, write_metadata
from wireloom.spi import TransportOptions
from wireloom.testing.conformance import Site, TransportConformance

with on_path(CUSTOM_TRANSPORT):
    from wireloom_sqlite.options import SqliteOptions
    from wireloom_sqlite.transport import SqliteTransport

_names = count()


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The package as if it was installed, for the processes of the suite as well."""
    directory = tmp_path_factory.mktemp("installed")
    write_metadata(CUSTOM_TRANSPORT, directory)
    with on_path(directory, CUSTOM_TRANSPORT), pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{directory}:{CUSTOM_TRANSPORT}")
        yield


class SqliteSite(Site):
    """A file of its own for each case."""

    def __init__(self, directory: Path) -> None:
        self._path = str(directory / f"{next(_names)}.sqlite")

    def join(self) -> TransportOptions:
        return SqliteOptions(path=self._path, dead_after=5.0)

    async def publish_foreign(self, address: str, body: bytes, headers: object = ()) -> None:
        await publish_raw(SqliteTransport, self.join(), address, body, headers)  # type: ignore[arg-type]


class TestSqlite(TransportConformance):
    transport = SqliteTransport

    @pytest.fixture
    def site(self, tmp_path: Path) -> Site:
        return SqliteSite(tmp_path)
