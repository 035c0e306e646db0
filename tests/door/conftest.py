"""The sites that the tests of the door share."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.running import Site, demo_site

from .sites import Policy, RecordingServer, SmallSite, cookies_of, recording_server, small_site


@pytest.fixture(scope="session")
def demo() -> Iterator[Site]:
    """The demo site, with its own look, sign-in and database, served by pserve."""
    with demo_site() as site:
        yield site


@pytest.fixture(scope="session")
def signed_in(demo: Site) -> Callable[[str], dict[str, str]]:
    """Return the fields that a page of the demo site sends for a user."""
    cookies = {name: cookies_of(demo.session(name)) for name in ("user", "user2", "guest", "admin")}
    return lambda name: {"Origin": demo.url, **cookies.get(name, {})}


@pytest.fixture
def theirs(demo: Site) -> Iterator[RecordingServer]:
    """What stands for the user server of ``user`` of the demo site."""
    with recording_server(demo.manager, "user") as server:
        yield server


@pytest.fixture(scope="session")
def notebooks() -> Iterator[Path]:
    """A notebook folder for all small sites."""
    with tempfile.TemporaryDirectory(prefix="pnb-test-", ignore_cleanup_errors=True) as folder:
        yield Path(folder, "notebooks")


@pytest.fixture(scope="session")
def site(notebooks: Path) -> Iterator[SmallSite]:
    """A small site whose policy lets all signed-in users pass."""
    with small_site(notebooks, Policy("shell")) as running:
        yield running


@pytest.fixture
def alices(site: SmallSite) -> Iterator[RecordingServer]:
    """What stands for the user server of ``alice`` of the small site."""
    with recording_server(site.manager, "alice") as server:
        yield server
