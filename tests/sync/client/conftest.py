"""A home, a site, and the command line in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .editor_site import TOKEN, EditorSite, Run, command_runner, editor_site

SCRIPT = "# %%\nprint(1)\n"


@pytest.fixture
def site(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EditorSite]:
    """A site whose address and token are in the environment."""
    with editor_site() as served:
        monkeypatch.setenv("PYRAMID_NOTEBOOK_URL", served.url)
        monkeypatch.setenv("PYRAMID_NOTEBOOK_TOKEN", TOKEN)
        yield served


@pytest.fixture
def script(home: Path) -> Path:
    """The file that the editor has."""
    path = home / "x.py"
    path.write_text(SCRIPT)
    return path


@pytest.fixture
def run(home: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process; returns its exit code, and what it printed."""
    return command_runner(capsys)
