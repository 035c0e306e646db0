"""A user server that does not start: the launch page says why, and tries again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.running import Site, demo_site

from .visitor import Visitor

#: An interpreter on a disk that can be taken away.
PYTHON = """\
#!/bin/sh
if [ ! -e "{disk}" ]; then echo "The disk with Python is not there." >&2; exit 1; fi
exec {python} "$@"
"""


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("python") / "disk"


@pytest.fixture(scope="module")
def fragile(disk: Path) -> Iterator[Site]:
    """A site whose notebooks run on an interpreter that needs the disk."""
    python = disk.with_name("python")
    python.write_text(PYTHON.format(disk=disk, python=sys.executable))
    python.chmod(0o755)
    with demo_site({"python": str(python)}) as site:
        yield site


def test_a_failed_start_says_why_and_can_be_tried_again(browser: Any, fragile: Site, disk: Path) -> None:
    user = Visitor(browser, fragile, "user")
    user.sign_in()
    user.visit("/airports/JFK")
    user.press("#open-airport-shell button")
    reason = user.see(".pnb-message")
    assert reason == "Your notebook server did not start (exit code 1). The disk with Python is not there."
    disk.touch()
    user.press(".pnb-retry", "Try again")
    user.until_idle()
    assert user.run("airport.iata") == "'JFK'"
