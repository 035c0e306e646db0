"""A notebook that is open in a browser, whose cells and scripts are given by the tests of the channel."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.kernels import add_spec
from tests.running import Site, chromium

from .visitor import PATIENCE, Visitor

#: Whose notebooks are opened: each time another one, which no other test has, for tests leave many cells behind.
_AIRPORTS = cycle(("ABQ", "ANC", "AUS", "BDL", "BNA", "BUF", "BUR", "CLE", "CLT", "CMH"))

#: Part of a cell that has a channel: functions that tell on which thread they run.
ON_THREADS = """
@channel.expose
def on_main(number):
    return number + 1, threading.current_thread() is threading.main_thread()
@channel.expose(thread="own")
def on_own(number):
    return number + 1, threading.current_thread() is threading.main_thread()
"""

#: Adds a cell behind all others by the document, and runs it like its user; tells its id.
BEGIN = """
const [source, done] = arguments;
const { commands, shell } = window.jupyterapp;
const notebook = shell.currentWidget.content;
const cells = notebook.model.sharedModel;
cells.insertCell(cells.cells.length, { cell_type: "code", source });
const place = cells.cells.length - 1;
const id = cells.cells[place].id;
const run = () => {
  const cell = notebook.widgets[place];
  if (cell?.model.id !== id) return setTimeout(run, 10);
  notebook.activeCellIndex = place;
  notebook.mode = "command";
  window.cellsThatRan ??= new Set();
  commands.execute("notebook:run-cell").finally(() => window.cellsThatRan.add(id));
  done(id);
};
run();
"""
#: Tells what a cell shows once it has run.
SHOWN = """
const [id] = arguments;
const notebook = window.jupyterapp.shell.currentWidget.content;
const cell = notebook.widgets.find((one) => one.model.id === id);
return window.cellsThatRan.has(id) ? cell.model.outputs.toJSON() : null;
"""
#: Does something in the page that may take a while; it has the channel, and what tests keep for later scripts.
DO = """
const [source, values, done] = arguments;
window.kept ??= {};
const work = new Function("channel", "kept", "values", `return (async () => { ${source} })()`);
work(window.notebookChannel?.("main"), window.kept, values).then(
  (value) => done({ value: value ?? null }),
  (error) => done({ error: { ...error, name: error?.name, message: error?.message ?? String(error) } }),
);
"""

#: Changes the kernel of the notebook.
CHANGE_KERNEL = """
const [name, done] = arguments;
window.jupyterapp.shell.currentWidget.context.sessionContext.changeKernel({ name }).then(() => done());
"""


class PageFailure(Exception):
    """A script of a test threw an exception in the page.

    Args:
        error: its own fields, its name and its message.
    """

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error['name']}: {error['message']}")
        self.error = error


class ChannelPage:
    """An open notebook.

    Args:
        user: who has opened it.
    """

    def __init__(self, user: Visitor) -> None:
        self.user, self.driver = user, user.driver
        self.driver.set_script_timeout(PATIENCE / 2)

    def begin(self, code: str) -> str:
        """Run a new cell, and return its id."""
        return str(self.driver.execute_async_script(BEGIN, code))

    def ended(self, cell: str) -> list[dict[str, Any]]:
        """Wait until a cell has run, and return its outputs (nbformat 4.5)."""
        outputs = self.user.wait(lambda: _listed(self.driver.execute_script(SHOWN, cell)), "the cell has run")
        return list(outputs[0])

    def run(self, code: str) -> str:
        """Run a new cell, which must not fail, and return what it prints."""
        outputs = self.ended(self.begin(code))
        failed = [one for one in outputs if one["output_type"] == "error"]
        assert not failed, plain(failed)
        return printed(outputs)

    def fails(self, code: str) -> str:
        """Run a new cell, which must fail, and return its traceback."""
        outputs = self.ended(self.begin(code))
        failed = [one for one in outputs if one["output_type"] == "error"]
        assert failed, printed(outputs)
        return plain(failed)

    def do(self, script: str, *values: Any) -> Any:
        """Do something in the page, and return what it returns.

        Args:
            script: body of an async function that has ``channel``, ``kept`` and ``values``.
            values: for it.

        Raises:
            PageFailure: it threw an exception.
        """
        answer = self.driver.execute_async_script(DO, script, list(values))
        if "error" in answer:
            raise PageFailure(answer["error"])
        return answer["value"]

    def become(self, state: str) -> None:
        """Wait until the channel has a state."""
        look = "return window.notebookChannel?.('main')?.state"
        self.user.wait(lambda: self.driver.execute_script(look) == state, f"the channel is {state}")

    def command(self, name: str) -> None:
        """Have Jupyter do what a button of its own does."""
        self.driver.execute_script("window.jupyterapp.commands.execute(arguments[0])", name)

    def change_kernel(self, which: str) -> None:
        """Have the notebook run in another version of ipykernel."""
        data = self.user.site.manager.folder(self.user.name).runtime / "data"
        if not (data / "kernels" / which).exists():
            add_spec(which, data)
        self.driver.execute_async_script(CHANGE_KERNEL, which)
        self.user.until_idle()

    def reload(self) -> None:
        """Load the page anew."""
        self.user.reload()

    @property
    def file(self) -> Path:
        """Of the notebook."""
        path: str = self.driver.execute_script("return window.jupyterapp.shell.currentWidget.context.path")
        return self.user.site.manager.folder(self.user.name).work / path

    def save(self) -> None:
        """Save the notebook, which signs what is trusted, with the cell that ran last."""
        last = self.driver.execute_script("return [...window.cellsThatRan].at(-1)")
        self.command("docmanager:save")
        self.user.wait(lambda: _is_saved(self.file, last), "the notebook is saved")


def _is_saved(file: Path, cell: str) -> bool:
    cells = json.loads(file.read_text())["cells"]
    return any(one["id"] == cell and one["execution_count"] for one in cells)


def _listed(outputs: Any) -> Any:
    return None if outputs is None else [outputs]


def printed(outputs: list[dict[str, Any]]) -> str:
    """What outputs have of printed text."""
    return "".join(_text(one["text"]) for one in outputs if one["output_type"] == "stream").strip()


def plain(failed: list[dict[str, Any]]) -> str:
    """The tracebacks of outputs, without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join("\n".join(one["traceback"]) for one in failed))


def _text(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)


@contextmanager
def open_notebook(site: Site, airport: str = "", *, cell: str = "") -> Iterator[ChannelPage]:
    """Open a notebook of the user ``user`` in a browser of its own.

    Args:
        site: the demo site.
        airport: whose notebook; in JupyterLab always the same, for it shows all that were open before.
        cell: opens a channel, and is run at once.
    """
    with chromium() as driver:
        user = Visitor(SimpleNamespace(driver=driver), site, "user")
        user.sign_in()
        user.open_shell(airport or next(_AIRPORTS))
        page = ChannelPage(user)
        if cell:
            page.run(cell)
            page.become("open")
        yield page
