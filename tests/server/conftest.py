"""Real daemons for the tests of the server."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .daemons import Daemon, daemon_in


@pytest.fixture
def daemon(folder: Path) -> Iterator[Daemon]:
    """A daemon that is not started."""
    with daemon_in(folder / "alice") as configured:
        yield configured


@pytest.fixture(scope="module")
def server() -> Iterator[Daemon]:
    """A daemon that runs, for all tests of a module; each test opens notebooks of its own."""
    temporary = tempfile.TemporaryDirectory(prefix="pnb-test-", ignore_cleanup_errors=True)
    with temporary as folder, daemon_in(Path(folder, "alice")) as configured:
        configured.start()
        yield configured
