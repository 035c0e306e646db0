"""A user of the demo site in front of a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    StaleElementReferenceException,
)
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from pyramid_notebook.record import ServerRecord
from tests.running import KERNEL_IS_IDLE, Site, wait_until

#: Seconds that anything may take; a loaded machine is slow.
PATIENCE = 60

#: JavaScript that tells whether all cells are there: Jupyter draws them a few at a time, even after the kernel is idle.
NOTEBOOK_IS_DRAWN = """
const notebook = window.jupyterapp?.shell.currentWidget?.content;
return document.querySelectorAll('.jp-Notebook .jp-Cell').length === notebook?.model?.cells.length;
"""

#: What a page may answer while it changes under our hands.
_MOVING = (StaleElementReferenceException, ElementClickInterceptedException, ElementNotInteractableException)


class Visitor:
    """One user with a browser of their own.

    Args:
        browser: splinter's browser.
        site: the demo site.
        name: of the user, as they sign in.
    """

    def __init__(self, browser: Any, site: Site, name: str) -> None:
        self.browser, self.site, self.name = browser, site, name
        self.driver = browser.driver

    def wait(self, condition: Callable[[], Any], what: str) -> Any:
        """Return what the condition returns once that is true; a page that is being redrawn is asked again."""

        def settled() -> Any:
            try:
                return condition()
            except _MOVING:
                return None

        return wait_until(settled, what, seconds=PATIENCE)

    def visit(self, path: str) -> None:
        self.driver.get(f"{self.site.url}{path}")

    def sign_in(self) -> None:
        self.visit("/login")
        self.driver.find_element("css selector", "#log-in [name=name]").send_keys(self.name)
        self.driver.find_element("css selector", "#log-in [name=password]").send_keys("password" + Keys.ENTER)
        self.see("#sign-out")

    def find(self, selector: str, text: str = "") -> list[WebElement]:
        """Return what is to be seen of this now, where it has the text."""
        found = self.driver.find_elements("css selector", selector)
        return [one for one in found if one.is_displayed() and text in one.text]

    def see(self, selector: str, text: str = "") -> str:
        """Wait until this is to be seen, and return its text."""
        shown: str = self.wait(lambda: [one.text + " " for one in self.find(selector, text)], f"{selector} {text}")[0]
        return shown.strip()

    def press(self, selector: str, text: str = "") -> None:
        def pressed() -> bool:
            for one in self.find(selector, text)[:1]:
                one.click()
                return True
            return False

        self.wait(pressed, f"press {selector} {text}")

    @property
    def path(self) -> str:
        """Path of the page that is shown."""
        return str(self.driver.current_url).removeprefix(self.site.url).partition("?")[0]

    @property
    def status(self) -> int:
        """HTTP status of the page that is shown (Navigation Timing Level 2)."""
        return int(self.driver.execute_script("return performance.getEntriesByType('navigation')[0].responseStatus"))

    @property
    def record(self) -> ServerRecord:
        """Of this user's server, which runs."""
        record = self.site.manager.find(self.name)
        assert record, "no user server runs"
        return record

    def open_shell(self, airport: str) -> None:
        """Press the button on the page of an airport, and wait for its notebook."""
        self.visit(f"/airports/{airport}")
        self.press("#open-airport-shell button")
        self.until_idle()

    def until_idle(self) -> None:
        """Wait until the open notebook can be worked with."""
        for script in (KERNEL_IS_IDLE, NOTEBOOK_IS_DRAWN):
            self.wait(partial(self.driver.execute_script, script), f"true: {script}")

    def reload(self) -> None:
        self.driver.refresh()
        self.until_idle()

    def write(self, code: str) -> int:
        """Type one line into the last cell, which is empty; returns its number among the code cells."""
        self.wait(lambda: self.cells and self._enter_last_cell(), "a cell to write into")
        number = len(self.cells) - 1
        self.driver.switch_to.active_element.send_keys(code)
        self.wait(lambda: self.source(number) == code, f"{code} is in the cell")
        return number

    def _enter_last_cell(self) -> bool:
        editor = self.cells[-1].find_element("css selector", ".cm-content")
        editor.click()
        return bool(editor == self.driver.switch_to.active_element)

    def source(self, number: int) -> str:
        return str(self.cells[number].find_element("css selector", ".cm-content").text)

    def run(self, code: str) -> str:
        """Type one line into the last cell, run it, and return what it shows."""
        number = self.write(code)
        self.driver.switch_to.active_element.send_keys(Keys.SHIFT + Keys.ENTER)
        self.wait(lambda: self.is_done(number), f"{code} has run")
        return self.output(number)

    def is_done(self, number: int) -> bool:
        prompt = self.cells[number].find_element("css selector", ".jp-InputPrompt").text
        return bool(re.fullmatch(r"\[\d+\]:", prompt)) and len(self.cells) > number + 1

    def output(self, number: int) -> str:
        return "\n".join(one.text for one in self.outputs(number))

    def outputs(self, number: int) -> list[WebElement]:
        return list(self.cells[number].find_elements("css selector", ".jp-OutputArea-output"))

    @property
    def cells(self) -> list[WebElement]:
        """The code cells of the open notebook."""
        return list(self.driver.find_elements("css selector", ".jp-CodeCell"))

    @property
    def text(self) -> str:
        """All text of the open notebook."""
        return "\n".join(one.text for one in self.driver.find_elements("css selector", ".jp-Notebook"))

    def choose(self, menu: str, command: str) -> None:
        """Choose an entry of a menu of Jupyter."""
        self.press("#jp-MainMenu .lm-MenuBar-item", menu)
        self.press(f'.lm-Menu-item[data-command="{command}"]')

    def troubles(self) -> list[str]:
        """Errors in the console since this was asked last."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]
