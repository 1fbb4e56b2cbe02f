"""An example's package, found by its entry point without being installed."""

import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CUSTOM_TRANSPORT = Path(__file__).parents[2] / "examples" / "custom_transport"


def write_metadata(project: Path, directory: Path) -> None:
    """Write into a directory what installing the project would: its name and entry points."""
    stated = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    info = directory / f"{stated['name'].replace('-', '_')}-{stated['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {stated['name']}\nVersion: {stated['version']}\n"
    )
    groups = stated["entry-points"].items()
    (info / "entry_points.txt").write_text(
        "\n".join(
            f"[{group}]\n" + "\n".join(f"{name} = {value}" for name, value in entries.items())
            for group, entries in groups
        )
    )


@contextmanager
def on_path(*directories: Path) -> Iterator[None]:
    """Have directories on the path while the block runs."""
    added = [str(directory) for directory in directories]
    sys.path[:0] = added
    try:
        yield
    finally:
        for one in added:
            sys.path.remove(one)
