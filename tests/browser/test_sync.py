"""What an editor does through the door, as its user sees it in an open notebook."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from selenium.webdriver.common.keys import Keys

from tests.running import Site, demo_site
from tests.running_login import Laptop
from tests.sync.live.editors import Editor, script

from .test_programs import sign_in
from .visitor import Visitor

#: Seconds in which a sync is to be seen however busy the kernel is; it takes a tenth of that.
AT_ONCE = 3.0
#: Index and id of the active cell, and whether it is to be seen.
ACTIVE = """
const notebook = window.jupyterapp.shell.currentWidget.content;
const cell = notebook.activeCell.node.getBoundingClientRect();
const pane = notebook.node.getBoundingClientRect();
return [notebook.activeCell.model.id, cell.top >= pane.top - 1 && cell.top < pane.bottom - 1];
"""
#: A notebook that somebody else has sent: its outputs want to run a script.
FOREIGN = "window.foreignRan = 1"
SHOWN = ".jp-OutputArea-output b", "from a stranger"


class RemoteEditor(Editor):
    """An editor on its user's own machine, which reaches the notebook server with a token through the door.

    Args:
        user: whose notebook.
        token: with the scope ``sync``.
        name: of the file and the notebook, without suffix.
    """

    def __init__(self, user: Visitor, token: str, name: str) -> None:
        super().__init__(None, f"/home/{user.name}/{name}.py", f"{name}.ipynb")  # type: ignore[arg-type]
        self._address = f"{user.site.url}/notebook/{user.name}/sync"
        self._fields = {"Authorization": f"Bearer {token}"}

    def post(self, verb: str, **values: Any) -> tuple[int, dict[str, Any]]:
        address = f"{self._address}/{verb}" if verb else self._address
        answer = requests.post(address, json=values, headers=self._fields, timeout=90)
        return answer.status_code, answer.json()

    def status(self) -> dict[str, Any]:
        address = f"{self._address}/status"
        return dict(requests.get(address, {"notebook": self.notebook}, headers=self._fields, timeout=90).json())

    def begin(self, text: str, line: int) -> None:
        """Begin to run the cell at a line."""
        status, answer = self.ask("run", text=text, rev=self.rev, what="line", line=line, wait=False)
        assert status == 202, answer
        self.rev = answer["sync"]["rev"]


class Page:
    """The notebook of an editor, open in a browser."""

    def __init__(self, user: Visitor, editor: RemoteEditor, *, ui: str = "notebooks") -> None:
        self.user, self.editor = user, editor
        user.visit(f"/notebook/{user.name}/{ui}/{editor.notebook}")
        user.until_idle()
        user.driver.execute_script("window.neverReloaded = true")

    def sources(self) -> list[str]:
        """The texts of the code cells, as they are drawn."""
        return [self.user.source(number) for number in range(len(self.user.cells))]

    def shows(self, *sources: str) -> None:
        """Wait until these are the code cells; the page is still the same."""
        self.user.wait(lambda: self.sources() == list(sources), f"{sources} are shown")
        assert self.user.driver.execute_script("return window.neverReloaded")

    def prompt(self, number: int) -> str:
        return str(self.user.cells[number].find_element("css selector", ".jp-InputPrompt").text)

    def click_end(self, number: int) -> None:
        """Put the caret at the end of a cell."""
        cell = self.user.cells[number].find_element("css selector", ".cm-content")
        cell.click()
        self.type(Keys.CONTROL + Keys.END)

    def type(self, text: str) -> None:
        self.user.driver.switch_to.active_element.send_keys(text)

    def focused(self, cell: str) -> bool:
        return bool(self.user.driver.execute_script(ACTIVE) == [cell, True])


@pytest.fixture(scope="module")
def tokens() -> dict[str, str]:
    """Those that were made, by the site's address."""
    return {}


@pytest.fixture
def edit(user: Visitor, tokens: dict[str, str], folder: Path) -> Callable[[str], RemoteEditor]:
    """Make an editor of the user with a file of this name."""
    if user.site.url not in tokens:
        tokens[user.site.url] = sign_in(Laptop(folder), user, "sync")
    return lambda name: RemoteEditor(user, tokens[user.site.url], name)


@pytest.fixture
def gate(user: Visitor) -> Iterator[Path]:
    """A file that cells wait for."""
    path = user.site.manager.folder(user.name).work / "gate"
    path.unlink(missing_ok=True)
    yield path
    path.touch()


def waiting_for(gate: Path) -> str:
    """Return code that says so when it has begun, and when it may end."""
    wait = f"while not pathlib.Path('{gate}').exists(): time.sleep(0.01)"
    return f"import pathlib, time\nprint('begun', flush=True)\n{wait}\nprint('arrived')"


def test_a_sync_is_shown_in_an_open_notebook(user: Visitor, edit: Callable[[str], RemoteEditor]) -> None:
    editor = edit("shown")
    editor.pair(script("a = 1", "b = 2"))
    page = Page(user, editor)
    page.shows("a = 1", "b = 2")
    editor.sync(script("a = 10", "new = 'ü'", "b = 2"))
    page.shows("a = 10", "new = 'ü'", "b = 2")
    editor.sync(script("b = 2"))
    page.shows("b = 2")


def test_a_cell_that_is_moved_keeps_its_output(user: Visitor, edit: Callable[[str], RemoteEditor]) -> None:
    editor = edit("moved")
    cells = ["print('one')", "print('two')", "print('three')"]
    editor.pair(script(*cells))
    page = Page(user, editor)
    editor.run(script(*cells), what="all")
    user.wait(lambda: [user.output(number) for number in range(3)] == ["one", "two", "three"], "the outputs are shown")
    moved = [cells[2], cells[0], cells[1] + "  # edited"]
    editor.sync(script(*moved))
    page.shows(*moved)
    assert [user.output(number) for number in range(3)] == ["three", "one", "two"]
    assert [page.prompt(number) for number in range(3)] == ["[3]:", "[1]:", "[2]:"]


def test_a_cell_that_becomes_markdown_is_rendered(user: Visitor, edit: Callable[[str], RemoteEditor]) -> None:
    editor = edit("retyped")
    editor.pair(script("a = 1", "# Heading of a cell"))
    page = Page(user, editor)
    editor.sync(script("a = 1") + "# %% [markdown]\n# # Heading of a cell\n#\n# Some *words*.\n")
    assert user.see(".jp-MarkdownCell .jp-RenderedMarkdown h1").rstrip("¶") == "Heading of a cell"
    page.shows("a = 1")
    editor.sync(script("a = 1") + "# %% [markdown]\n# # Another heading\n")
    user.see(".jp-MarkdownCell .jp-RenderedMarkdown h1", "Another heading")


def test_the_caret_stays_in_the_very_cell_that_is_synced_and_nothing_that_was_typed_is_lost(
    user: Visitor, edit: Callable[[str], RemoteEditor]
) -> None:
    editor = edit("caret")
    editor.pair(script("first = 1\nsecond = 2", "other = 3"))
    page = Page(user, editor)
    rev = editor.status()["rev"]
    page.click_end(0)
    page.type("  # before")
    user.wait(lambda: editor.status()["rev"] != rev, "the server has what was typed")
    answer = editor.sync(script("first = 10\nsecond = 2", "new = 0", "other = 3"))
    assert (answer["conflicts"], answer["pull"]) == ([], True)
    page.shows("first = 10\nsecond = 2  # before", "new = 0", "other = 3")
    page.type(" after")
    page.shows("first = 10\nsecond = 2  # before after", "new = 0", "other = 3")

    def has_come() -> bool:
        answer = editor.sync(script("first = 100\nsecond = 2", "other = 3"), take=True)
        return "# before after" in answer.get("text", "")

    rev = editor.rev
    user.wait(has_come, "the next sync brings all that was typed")
    assert rev != editor.rev
    page.shows("first = 100\nsecond = 2  # before after", "other = 3")


def test_a_run_shows_that_it_runs_and_then_its_output(
    user: Visitor, edit: Callable[[str], RemoteEditor], gate: Path
) -> None:
    editor = edit("run")
    text = script("a = 1", waiting_for(gate))
    editor.pair(text)
    page = Page(user, editor)
    editor.begin(text, line=4)
    user.wait(lambda: user.output(1) == "begun", "its first output is shown")
    assert page.prompt(1) == "[*]:"
    gate.touch()
    user.wait(lambda: (page.prompt(1), user.output(1)) == ("[1]:", "begun\narrived"), "the output is shown")
    page.click_end(0)
    page.type(Keys.SHIFT + Keys.ENTER)
    user.wait(lambda: page.prompt(0) == "[2]:", "the page runs a cell in the same kernel")


def test_a_sync_lands_at_once_while_a_cell_runs_for_a_minute(
    user: Visitor, edit: Callable[[str], RemoteEditor]
) -> None:
    editor = edit("busy")
    long = "import time\ntime.sleep(60)"
    editor.pair(script(long, "a = 1"))
    page = Page(user, editor)
    editor.begin(script(long, "a = 1"), line=1)
    user.wait(lambda: page.prompt(0) == "[*]:", "the cell runs")
    began = time.monotonic()
    editor.sync(script(long, "a = 2"))
    page.shows(long, "a = 2")
    assert time.monotonic() - began < AT_ONCE
    assert page.prompt(0) == "[*]:"
    assert editor.ask("interrupt")[0] == 200
    user.wait(lambda: "KeyboardInterrupt" in user.output(0), "the cell is interrupted")


def test_focus_scrolls_to_a_cell_and_makes_it_the_active_one(
    user: Visitor, edit: Callable[[str], RemoteEditor]
) -> None:
    editor = edit("focus")
    text = script(*(f"value_{number} = {number}\n\n\n\nprint(value_{number})" for number in range(60)))
    editor.pair(text)
    page = Page(user, editor)
    for number in (50, 3, 59):
        line = text.split("\n").index(f"print(value_{number})") + 1
        status, answer = editor.ask("focus", what="line", line=line, text=text, rev=editor.rev)
        assert (status, answer.get("tabs")) == (200, 1), answer
        user.wait(partial(page.focused, answer["cell"]), f"cell {number} is shown")


def test_what_a_cell_from_an_editor_shows_is_trusted(user: Visitor, edit: Callable[[str], RemoteEditor]) -> None:
    editor = edit("trusted")
    rich = "from IPython.display import HTML, Javascript, display\ndisplay(HTML('<b id=\"rich\">rich</b>'))"
    text = script("a = 1", rich + "\ndisplay(Javascript('window.ownRan = 1'))")
    editor.pair(script("a = 1"))
    Page(user, editor)
    editor.run(text, what="all")
    assert user.see("#rich") == "rich"
    user.wait(lambda: user.driver.execute_script("return window.ownRan"), "the script of the output runs")
    user.reload()
    user.wait(lambda: user.driver.execute_script("return window.ownRan"), "it runs when the page is loaded again, too")


def foreign_notebook() -> dict[str, Any]:
    data = {"text/html": f"<b>from a stranger</b><script>{FOREIGN}</script><img src='x' onerror='{FOREIGN}'>"}
    script_data = {"application/javascript": FOREIGN, "text/plain": "a script"}
    outputs = [{"output_type": "display_data", "data": one, "metadata": {}} for one in (data, script_data)]
    code = {"cell_type": "code", "execution_count": 1, "metadata": {"trusted": True}, "outputs": outputs}
    cells = [
        {**code, "id": "foreign", "source": "show()\nmore()"},
        {**code, "id": "own", "source": "a = 1", "outputs": []},
        {**code, "id": "other", "source": "b = 2", "outputs": []},
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def test_what_a_foreign_notebook_shows_stays_untrusted_whatever_is_synced(
    user: Visitor, edit: Callable[[str], RemoteEditor]
) -> None:
    editor = edit("foreign")
    edit("starts-the-server").pair(script("a = 1"))
    (user.site.manager.folder(user.name).work / editor.notebook).write_text(json.dumps(foreign_notebook()))
    status, answer = editor.ask("pull")
    assert status == 200, answer
    editor.rev = answer["rev"]
    page = Page(user, editor)
    assert user.see(*SHOWN) == "from a stranger"
    editor.sync(script("a = 10", "b = 2", "show()\nmore()"))
    page.shows("a = 10", "b = 2", "show()\nmore()")
    assert user.output(2).startswith("from a stranger")
    editor.run(what="cell", cell="own")
    editor.sync(script("show()\nmore_of_it()", "a = 10", "b = 2"))
    page.shows("show()\nmore_of_it()", "a = 10", "b = 2")
    for _ in range(2):
        assert user.driver.execute_script("return window.foreignRan") is None
        user.reload()
        user.see(*SHOWN)
    assert user.driver.execute_script("return window.foreignRan") is None


@pytest.fixture(scope="module")
def lab() -> Iterator[Site]:
    with demo_site({"ui": "lab"}) as site:
        yield site


def test_jupyterlab_shows_a_sync_a_run_and_the_cell_in_focus(browser: Any, lab: Site, folder: Path) -> None:
    user = Visitor(browser, lab, "user")
    user.sign_in()
    editor = RemoteEditor(user, sign_in(Laptop(folder), user, "sync"), "lab")
    cells = [f"value_{number} = {number}" for number in range(40)]
    editor.pair(script(*cells))
    page = Page(user, editor, ui="lab/tree")
    text = script("print('from an editor')", *cells)
    answer = editor.run(text, what="line", line=1)
    assert answer["status"] == "ok"
    user.wait(lambda: (page.sources()[0], user.output(0)) == ("print('from an editor')", "from an editor"), "both")
    status, answer = editor.ask("focus", what="line", line=len(text.split("\n")), text=text, rev=editor.rev)
    assert (status, answer.get("tabs")) == (200, 1), answer
    user.wait(partial(page.focused, answer["cell"]), "the last cell is shown")
