"""The channel in NbClassic, the page of Notebook 6, which a user server has where a site installs it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
from selenium.webdriver.common.keys import Keys

from tests.docs.blocks import block
from tests.running import Site, chromium, demo_site

from .channel_page import ON_THREADS, printed
from .visitor import Visitor

GUIDE = "docs/how-to/channel.md"
#: Made by ``make nbclassic``, with the version that the Makefile names.
PACKAGES = Path(sys.prefix) / "nbclassic"
OPEN = (
    """
import threading
from pyramid_notebook.channel import open_channel
channel = open_channel(code='''(channel) => channel.expose({
  add: (one, two) => one + two,
  place: () => location.pathname,
  ask: (number) => channel.call("on_main", number),
  twice: async function* (stream) { for await (const piece of stream) { yield piece; yield piece; } },
})''')
"""
    + ON_THREADS
)
READY = "return Boolean(window.Jupyter?.notebook?._fully_loaded && Jupyter.notebook.kernel?.is_connected())"
#: Adds a cell behind all others, and runs it; tells its place.
BEGIN = """
const { notebook } = Jupyter;
const cell = notebook.insert_cell_at_bottom("code");
cell.set_text(arguments[0]);
cell.events.on("finished_execute.CodeCell", (_event, told) => { told.cell.hasRun = true; });
cell.execute();
return notebook.find_cell_index(cell);
"""
#: Tells what a cell shows once all of it has come; the number of the cell may come before the last of it.
SHOWN = """
const cell = Jupyter.notebook.get_cell(arguments[0]);
return cell.hasRun ? cell.output_area.toJSON() : null;
"""
STATE = "return window.notebookChannel?.('main')?.state"
SAVE = """
const [done] = arguments;
Jupyter.notebook.save_notebook().then(() => done(null), (error) => done(String(error)));
"""
CALL = """
const [name, value, done] = arguments;
notebookChannel("main").call(name, value).then(done, (error) => done(String(error)));
"""


class ClassicPage:
    """A notebook that is open in NbClassic."""

    def __init__(self, user: Visitor, name: str) -> None:
        self.user, self.driver = user, user.driver
        user.visit(f"/notebook/{user.name}/nbclassic/notebooks/{name}")
        self.until_ready()

    def until_ready(self) -> None:
        self.user.wait(lambda: self.driver.execute_script(READY), "the notebook can be worked with")

    def begin(self, code: str) -> int:
        """Run a new cell, and return its place."""
        return int(self.driver.execute_script(BEGIN, code))

    def ended(self, cell: int) -> list[dict[str, Any]]:
        """Wait until a cell has run, which must not fail, and return its outputs (nbformat 4.5)."""
        outputs = self.user.wait(lambda: _listed(self.driver.execute_script(SHOWN, cell)), "the cell has run")
        assert not [one for one in outputs[0] if one["output_type"] == "error"], outputs
        return list(outputs[0])

    def run(self, code: str) -> str:
        """Run a new cell, and return what it prints."""
        return printed(self.ended(self.begin(code)))

    def call(self, name: str, value: Any) -> Any:
        """Call a function of the kernel."""
        return self.driver.execute_async_script(CALL, name, value)


def _listed(outputs: Any) -> Any:
    return None if outputs is None else [outputs]


@pytest.fixture(scope="module")
def classic_site() -> Iterator[Site]:
    """A site whose user servers find NbClassic, as they would if it were installed beside them."""
    assert PACKAGES.exists(), f"NbClassic is missing. Type: make nbclassic VENV={sys.prefix}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(PACKAGES))
        patch.setenv("JUPYTER_CONFIG_PATH", str(PACKAGES / "etc" / "jupyter"))
        with demo_site() as site:
            yield site


@pytest.fixture(scope="module")
def page(classic_site: Site) -> Iterator[ClassicPage]:
    """A notebook whose first cell has opened a channel."""
    with chromium() as driver:
        user = Visitor(SimpleNamespace(driver=driver), classic_site, "user")
        user.sign_in()
        user.open_shell("BNA")
        notebook = nbformat.v4.new_notebook()  # type: ignore[no-untyped-call]
        nbformat.write(notebook, classic_site.manager.folder("user").work / "classic.ipynb")  # type: ignore[no-untyped-call]
        page = ClassicPage(user, "classic.ipynb")
        page.run(OPEN)
        yield page


def test_a_cell_calls_the_page_awaited_and_not(page: ClassicPage) -> None:
    assert page.run("print(await channel.call('add', 40, 2))") == "42"
    assert page.run("print(channel.call_sync('add', 'żół', 'w'))") == "żółw"
    place = "/notebook/user/nbclassic/notebooks/classic.ipynb"
    assert page.run("print(await channel.call('place'))") == place


def test_the_page_calls_the_kernel_on_both_threads(page: ClassicPage) -> None:
    assert page.call("on_main", 1) == [2, True]
    assert page.call("on_own", 1) == [2, False]


def test_calls_pass_each_other(page: ClassicPage) -> None:
    assert page.run("print(await channel.call('ask', 41))") == "[42, True]"


def test_a_cell_asks_a_question_and_shows_the_answer(page: ClassicPage) -> None:
    cell = page.begin(block(GUIDE, "ask.py"))
    page.user.press("[data-notebook-use=ask] button", "Yes")
    outputs = page.ended(cell)
    assert "Delete all drafts? Yes" in str(outputs)
    assert printed(outputs) == "deleted"


def test_a_loop_shows_its_progress_until_it_is_stopped(page: ClassicPage) -> None:
    cell = page.begin(block(GUIDE, "progress.py"))
    page.user.press("[data-notebook-use=progress] button", "Stop")
    assert 0 < int(printed(page.ended(cell)).removeprefix("read ")) < 1000


def test_a_file_is_uploaded(page: ClassicPage, tmp_path: Path) -> None:
    (tmp_path / "figures.csv").write_text("year,sales\n")
    cell = page.begin(block(GUIDE, "upload.py"))
    field = "[data-notebook-use=upload] input[type=file]:not(:disabled)"
    page.user.wait(lambda: page.driver.find_elements("css selector", field), "a field for a file")
    page.driver.find_element("css selector", field).send_keys(str(tmp_path / "figures.csv"))
    assert printed(page.ended(cell)) == "figures.csv year,sales"


def test_a_slider_has_python_draw_another_picture(page: ClassicPage) -> None:
    page.ended(page.begin(block(GUIDE, "live.py")))
    [slider] = page.user.wait(lambda: page.user.find("[data-notebook-use=live] input"), "a slider")
    first = page.user.wait(lambda: picture(page), "a picture that the kernel drew")
    slider.send_keys(Keys.ARROW_RIGHT)
    page.user.wait(lambda: picture(page) not in ("", first), "another picture")


def picture(page: ClassicPage) -> str:
    """The address of the picture that the kernel drew last, or nothing."""
    source = page.driver.find_element("css selector", "[data-notebook-use=live] img").get_attribute("src") or ""
    return source if source.startswith("blob:") else ""


def test_streams_go_both_ways(page: ClassicPage) -> None:
    code = "stream = await channel.call('twice', stream=[b'ab'] * 100_000, timeout=50)\nprint(len(await stream.join()))"
    assert page.run(code) == "400000"


def test_a_saved_notebook_that_is_loaded_anew_connects_by_itself(page: ClassicPage) -> None:
    assert page.driver.execute_async_script(SAVE) is None
    page.driver.refresh()
    page.until_ready()
    page.user.wait(lambda: page.driver.execute_script(STATE) == "open", "the channel is open")
    assert page.run("print(await channel.call('add', 1, 2))") == "3"
    assert page.run("print(len(channel.pages))") == "1"
