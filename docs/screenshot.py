"""Makes docs/images/notebook.png from the running demo site: ``python -m docs.screenshot [FILE]``.

It does what a person would do: sign in, open the shell of an airport, type a cell, run it.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.running import KERNEL_IS_IDLE, Site, chromium, demo_site, wait_until

PICTURE = Path(__file__).with_name("images") / "notebook.png"
WIDTH, HEIGHT = 1280, 800
COMMON_COLOURS = 96
CELL = """\
table = frame(select(Airport).where(Airport.latitude.between(24, 50)))
table["km"] = [airport.distance_to(session.get(Airport, code)) for code in table.iata]
table.plot.scatter("longitude", "latitude", c="km", s=3, cmap="viridis", figsize=(8, 3.6), title=airport.name);"""
LAST_CODE_CELL = ".jp-Notebook .jp-CodeCell:last-of-type .cm-content"
PLOT = ".jp-OutputArea-output img"


def sign_in(browser: Any, site: Site) -> None:
    """Fill in the login form of the demo site."""
    browser.get(f"{site.url}/login")
    browser.find_element(By.NAME, "name").send_keys("user")
    browser.find_element(By.NAME, "password").send_keys("password" + Keys.ENTER)
    wait_until(lambda: "Sign out" in browser.page_source, "signed in")


def open_shell(browser: Any, site: Site, code: str) -> None:
    """Press the button on an airport's page and wait for its kernel."""
    browser.get(f"{site.url}/airports/{code}")
    browser.find_element(By.CSS_SELECTOR, "#open-airport-shell button").click()
    wait_until(lambda: browser.execute_script(KERNEL_IS_IDLE), "the kernel is idle", seconds=90)


def run_cell(browser: Any, source: str) -> None:
    """Type into the last cell, run it, and wait for its plot."""
    wait_until(lambda: browser.find_elements(By.CSS_SELECTOR, LAST_CODE_CELL), "the cells are there")[0].click()
    # inserted as one text, so that the editor adds neither brackets nor indentation of its own
    browser.execute_cdp_cmd("Input.insertText", {"text": source})
    ActionChains(browser).key_down(Keys.CONTROL).send_keys(Keys.ENTER).key_up(Keys.CONTROL).perform()
    image = wait_until(lambda: browser.find_elements(By.CSS_SELECTOR, PLOT), "the plot", seconds=60)[0]
    wait_until(lambda: browser.execute_script(KERNEL_IS_IDLE), "the kernel is idle")
    browser.execute_script("arguments[0].scrollIntoView({block: 'end'})", image)


def take(picture: Path) -> None:
    """Make the picture.

    Args:
        picture: the PNG file to write.
    """
    with demo_site() as site, chromium() as browser:
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False},
        )
        sign_in(browser, site)
        open_shell(browser, site, "JFK")
        run_cell(browser, CELL)
        screen = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
    with_few_colours(screen).save(picture, optimize=True)


def with_few_colours(screen: Image.Image) -> Image.Image:
    """Return an image with a palette, a third of the size: common colours as they are, rare ones nearly so."""
    counted = sorted(screen.getcolors(WIDTH * HEIGHT) or (), reverse=True)
    common = [value for _count, colour in counted[:COMMON_COLOURS] for value in colour]
    rare = screen.quantize(256 - COMMON_COLOURS, method=Image.Quantize.MAXCOVERAGE).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([*common, *rare])
    return screen.quantize(palette=palette, dither=Image.Dither.NONE)


if __name__ == "__main__":
    take(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE)
