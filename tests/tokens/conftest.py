"""The databases, and the stores in them, that the tests of the tokens share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyramid_notebook.settings import Settings
from pyramid_notebook.tokens.database import open_store
from pyramid_notebook.tokens.store import TokenStore

from .databases import PostgreSQL, postgresql

#: A moment at which the clock of a test stands.
NOW = 1_800_000_000.0

OpenStore = Callable[..., TokenStore]


@pytest.fixture(scope="session")
def server() -> Iterator[PostgreSQL]:
    with postgresql() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """What ``database_url`` says of an empty database; nothing for the file that we make ourselves."""
    return request.getfixturevalue("server").new_database() if request.param == "postgresql" else ""


@pytest.fixture
def settings(folder: Path, database_url: str) -> Settings:
    return Settings(notebook_folder=str(folder / "notebooks"), database_url=database_url)


@pytest.fixture
def open_again(folder: Path, database_url: str) -> Iterator[OpenStore]:
    """Opens the same database once more, as another web worker does; with more settings by keyword."""
    opened = []

    def open_it(**more: int) -> TokenStore:
        settings = Settings(notebook_folder=str(folder / "notebooks"), database_url=database_url, **more)
        opened.append(open_store(settings))
        return opened[-1]

    yield open_it
    for store in opened:
        store.wait_for_writes()
        store.close()


@pytest.fixture
def store(open_again: OpenStore) -> TokenStore:
    """An empty store, on SQLite and on PostgreSQL."""
    return open_again()
