"""A page works where nginx passes requests on to the notebook server by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.proxy.nginx_server import GROUP, Nginx, nginx
from tests.running import Site, demo_site

from .test_open import UPSTREAM
from .visitor import Visitor


@pytest.fixture(scope="module")
def front() -> Iterator[tuple[Nginx, Site]]:
    """nginx, and the site as it is seen from the other side of it."""
    with demo_site({"socket_group": GROUP, "trusted_proxies": "127.0.0.1"}) as site:
        site.folder.chmod(0o755)
        with nginx(site.folder / "notebooks", site.port) as running:
            yield running, Site(site.folder, running.port, site.process)


@pytest.fixture
def visitor(browser: Any, front: tuple[Nginx, Site]) -> Visitor:
    made = Visitor(browser, front[1], "user")
    made.sign_in()
    return made


def test_a_notebook_opens_and_calculates(visitor: Visitor, front: tuple[Nginx, Site]) -> None:
    visitor.open_shell("JFK")
    assert visitor.run("6 * 7") == "42"
    assert visitor.record.socket_group == GROUP
    assert "[error]" not in front[0].log()
    # a busy machine may let a websocket come too early; then the page comes again by itself
    expected = (UPSTREAM, "Unexpected response code: 503")
    assert not [message for message in visitor.troubles() if not any(text in message for text in expected)]


def test_what_was_run_is_there_after_the_page_was_loaded_again(visitor: Visitor) -> None:
    visitor.open_shell("DEN")
    visitor.run("kept = 41")
    visitor.reload()
    assert visitor.run("kept + 1") == "42"
