"""A notebook in a real Chromium, with cells that are added and run from here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.running import Site, chromium, demo_site

from .open_shell import click, sign_in

#: Adds a cell to the open notebook, runs it, and tells its outputs once it has run.
_RUN = """
const [source, done] = arguments;
(async () => {
  const { content } = jupyterapp.shell.currentWidget;
  const shared = content.model.sharedModel;
  const place = shared.cells.length;
  shared.insertCell(place, { cell_type: "code", source });
  content.activeCellIndex = place;
  await jupyterapp.commands.execute("notebook:run-cell");
  return content.widgets[place].model.outputs.toJSON();
})().then((outputs) => done({ outputs }), (error) => done({ problem: String(error) }));
"""
_SAVE = "jupyterapp.commands.execute('docmanager:save').finally(arguments[0]);"
_SECONDS = 120
#: Who has signed in.
USER = "user"


class NotebookPage:
    """The page of a notebook.

    Args:
        browser: that shows it; its kernel is idle.
    """

    def __init__(self, browser: Any) -> None:
        self.browser = browser
        browser.set_script_timeout(_SECONDS)

    def run(self, source: str) -> str:
        """Add a cell, run it, and return what it printed.

        Raises:
            RuntimeError: it raised an exception.
        """
        told = self.browser.execute_async_script(_RUN, source)
        outputs = told.get("outputs") or []
        problems = [told["problem"]] if "problem" in told else []
        problems += ["\n".join(one["traceback"]) for one in outputs if one["output_type"] == "error"]
        if problems:
            raise RuntimeError("\n".join(problems))
        printed = [one["text"] for one in outputs if one["output_type"] == "stream" and one["name"] == "stdout"]
        return "".join(text if isinstance(text, str) else "".join(text) for text in printed)

    def told(self, source: str) -> Any:
        """The same for a cell that prints JSON, which is returned."""
        return json.loads(self.run(source))

    def save(self) -> None:
        """Save the notebook, with its outputs."""
        self.browser.execute_async_script(_SAVE)


@contextmanager
def notebook_page() -> Iterator[tuple[Site, NotebookPage]]:
    """Run the demo site, and open a notebook there."""
    with demo_site() as site, chromium() as browser:
        sign_in(browser, site)
        click(browser, site)
        yield site, NotebookPage(browser)
