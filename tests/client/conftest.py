"""A site, and a program of one of its users."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyramid_notebook.client import NotebookClient, Session
from tests.running import demo_site
from tests.running_console import Desk, desk


@pytest.fixture(scope="module")
def at_home() -> Iterator[Desk]:
    """A machine that is signed in to a site that runs."""
    with demo_site() as site, tempfile.TemporaryDirectory(prefix="pnb-test-") as folder:
        yield desk(site, Path(folder))


@pytest.fixture(scope="module")
def client(at_home: Desk) -> Iterator[NotebookClient]:
    with at_home.client() as client:
        yield client


@pytest.fixture(scope="module")
def session(client: NotebookClient) -> Session:
    """A kernel with a worksheet of its own."""
    return client.open()
