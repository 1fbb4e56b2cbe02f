import pytest

from wireloom import ConfigurationError
from wireloom.cli import reloader
from wireloom.cli.child import Command


def test_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reloader, "watchfiles", None)
    with pytest.raises(ConfigurationError, match=r'pip install "wireloom\[reload\]"'):
        reloader.reload_on_change(Command("app:app"))
