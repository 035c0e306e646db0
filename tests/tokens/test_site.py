"""The store of a site is opened once, and one that cannot be opened keeps nobody waiting."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyramid_notebook.tokens.secret import new_token
from tests.door.sites import ask

from .device_sites import device_site

SYNC = "/notebook/alice/sync"


@pytest.fixture
def silent() -> Iterator[int]:
    """A port at which somebody takes connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_database_that_hangs_stops_programs_and_no_people(folder: Path, silent: int, monkeypatch) -> None:
    # the site's own store is opened by device_site as well, for the tests
    monkeypatch.setattr("tests.tokens.device_sites.open_store", lambda _settings: _Nothing())
    url = f"postgresql://nobody@127.0.0.1:{silent}/none?connect_timeout=2"
    with device_site(folder / "notebooks", database_url=url) as site:
        answers = []

        def guess() -> None:
            fields = {"Authorization": f"Bearer {new_token()}"}
            answers.append(ask(site.port, "GET", SYNC, fields).status)

        threads = [threading.Thread(target=guess) for _ in range(6)]  # as many as the site has
        for thread in threads:
            thread.start()
        began = time.monotonic()
        assert site.page("GET", "/login?next=/").status == 200
        assert time.monotonic() - began < 15  # one after the other they would take twice that
        for thread in threads:
            thread.join()
        assert answers == [503] * 6


def test_what_cannot_be_a_token_is_refused_without_the_database(folder: Path, silent: int, monkeypatch) -> None:
    monkeypatch.setattr("tests.tokens.device_sites.open_store", lambda _settings: _Nothing())
    url = f"postgresql://nobody@127.0.0.1:{silent}/none"
    with device_site(folder / "notebooks", database_url=url) as site:
        assert ask(site.port, "GET", SYNC, {"Authorization": "Bearer x"}).status == 401


class _Nothing:
    def close(self) -> None:
        pass
