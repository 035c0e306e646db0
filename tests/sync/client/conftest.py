"""A home, a site, and the command line in this process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyramid_notebook import cli

from .editor_site import TOKEN, EditorSite, editor_site

Run = Callable[..., tuple[int, str, str]]
SCRIPT = "# %%\nprint(1)\n"


@pytest.fixture
def home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, in which the command is run."""
    for name in [name for name in os.environ if name.startswith(("XDG_", "PYRAMID_NOTEBOOK"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(folder)
    return folder


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

    def run_it(*arguments: str) -> tuple[int, str, str]:
        try:
            code = cli.main(arguments)
        except SystemExit as ended:
            code = int(ended.code or 0)
        output, errors = capsys.readouterr()
        assert TOKEN not in output + errors
        return code, output, errors

    return run_it
