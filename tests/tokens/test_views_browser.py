"""The page of the tokens as its user lives it, in Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from pyramid_notebook.errors import TokenRevoked
from pyramid_notebook.scopes import Grant, Scope
from tests.running import chromium, wait_until

from .device_sites import DeviceSite, device_site
from .test_views import HTML, TOKENS

_WIDEST = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
#: Takes the clipboard away, as browsers do on a site without TLS.
_NO_CLIPBOARD = 'Object.defineProperty(navigator, "clipboard", {value: undefined})'


class Visitor:
    """Alice, signed in, in front of a browser."""

    def __init__(self, driver: Any, site: DeviceSite) -> None:
        self.driver, self.site = driver, site
        self.open()
        self.find("#sign-in").click()
        self.find("#pnb-tokens")

    def open(self) -> None:
        self.driver.get(f"{self.site.url}{TOKENS}")

    def find(self, selector: str) -> WebElement:
        found: WebElement = wait_until(lambda: self.driver.find_elements(By.CSS_SELECTOR, selector), selector)[0]
        return found

    def has(self, selector: str) -> bool:
        return bool(self.driver.find_elements(By.CSS_SELECTOR, selector))

    def make(self, name: str, *scopes: str) -> str:
        self.find("#pnb-name").send_keys(name)
        for scope in scopes:
            self.find(f'[name=scope][value="{scope}"]').click()
        self.find(".pnb-make .pnb-button").click()
        return str(self.find("#pnb-secret").get_attribute("value"))


@pytest.fixture
def site(folder: Path) -> Iterator[DeviceSite]:
    with device_site(folder / "notebooks") as running:
        yield running


@pytest.fixture
def alice(site: DeviceSite) -> Iterator[Visitor]:
    with chromium() as driver:
        visitor = Visitor(driver, site)
        yield visitor
        errors = [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
        assert [message for message in errors if "favicon.ico" not in message and "400" not in message] == []


def test_a_user_makes_copies_lists_and_revokes_a_token(alice: Visitor, site: DeviceSite) -> None:
    origin = {"origin": site.url, "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    alice.driver.execute_cdp_cmd("Browser.grantPermissions", origin)
    alice.find("#pnb-paths").send_keys("reports/*.ipynb")
    secret = alice.make(HTML, "run")
    assert site.tokens.check(secret, "192.0.2.1").grants == (Grant(Scope.RUN, ("reports/*.ipynb",)),)

    alice.find(".pnb-copy").click()
    wait_until(lambda: alice.find(".pnb-copied").text == "Copied.", "it is copied")
    alice.find("#pnb-days").send_keys(Keys.CONTROL, "av")
    assert alice.find("#pnb-days").get_attribute("value") == secret

    # neither reloading nor the button Back shows it again, or makes another one
    alice.driver.refresh()
    alice.find("#pnb-tokens .pnb-table")
    assert not alice.has("#pnb-secret")
    alice.driver.back()
    alice.driver.forward()
    alice.find("#pnb-tokens .pnb-table")
    assert secret not in alice.driver.page_source
    assert len(site.tokens.list("alice")) == 1

    site.tokens.wait_for_writes()
    alice.open()
    row = alice.find(".pnb-table tbody tr").text
    for text in (HTML, "only reports/*.ipynb", "in 90 days", "from 192.0.2.1"):
        assert text in row
    alice.find(".pnb-table .pnb-button").click()
    assert HTML in alice.find(".pnb-note").text
    assert alice.has(".pnb-none")
    with pytest.raises(TokenRevoked):
        site.tokens.check(secret, "192.0.2.1")


def test_a_token_can_be_copied_where_scripts_have_no_clipboard(alice: Visitor) -> None:
    secret = alice.make("laptop", "sync")
    alice.driver.execute_script(_NO_CLIPBOARD)
    alice.find(".pnb-copy").click()
    wait_until(lambda: alice.find(".pnb-copied").text, "it says what became of it")
    assert alice.driver.execute_script("return getSelection().toString()") == secret


def test_the_page_works_without_scripts_and_fits_a_phone(alice: Visitor, site: DeviceSite) -> None:
    alice.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    phone = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    alice.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    alice.open()
    secret = alice.make("x" * 100, "sync", "run", "console")
    assert site.tokens.check(secret, "192.0.2.1")
    assert not alice.find(".pnb-copy").is_displayed()
    assert alice.driver.execute_script(_WIDEST) <= 0
    assert alice.find(".pnb-table .pnb-button").is_displayed()

    alice.find("#pnb-revoke-all").click()
    alice.find("#pnb-sure").click()
    assert "1 token" in alice.find(".pnb-note").text
    assert site.tokens.list("alice") == ()


def test_a_second_click_makes_no_second_token_and_loses_none(alice: Visitor, site: DeviceSite) -> None:
    alice.find("#pnb-name").send_keys("laptop")
    alice.find('[name=scope][value="sync"]').click()
    button = 'const button = document.querySelector(".pnb-make .pnb-button"); button.click(); button.click();'
    alice.driver.execute_script(button)
    assert site.tokens.check(alice.find("#pnb-secret").get_attribute("value") or "", "192.0.2.1")


def test_mistakes_lead_to_their_fields(alice: Visitor) -> None:
    alice.find("#pnb-name").send_keys("laptop")
    alice.find("#pnb-paths").send_keys("/x")
    alice.find(".pnb-make .pnb-button").click()
    alice.find(".pnb-error")
    assert alice.driver.switch_to.active_element.get_attribute("role") == "alert"
    alice.find("#pnb-mistakes-scopes a").click()
    alice.driver.switch_to.active_element.send_keys(Keys.TAB)
    assert alice.find("#pnb-name").get_attribute("value") == "laptop"
    assert alice.find("#pnb-paths").get_attribute("value") == "/x"
    assert alice.find("#pnb-paths").get_attribute("aria-invalid") == "true"
