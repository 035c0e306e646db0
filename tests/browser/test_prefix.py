"""The demo site mounted below a path, as by ``SCRIPT_NAME`` (PEP 3333)."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.running import Site, demo_site

from .test_open import troubles
from .visitor import Visitor

PREFIX = "/app"


@pytest.fixture(scope="module")
def mounted() -> Iterator[Site]:
    with demo_site(prefix=PREFIX) as site:
        yield site


def test_a_notebook_of_a_mounted_site_opens_runs_and_leads_back(browser, mounted):
    visitor = Visitor(browser, mounted, "user")
    visitor.sign_in()
    visitor.troubles()  # of others in the same browser
    assert visitor.path.rstrip("/") == ""
    visitor.open_shell("SFO")
    assert urlsplit(visitor.driver.current_url).path.startswith(f"{PREFIX}/notebook/user/notebooks/")
    assert "San Francisco" in visitor.run("airport.name")
    assert troubles(visitor) == []
    visitor.reload()
    assert "13" in visitor.run("6 + 7")
    cookies = {cookie["name"]: cookie["path"] for cookie in visitor.driver.get_cookies()}
    assert cookies["_xsrf"] == f"{PREFIX}/notebook/user/"
    link = visitor.driver.find_element("css selector", "a[href$='/app/']")
    assert link.get_attribute("href") == f"{mounted.url}/"
    visitor.visit("/")
    visitor.press("#shut-down button")
    visitor.see("#open-shell")
    assert mounted.manager.find("user") is None


def test_every_address_that_a_mounted_site_gives_away_lies_below_its_path(mounted):
    session = mounted.session("user2")
    session.headers.update({"Accept": "application/json", "Sec-Fetch-Mode": "cors"})
    launched = session.post(f"{mounted.url}/notebook/-/open", timeout=60).json()
    assert launched["location"].startswith(f"{PREFIX}/notebook/user2/notebooks/")
    base = f"{mounted.url}/notebook/user2"
    assert session.get(f"{base}/api/status", timeout=30).status_code == 200
    page = session.get(f"{mounted.origin}{launched['location']}", timeout=30)
    assert [cookie.path for cookie in session.cookies if cookie.name == "_xsrf"] == [f"{PREFIX}/notebook/user2/"]
    assert f'"baseUrl": "{PREFIX}/notebook/user2/"' in page.text
    metadata = session.get(f"{mounted.url}/notebook/-/device/.well-known/oauth-authorization-server", timeout=30).json()
    addresses = [value for value in metadata.values() if isinstance(value, str)]
    assert addresses and all(address.startswith(f"{mounted.url}/notebook/-/") for address in addresses)
    assert session.post(f"{base}/-/stop", timeout=60).json() == {"location": f"{PREFIX}/"}
    stopped = session.post(f"{mounted.url}/notebook/-/stop", allow_redirects=False, timeout=60)
    assert stopped.headers["Location"] == f"{mounted.url}/"
