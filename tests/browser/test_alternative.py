"""The demo site with a host of its own for notebooks: what they show is JavaScript, but not in the site's origin."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.running import Site, demo_site, wait_until

from .visitor import Visitor

#: Browsers take the two for different hosts.
SETTINGS = {"alternative_domain": "http://127.0.0.1:{port}", "site_domain": "http://localhost:{port}"}
#: Asks the site for a page with the visitor's session, and tells what came of it.
_READ_SITE = """
const [address, done] = arguments;
fetch(address, {credentials: "include"}).then((answer) => answer.text()).then(done, (error) => done(String(error)));
"""


@pytest.fixture(scope="module")
def apart() -> Iterator[Site]:
    with demo_site(SETTINGS) as site:
        yield site


@pytest.fixture
def visitor(browser, apart) -> Visitor:
    visitor = Visitor(browser, apart, "user")
    visitor.sign_in()
    return visitor


def host(visitor: Visitor) -> str:
    return str(urlsplit(visitor.driver.current_url).hostname)


def test_a_notebook_opens_and_runs_on_its_own_host_and_leads_back(visitor, apart):
    visitor.open_shell("SFO")
    assert host(visitor) == "127.0.0.1"
    assert "ticket" not in visitor.driver.current_url
    assert "San Francisco" in visitor.run("airport.name")
    visitor.reload()
    assert "13" in visitor.run("6 + 7")
    link = visitor.driver.find_element("css selector", f"a[href='{apart.url}/']")
    assert link.is_displayed()


def test_the_sites_session_is_out_of_reach_of_what_a_notebook_shows(visitor, apart):
    visitor.open_shell("SFO")
    names = {cookie["name"] for cookie in visitor.driver.get_cookies()}
    assert names == {"_xsrf", "notebook-browser", "notebook-visit-user"}
    assert "notebook-" not in visitor.driver.execute_script("return document.cookie")
    told = visitor.driver.execute_async_script(_READ_SITE, f"{apart.url}/account")
    assert "Failed to fetch" in told
    sent = json.dumps(visitor.driver.execute_script("return performance.getEntriesByType('navigation')[0]"))
    assert "ticket" not in sent and "ticket" not in visitor.driver.execute_script("return document.referrer")


def test_signing_out_of_the_site_ends_the_notebook_on_its_own_host(visitor, apart):
    visitor.open_shell("SFO")
    notebook = visitor.driver.current_url
    visitor.visit("/")
    visitor.press("#sign-out button")
    visitor.see("#sign-in")
    visitor.driver.get(notebook)
    wait_until(lambda: host(visitor) == "localhost", "the site asks to sign in")
    visitor.see("#log-in")
    visitor.driver.find_element("css selector", "#log-in [name=name]").send_keys("user")
    visitor.driver.find_element("css selector", "#log-in [name=password]").send_keys("password\n")
    visitor.until_idle()
    assert visitor.driver.current_url == notebook
