"""What all tests share."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# how long an example takes depends on what else the machine does
settings.register_profile("pyramid_notebook", deadline=None)
settings.load_profile("pyramid_notebook")

RunPython = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def run_python() -> RunPython:
    """Run Python source in an interpreter of its own and return what it printed; more environment by keyword."""

    def run(source: str, *arguments: str, cwd: Path | None = None, **environment: str):
        return subprocess.run(
            [sys.executable, "-P", "-c", source, *arguments],
            cwd=cwd,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture(scope="session", autouse=True)
def nothing_is_compressed() -> Iterator[None]:
    """Leave the static files as they are in sites of the tests' own process: there are many, each in a new folder."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("pyramid_notebook.door._compress", lambda _door: None)
        yield


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder with a short path, which other UNIX users may enter and read."""
    with tempfile.TemporaryDirectory(prefix="pnb-test-", ignore_cleanup_errors=True) as path:
        Path(path).chmod(0o755)
        yield Path(path)


@pytest.fixture
def home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, in which a command is run in this process."""
    for name in [name for name in os.environ if name.startswith(("XDG_", "PYRAMID_NOTEBOOK"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(folder)
    return folder
