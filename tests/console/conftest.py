"""A site, and a machine with a terminal that is signed in to it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import demo_site
from tests.running_console import Desk, desk


@pytest.fixture(scope="module")
def at_home() -> Iterator[Desk]:
    with demo_site() as site, tempfile.TemporaryDirectory(prefix="pnb-test-") as folder:
        yield desk(site, Path(folder))
