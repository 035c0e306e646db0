"""Chromium before nginx before the demo site: each fault gets its right name, and points to who has to mend it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any

import pytest
from selenium import webdriver

from tests.browser.visitor import Visitor
from tests.running import Site, chromium_options, chromium_service, demo_site, wait_until

from .nginx import nginx

ADDRESS = "/notebook/-/selftest"
NOT_CLEARED = {"clear_untrusted_proxy_headers": "false"}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A demo site that believes a proxy on the same machine."""
    with demo_site({"trusted_proxies": "127.0.0.1", "zygote": "off"}, server=NOT_CLEARED) as running:
        yield running


@pytest.fixture(scope="module")
def careless() -> Iterator[Site]:
    """A demo site that believes nobody, and has no way to the sockets of clients."""
    with demo_site({"websocket_proxy": "nothing.there", "zygote": "off"}, server=NOT_CLEARED) as running:
        yield running


@pytest.fixture(scope="module")
def driver() -> Iterator[webdriver.Chrome]:
    """A Chromium that takes certificates that nobody has signed."""
    with tempfile.TemporaryDirectory(prefix="pnb-chromium-", ignore_cleanup_errors=True) as profile:
        options = chromium_options(f"--user-data-dir={profile}", "--ignore-certificate-errors")
        chromium = webdriver.Chrome(options=options, service=chromium_service())
        try:
            yield chromium
        finally:
            chromium.quit()


class Shown:
    """What the page shows at its end."""

    def __init__(self, driver: webdriver.Chrome, origin: str) -> None:
        driver.get(f"{origin}{ADDRESS}")
        page = driver.find_element("id", "pnb-selftest")
        wait_until(lambda: page.get_attribute("data-state") == "done", "the tests are done", seconds=60)
        items = page.find_elements("css selector", "li[data-fault]")
        self.faults = [(item.get_attribute("data-fault"), item.text) for item in items]
        self.states = {
            one.get_attribute("data-probe"): one.get_attribute("data-state")
            for one in page.find_elements("css selector", "[data-probe]")
        }
        self.text = page.text

    @property
    def names(self) -> list[Any]:
        return [name for name, _text in self.faults]


@pytest.fixture(scope="module")
def signed_in(driver: webdriver.Chrome, site: Site) -> webdriver.Chrome:
    """The administrator; cookies know hosts and no ports, so every proxy of the site gets them."""
    Visitor(_Browser(driver), site, "admin").sign_in()
    return driver


class _Browser:
    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver


def test_behind_a_proxy_that_is_set_up_well_everything_gets_through(signed_in, site):
    with nginx(site.port) as origin:
        shown = Shown(signed_in, origin)
    assert shown.faults == []
    assert set(shown.states.values()) == {"good"}
    assert "Everything gets through" in shown.text
    assert "browser → nginx/" in shown.text and "→ waitress" in shown.text


def test_so_it_does_without_a_proxy(signed_in, site):
    shown = Shown(signed_in, site.url)
    assert (shown.faults, set(shown.states.values())) == ([], {"good"})
    assert "browser → waitress" in shown.text


CASES = {
    "no Upgrade and Connection": ({"upgrade": "", "connection": ""}, ["upgrade"], "Upgrade $http_upgrade"),
    "no Connection": ({"connection": ""}, ["upgrade"], "Connection $connection_upgrade"),
    "HTTP/1.0": ({"version": "", "upgrade": "", "connection": ""}, ["http10", "upgrade"], "proxy_http_version 1.1"),
    # in HTTP/1.1 nginx 1.22 passes each chunk on as it came, unless it has something else to do with it
    "buffered and compressed": (
        {"buffering": "gzip on; gzip_proxied any; gzip_types text/plain;"},
        ["buffering"],
        "proxy_buffering off;",
    ),
    "all buffered": (
        {"buffering": "proxy_ignore_headers X-Accel-Buffering;", "version": ""},
        ["http10", "buffering"],
        "no proxy_ignore_headers",
    ),
    "small uploads": ({"upload": ""}, ["upload"], "client_max_body_size"),
    "another Host": ({"host": ""}, ["host"], "Host $http_host"),
    "another Host and no Upgrade": ({"host": "", "upgrade": ""}, ["host", "upgrade"], "Upgrade $http_upgrade"),
    "a wrong scheme": (
        {"scheme": "proxy_set_header X-Forwarded-Proto https;"},
        ["scheme"],
        "X-Forwarded-Proto $scheme",
    ),
    "a firewall": ({"upload": "if ($http_upgrade) { return 403; } client_max_body_size 1g;"}, ["unreached"], "Upgrade"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_fault_of_the_proxy_gets_its_name_and_its_setting(signed_in, site, case):
    changes, names, setting = CASES[case]
    with nginx(site.port, **changes) as origin:
        shown = Shown(signed_in, origin)
    assert shown.names == names, shown.text
    assert any(setting in text for _name, text in shown.faults)
    assert all(text.startswith("nginx/") for _name, text in shown.faults)


def test_behind_tls_everything_gets_through_when_the_site_believes_its_proxy(signed_in, site):
    with nginx(site.port, tls=True) as origin:
        assert Shown(signed_in, origin).faults == []


def test_a_proxy_behind_tls_that_says_nothing_of_it_is_named(signed_in, site):
    with nginx(site.port, tls=True, scheme="") as origin:
        shown = Shown(signed_in, origin)
    assert shown.names == ["scheme"]
    assert "X-Forwarded-Proto $scheme" in shown.text


def test_a_site_that_does_not_believe_its_proxy_is_named_and_so_is_a_missing_adaptor(driver, careless):
    Visitor(_Browser(driver), careless, "admin").sign_in()
    with nginx(careless.port, tls=True) as origin:
        shown = Shown(driver, origin)
    assert shown.names == ["trust", "adaptor"]
    (_, trust), (_, adaptor) = shown.faults
    assert trust.startswith("the site:") and "pyramid_notebook.trusted_proxies = 127.0.0.1" in trust
    assert adaptor.startswith("waitress:") and "websocket_proxy" in adaptor
