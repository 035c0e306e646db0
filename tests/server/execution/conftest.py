"""One Jupyter server for all tests of execution."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .servers import Server, running_server


@pytest.fixture(scope="package")
def jupyter() -> Iterator[Server]:
    """A server that runs; each test makes notebooks of its own."""
    temporary = tempfile.TemporaryDirectory(prefix="pnb-test-", ignore_cleanup_errors=True)
    with temporary as folder, running_server(Path(folder)) as server:
        yield server
