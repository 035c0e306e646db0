"""Editors and real user servers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.server.daemons import Daemon, daemon_in

from .editors import Editor

_NUMBERS = count()


@pytest.fixture(scope="module")
def server() -> Iterator[Daemon]:
    """A daemon that runs, for all tests of a module."""
    temporary = tempfile.TemporaryDirectory(prefix="pnb-test-", ignore_cleanup_errors=True)
    with temporary as folder, daemon_in(Path(folder, "alice")) as daemon:
        daemon.start()
        daemon.open_context()
        yield daemon


@pytest.fixture
def editor(server: Daemon) -> Editor:
    """An editor with a file of its own, whose notebook is not there yet."""
    name = f"work-{next(_NUMBERS)}"
    return Editor(server, f"/home/alice/project/{name}.py", f"{name}.ipynb")
