"""Follows docs/editor-tutorial.md in a real editor, shell and browser, and makes its pictures on the way.

``python -m docs.editor_pictures [FOLDER]``. What is typed is what the page says to type; what the page shows as output
has to appear.
"""

from __future__ import annotations

import base64
import io
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.docs.blocks import BLOCKS, Block
from tests.running import KERNEL_IS_IDLE, Site, chromium, demo_site, wait_until

from .screenshot import sign_in, with_few_colours
from .terminals import Terminal, terminals

PAGE = "docs/editor-tutorial.md"
PICTURES = Path(__file__).with_name("images")
NAMES = ("editor-pair.png", "editor-run.png", "editor-pull.png")
WIDTH, HEIGHT, NOTEBOOK_WIDTH = 1280, 640, 740
COLUMNS, EDITOR_ROWS, SHELL_ROWS = 65, 19, 11
_DESKTOP = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY")
_SIDE_BY_SIDE = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; background: #d8dde3; height: {height}px; overflow: hidden; position: relative; }}
section {{ position: absolute; left: 8px; background: #fff; border-radius: 4px; padding: 5px 8px; width: 500px; }}
pre {{ margin: 0; font: 12.5px/17px "DejaVu Sans Mono", monospace; }}
img {{ position: absolute; right: 8px; top: 8px; width: {width}px; border-radius: 4px; }}
</style><section style="top: 8px; height: {editor}px">{vim}</section>
<section style="bottom: 8px; height: {shell_height}px">{shell}</section>
<img src="data:image/png;base64,{notebook}">"""


class Tour:
    """Somebody who follows the page.

    Args:
        site: the demo site.
        browser: Chromium.
        folder: where the script is.
        editor: the terminal with Vim.
        shell: the terminal with a shell.
    """

    def __init__(self, site: Site, browser: Any, folder: Path, editor: Terminal, shell: Terminal) -> None:
        self.site, self.browser, self.folder = site, browser, folder
        self._editor, self._shell = editor, shell
        self._blocks = iter(block for block in BLOCKS if block.page == PAGE)
        self._notebook = f"{site.url}/notebook/user/notebooks/hawaii.ipynb"
        self._session = site.session("user")

    def next(self, language: str) -> Block:
        """Return the next block of the page, which is of this language."""
        block = next(self._blocks)
        if block.language != language:
            raise ValueError(f"{block} is not {language}")
        return block

    def at_end(self) -> bool:
        """Tell whether all of the page was followed."""
        return next(self._blocks, None) is None

    def type(self, *, wait: bool = True) -> int:
        """Type the next commands of the page into the shell, and return the exit code of the last one."""
        self._shell.type("\f")
        for line in self.next("sh").text.splitlines():
            before = len(self._codes())
            self._shell.type(f"{line.replace('localhost:9999', f'localhost:{self.site.port}')}\r")
            if wait:
                wait_until(lambda before=before: len(self._codes()) > before, line, seconds=90)
        return self._codes()[-1]

    def _codes(self) -> list[int]:
        return [int(line) for line in (self.folder / "codes").read_text().split()]

    def shown(self) -> None:
        """Wait until what the page shows next is on the shell's screen."""
        text = self.next("text").text.replace("localhost:9999", f"localhost:{self.site.port}")
        pattern = re.escape("".join(text.split()))
        pattern = re.sub(r"\d\d:\d\d:\d\d", r"\\d\\d:\\d\\d:\\d\\d", pattern)
        pattern = re.sub(r"\(cell[0-9a-f]{8}\\\)", r"(cell[0-9a-f]{8}\\)", pattern)
        wait_until(lambda: re.search(pattern, "".join(self._shell.text.split())), f"{text}{self._shell.text}")

    def log_in(self) -> None:
        """Type the command, and approve what it shows on the site."""
        self._shell.type("\f")
        activate, login = self.next("sh").text.replace("localhost:9999", f"localhost:{self.site.port}").splitlines()
        self._shell.type(f"{activate}\r{login}\r")
        found = wait_until(lambda: re.search(r"\b[A-Z]{4}-[A-Z]{4}\b", self._shell.text), "the code")
        address = f"{self.site.url}/notebook/-/device"
        asked = self._session.post(address, data={"user_code": found[0]}, timeout=30).text
        scopes = re.findall(r'name="scope" value="([^"]+)"', asked)
        fields = {"user_code": found[0], "decision": "approve", "scope": scopes}
        self._session.post(address, data=fields, timeout=30).raise_for_status()
        self.shown()

    def write(self, name: str, text: str) -> None:
        """Type a whole file into the editor, and save it."""
        path = self.folder / name
        self._editor.type(f"\x1b:e! {name}\r:%d _\ri{text.rstrip()}\x1b:w\r")
        wait_until(lambda: path.exists() and path.read_text() == text, f"{path} is saved")

    def save(self) -> None:
        """Write the next file of the page."""
        block = self.next("python")
        self.write(block.file, block.text)

    def open_notebook(self) -> None:
        """Open it in the browser, and wait until it can be used."""
        self.browser.get(self._notebook)
        wait_until(lambda: self.browser.execute_script(KERNEL_IS_IDLE), "the kernel is idle", seconds=90)
        self.sees("Airports of Hawaii")

    def sees(self, text: str) -> None:
        """Wait until the notebook shows a text."""
        wait_until(lambda: text in self.browser.find_element(By.CSS_SELECTOR, ".jp-Notebook").text, text)

    def change_notebook(self, place: int, keys: str, text: str) -> None:
        """Type into a code cell in the browser, at its end, and wait until the site has it.

        Args:
            place: which code cell.
            keys: that are pressed before.
            text: that is typed.
        """
        before = self._rev()
        self.browser.find_elements(By.CSS_SELECTOR, ".jp-CodeCell .cm-content")[place].click()
        actions = ActionChains(self.browser)
        actions.key_down(Keys.CONTROL).send_keys(Keys.END).key_up(Keys.CONTROL).send_keys(keys).perform()
        self.browser.execute_cdp_cmd("Input.insertText", {"text": text})
        self._settled(before)

    def change_title(self, text: str) -> None:
        """Add to the title in the browser, and wait until the site has it."""
        before = self._rev()
        title = self.browser.find_element(By.CSS_SELECTOR, ".jp-MarkdownCell")
        ActionChains(self.browser).double_click(title).perform()
        wait_until(lambda: title.find_elements(By.CSS_SELECTOR, ".cm-content"), "the title's text")
        title.find_element(By.CSS_SELECTOR, ".cm-content").click()
        ActionChains(self.browser).key_down(Keys.CONTROL).send_keys(Keys.END).key_up(Keys.CONTROL).perform()
        self.browser.execute_cdp_cmd("Input.insertText", {"text": text})
        self._settled(before)

    def _settled(self, before: str) -> None:
        """Wait until the site has what was typed: all of it, since nothing changes any more."""
        found = wait_until(lambda: (rev := self._rev()) != before and rev, "the site has what was typed")
        ends = time.monotonic() + 1
        while time.monotonic() < ends:
            if found != (now := self._rev()):
                found, ends = now, time.monotonic() + 1

    def _rev(self) -> str:
        address = f"{self.site.url}/notebook/user/sync/status"
        return str(self._session.get(address, params={"notebook": "hawaii.ipynb"}, timeout=30).json()["rev"])

    def has(self, name: str, text: str) -> None:
        """Wait until the file has a text, and read it again in the editor."""
        wait_until(lambda: text in (self.folder / name).read_text(), f"{text} in {name}")
        self._editor.type(f"\x1b:e {name}\r")

    def press_control_c(self) -> int:
        """End what runs in the shell, and return its exit code."""
        before = len(self._codes())
        self._shell.type("\x03")
        wait_until(lambda: len(self._codes()) > before, "the command has ended")
        return self._codes()[-1]

    def take(self, picture: Path) -> None:
        """Draw editor, shell and notebook side by side."""
        ActionChains(self.browser).send_keys(Keys.ESCAPE).perform()  # no caret that blinks
        notebook = self.browser.get_screenshot_as_base64()
        page = _SIDE_BY_SIDE.format(
            height=HEIGHT,
            width=NOTEBOOK_WIDTH,
            vim=self._editor.html(),
            shell=self._shell.html(),
            notebook=notebook,
            editor=HEIGHT - 17 * SHELL_ROWS - 44,
            shell_height=17 * SHELL_ROWS,
        )
        tab = self.browser.current_window_handle
        self.browser.switch_to.new_window("tab")
        _resize(self.browser, WIDTH, HEIGHT)
        encoded = base64.b64encode(page.encode()).decode()
        self.browser.get(f"data:text/html;base64,{encoded}")
        screen = Image.open(io.BytesIO(self.browser.get_screenshot_as_png())).convert("RGB")
        self.browser.close()
        self.browser.switch_to.window(tab)
        with_few_colours(screen).save(picture, optimize=True)


def follow(tour: Tour, pictures: Path) -> list[int]:
    """Do what the page says, to its end, and return the exit codes of the commands.

    Args:
        tour: who follows it.
        pictures: folder for the pictures.
    """
    codes = []
    tour.next("sh")  # make demo: the site runs
    tour.log_in()
    tour.save()
    codes.append(tour.type())
    tour.shown()
    sign_in(tour.browser, tour.site)
    _resize(tour.browser, NOTEBOOK_WIDTH, HEIGHT - 16)
    tour.open_notebook()
    tour.take(pictures / NAMES[0])
    codes.append(tour.type())
    tour.shown()
    codes.append(tour.type())
    tour.sees("Mokuleia")
    tour.take(pictures / NAMES[1])
    tour.save()
    codes.append(tour.type())
    tour.shown()
    tour.sees(".head(2)")
    tour.sees("HNL")
    codes.append(tour.type())
    wait_until(lambda: "HNL" not in tour.browser.find_element(By.CSS_SELECTOR, ".jp-Notebook").text, "the new table")
    typed = tour.next("python").text.strip()
    tour.change_notebook(0, Keys.ENTER, typed)
    codes.append(tour.type())
    tour.shown()
    tour.has("hawaii.py", f'"HI"))\n{typed}\n')
    tour.take(pictures / NAMES[2])
    tour.change_notebook(1, Keys.BACKSPACE * 2, "4)")
    tour.write("hawaii.py", (tour.folder / "hawaii.py").read_text().replace(".head(2)", ".head(5)"))
    codes.append(tour.type())
    tour.shown()
    tour.sees(".head(4)")
    codes.append(tour.type())
    tour.shown()
    tour.sees(".head(5)")
    tour.type(wait=False)
    tour.shown()
    tour.change_title(", and what they are called")
    tour.shown()
    tour.has("hawaii.py", "# # Airports of Hawaii, and what they are called\n")
    codes.append(tour.press_control_c())
    return codes


@contextmanager
def tour() -> Iterator[Tour]:
    """Set up all that a tour needs, with an empty home."""
    with tempfile.TemporaryDirectory(prefix="pnb-test-") as place, demo_site() as site, chromium() as browser:
        folder = Path(place, "home")
        folder.mkdir()
        (folder / ".venv").symlink_to(sys.prefix)
        (folder / "codes").touch()
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name not in _DESKTOP and not name.startswith(("XDG_", "PYRAMID_NOTEBOOK"))
        }
        variables = {
            "HOME": str(folder),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "VIRTUAL_ENV_DISABLE_PROMPT": "1",
            "PS1": "$ ",
            "PROMPT_COMMAND": f"echo $? >> {folder}/codes",
            "HISTFILE": "",
        }
        with terminals(Path(place), inherited) as holder:
            vim = ["vim", "-N", "-u", "NONE", "-i", "NONE", "-n", "--cmd", "set t_ut= ruler laststatus=2 number"]
            vim += ["-c", "set termguicolors background=light | syntax on"]
            editor = holder.start(vim, folder, rows=EDITOR_ROWS, columns=COLUMNS, environment=variables)
            bash = ["bash", "--norc", "--noprofile", "-i"]
            shell = holder.start(bash, folder, rows=SHELL_ROWS, columns=COLUMNS, environment=variables)
            wait_until((folder / "codes").read_text, "the shell is there")
            yield Tour(site, browser, folder, editor, shell)


def make(pictures: Path, check: Callable[[Tour, list[int]], None] | None = None) -> None:
    """Make all pictures.

    Args:
        pictures: folder for them.
        check: gets the tour at its end, and the exit codes of the commands.
    """
    with tour() as one:
        codes = follow(one, pictures)
        if check:
            check(one, codes)


def _resize(browser: Any, width: int, height: int) -> None:
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES)
