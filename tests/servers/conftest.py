"""Each test runs on every way to serve a site; one server of each serves all tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .user_servers import UserServer, user_server
from .ways import WAYS, Served, missing, serving


@pytest.fixture(scope="session")
def alice() -> Iterator[UserServer]:
    """The user server that all tests share."""
    with user_server("alice") as server:
        yield server


@pytest.fixture(scope="session", params=WAYS)
def served(request: pytest.FixtureRequest, alice: UserServer) -> Iterator[Served]:
    """The site, served in each way."""
    assert not missing(request.param)
    with serving(request.param, alice, user_websockets=1000, proxy_timeout=15, user_requests=8) as running:
        yield running


@pytest.fixture
def bob(served: Served) -> Iterator[UserServer]:
    """A user server of one test only, which it may kill."""
    with user_server("bob") as server:
        served.put(server)
        yield server


@pytest.fixture(autouse=True)
def _is_alive_after_all(request: Any) -> Iterator[None]:
    """Whatever a test does, its web server survives it."""
    yield
    if "served" in request.fixturenames:
        running: Served = request.getfixturevalue("served")
        assert running.process.poll() is None, running.log()
        assert running.facts()["pid"] in running.pids()
