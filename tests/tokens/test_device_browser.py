"""A device login as its user lives it: the real command in a terminal, and Chromium beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium.webdriver.common.by import By

from pyramid_notebook.errors import TokenRevoked
from tests.running import chromium, wait_until
from tests.running_login import Laptop

from .device_sites import DEVICE, device_site

#: Puts a page into a frame, and comes back when it is there, or was refused.
FRAME = """
const [address, done] = arguments;
document.getElementById("frame")?.remove();
const frame = Object.assign(document.createElement("iframe"), {id: "frame", src: address, onload: () => done()});
document.body.append(frame);
"""


def test_a_user_approves_in_chromium_what_the_command_line_asked_for(folder: Path) -> None:
    home, opened = folder / "home", folder / "opened"
    home.mkdir()
    # what stands for the desktop's way to open an address; Chromium is told to by the test
    program = folder / "open"
    program.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}.new && mv {opened}.new {opened}\n')
    program.chmod(0o755)
    laptop = Laptop(home)
    with device_site(folder / "notebooks") as site, chromium() as driver:

        def find(selector: str):
            return wait_until(lambda: driver.find_elements(By.CSS_SELECTOR, selector), selector)[0]

        with laptop.start("login", site.url, "--name", "my <b>laptop</b>", BROWSER=f"{program} %s") as login:
            code = login.code()
            wait_until(opened.exists, "the address opens")
            driver.get(opened.read_text())
            find("#sign-in").click()
            assert find("#pnb-user-code").get_attribute("value") == code
            find("#pnb-device .pnb-button").click()
            assert find(".pnb-client").text == "my <b>laptop</b>"
            assert find(".pnb-address").text == "127.0.0.1"
            assert "pyramid-notebook" in find(".pnb-user-agent").text
            assert code in find("#pnb-device-approve").text
            find('input[value="console"]').click()
            find('button[value="approve"]').click()
            assert find("#pnb-device-done").get_attribute("data-approved") == "yes"
            status, output, errors = login.end()
        assert (status, errors) == (0, "")
        assert "as alice, for: sync run\n" in output
        credential = laptop.credentials.find(f"{site.url}/notebook")
        assert credential
        assert str(site.tokens.check(credential.token, "192.0.2.1").grants[1]) == "run"

        driver.get(f"{site.url}{DEVICE}?user_code={code}")
        find("#pnb-device .pnb-button").click()
        assert "No program waits with this code" in find(".pnb-error").text

        # not even a page of the site itself can frame it
        driver.get(f"{site.url}/login?next=/")
        for address, expected in (("/login?next=/", 1), (DEVICE, 0)):
            driver.execute_async_script(FRAME, address)
            driver.switch_to.frame("frame")
            assert len(driver.find_elements(By.CSS_SELECTOR, "#sign-in, #pnb-device")) == expected
            driver.switch_to.default_content()

        assert laptop.run("logout")[0] == 0
        with pytest.raises(TokenRevoked):
            site.tokens.check(credential.token, "192.0.2.1")
