"""The sites under attack."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from pyramid_notebook.record import ServerRecord
from tests.door.conftest import alices, demo, notebooks, signed_in, theirs
from tests.door.sites import STREAM, Policy, SmallSite, record_of, small_site
from tests.running import Site

__all__ = ["alices", "demo", "notebooks", "signed_in", "theirs"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "row(number, *ways): the row of the list of attacks, and how it is carried out")


@pytest.fixture(scope="session")
def site(notebooks: Path) -> Iterator[SmallSite]:
    """A small site that does not mind how often a token is wrong."""
    with small_site(notebooks, Policy("shell"), token_failures_per_minute=1_000_000) as running:
        yield running


@dataclass(frozen=True)
class Owner:
    """Somebody with a real user server on the demo site.

    Attributes:
        base: URL path of the user server.
        session: their browser, which has seen a page of Jupyter.
        record: of the user server.
        xsrf: Jupyter's token against forgery.
    """

    base: str
    session: requests.Session
    record: ServerRecord
    xsrf: str

    @property
    def cookie(self) -> str:
        """The site's session, as a cookie."""
        return f"session={self.session.cookies.get('session')}"


def launched(demo: Site, name: str) -> Owner:
    session = demo.session(name)
    opened = session.post(f"{demo.url}/notebook/-/open", headers=STREAM, timeout=60)
    assert '"location"' in opened.text, opened.text
    base = f"/notebook/{name}/"
    assert session.get(f"{demo.url}{base}tree", timeout=30).status_code == 200
    return Owner(base, session, record_of(demo.manager, name), str(session.cookies.get("_xsrf")))


@pytest.fixture(scope="session")
def owner(demo: Site) -> Iterator[Owner]:
    """Whose notebooks are attacked."""
    yield launched(demo, "admin")
    demo.manager.stop("admin")


@pytest.fixture(scope="session")
def neighbour(demo: Site) -> Iterator[Owner]:
    """Who attacks them, with a notebook of their own."""
    yield launched(demo, "user2")
    demo.manager.stop("user2")
