"""What is installed is what was tested, and what is built is what is imported."""

import re
import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
NAME = re.compile(r"^[A-Za-z0-9._-]+")


def project() -> dict[str, Any]:
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))


def constraints() -> list[str]:
    lines = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def required() -> set[str]:
    metadata = project()["project"]
    groups = [metadata["dependencies"], *metadata["optional-dependencies"].values()]
    names = {normal(match[0]) for group in groups for text in group if (match := NAME.match(text))}
    return names - {"wireloom"}


def test_constraints_hold_names_and_versions_only() -> None:
    assert [line for line in constraints() if not re.fullmatch(r"[\w.-]+==[\w.+!]+", line)] == []


def test_every_requirement_is_pinned() -> None:
    pinned = {normal(line.partition("==")[0]) for line in constraints()}
    assert required() - pinned == set()


def test_every_package_below_the_source_roots_is_built() -> None:
    built = set(project()["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    present = {
        f"{root}/{path.parent.name}"
        for root in ("framework", "transports")
        for path in (REPOSITORY / root).glob("*/__init__.py")
    }
    assert present == built


def test_every_package_is_typed() -> None:
    for package in project()["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        assert (REPOSITORY / package / "py.typed").is_file(), package


def test_every_entry_point_leads_to_a_transport_of_its_kind() -> None:
    ours = project()["project"]["entry-points"]["wireloom.transports"]
    installed = {point.name: point for point in entry_points(group="wireloom.transports")}
    assert set(ours) <= set(installed)
    for name in ours:
        transport = installed[name].load()
        assert transport.kind == transport.options_type.kind
