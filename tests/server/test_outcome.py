"""A failed startup script is shown in the notebook itself."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ..running import wait_until
from .daemons import Daemon

GREETING = "pyramid-notebook-greeting"
STARTUP = "pyramid-notebook-startup"

#: Fails as long as a file is there, so that one script can fail and succeed.
SCRIPT = """
from pathlib import Path
before = 1
if Path({switch!r}).exists():
    raise {error}
after = 2
"""


@pytest.fixture
def switch(folder: Path) -> Path:
    """The startup script fails while this file exists."""
    path = folder / "broken"
    path.touch()
    return path


def open_failing(server: Daemon, switch: Path, *, error: str = "ValueError('it is broken')", **values: Any) -> str:
    return server.open_context(startup=SCRIPT.format(switch=str(switch), error=error), **values)


def tags(cells: list[dict[str, Any]]) -> list[str]:
    return [" ".join(cell["metadata"].get("tags", ())) for cell in cells]


def startup_cell(cells: list[dict[str, Any]]) -> dict[str, Any] | None:
    return next((cell for cell in cells if STARTUP in cell["metadata"].get("tags", ())), None)


def wait_for_cell(server: Daemon, path: str) -> dict[str, Any]:
    cell: dict[str, Any] = wait_until(lambda: startup_cell(server.cells(path)), "the failure is in the notebook")
    return cell


def wait_until_gone(server: Daemon, path: str) -> None:
    wait_until(lambda: startup_cell(server.cells(path)) is None, "the failure is gone from the notebook")


def restart(server: Daemon, path: str) -> None:
    server.request("POST", f"api/kernels/{server.kernel_of(path)}/restart", {})


def shown(cell: dict[str, Any]) -> str:
    [output] = cell["outputs"]
    assert output["output_type"] == "error"
    return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(output["traceback"]))


def test_the_traceback_stands_below_the_greeting(server: Daemon, switch: Path) -> None:
    path = open_failing(server, switch)
    cell = wait_for_cell(server, path)
    assert tags(server.cells(path)) == [GREETING, STARTUP, ""]
    assert "".join(cell["source"]) == "%startup"
    assert cell["cell_type"] == "code"
    assert cell["outputs"][0]["ename"] == "ValueError"
    assert cell["outputs"][0]["evalue"] == "it is broken"
    assert "raise ValueError('it is broken')" in shown(cell)
    assert "kernel.py" not in shown(cell)  # our own frames are of no use to the reader


@pytest.mark.parametrize(
    ("error", "name"),
    [("SystemExit(3)", "SystemExit"), ("KeyboardInterrupt", "KeyboardInterrupt"), ("GeneratorExit", "GeneratorExit")],
)
def test_whatever_ends_the_script_is_shown(server: Daemon, switch: Path, error: str, name: str) -> None:
    cell = wait_for_cell(server, open_failing(server, switch, error=error))
    assert cell["outputs"][0]["ename"] == name


def test_a_syntax_error_is_shown_with_its_line(server: Daemon) -> None:
    path = server.open_context(startup="x = 1\nthis is no python\n", title="Syntax")
    cell = wait_for_cell(server, path)
    assert cell["outputs"][0]["ename"] == "SyntaxError"
    assert "this is no python" in shown(cell)


def test_what_ran_before_the_failure_is_defined(server: Daemon, switch: Path) -> None:
    path = open_failing(server, switch, title="Before")
    wait_for_cell(server, path)
    with server.kernel(path) as kernel:
        assert kernel.run("before").endswith("1")


def test_the_cell_goes_away_after_a_good_start(server: Daemon, switch: Path) -> None:
    path = open_failing(server, switch)
    wait_for_cell(server, path)
    switch.unlink()
    restart(server, path)
    wait_until_gone(server, path)
    assert tags(server.cells(path)) == [GREETING, ""]
    with server.kernel(path) as kernel:
        assert kernel.run("after") == "2"


def test_another_failure_replaces_the_first(server: Daemon, switch: Path) -> None:
    script = (
        f"from pathlib import Path\nswitch = Path({str(switch)!r})\n"
        "if switch.exists():\n    switch.unlink()\n    raise ValueError('one')\nraise KeyError('two')"
    )
    path = server.open_context(startup=script)
    assert wait_for_cell(server, path)["outputs"][0]["ename"] == "ValueError"
    restart(server, path)
    wait_until(lambda: wait_for_cell(server, path)["outputs"][0]["ename"] == "KeyError", "the other one is shown")
    assert tags(server.cells(path)) == [GREETING, STARTUP, ""]


def test_a_good_script_leaves_the_notebook_as_it_was(server: Daemon) -> None:
    path = server.open_context(startup="x = 1", title="Good")
    with server.kernel(path) as kernel:
        assert kernel.run("x") == "1"
    before = server.cells(path)
    failing = server.open_context(startup="1 / 0", title="Not good")
    wait_for_cell(server, failing)  # the reporter has been here since
    assert server.cells(path) == before


def test_a_greeting_that_was_removed_is_not_missed(server: Daemon, switch: Path) -> None:
    switch.rename(switch.with_name("fine"))
    path = open_failing(server, switch, title="No greeting")
    content = server.request("GET", f"api/contents/{path}")["content"]
    content["cells"] = content["cells"][1:]
    server.request("PUT", f"api/contents/{path}", {"type": "notebook", "format": "json", "content": content})
    switch.touch()
    restart(server, path)
    wait_for_cell(server, path)
    assert tags(server.cells(path)) == [STARTUP, ""]


@pytest.mark.parametrize("typed", ["typed = 1", ""], ids=["typed", "not typed"])
def test_an_open_notebook_gets_the_cell_without_losing_what_was_typed(server: Daemon, switch: Path, typed: str) -> None:
    switch.rename(switch.with_name("fine"))
    path = open_failing(server, switch, title="Open")
    with server.document(path) as document:
        document.type(typed)
        switch.touch()
        restart(server, path)
        content = document.wait_for(lambda content: startup_cell(content["cells"]), "the page shows the failure")
        assert tags(content["cells"]) == [GREETING, STARTUP, ""]
        assert "ValueError" in json.dumps(content["cells"][1]["outputs"])
        switch.unlink()
        restart(server, path)
        content = document.wait_for(lambda content: not startup_cell(content["cells"]), "the failure goes away")
        assert tags(content["cells"]) == [GREETING, ""]
        assert content["cells"][-1]["source"] == typed
    wait_until(lambda: "".join(server.cells(path)[-1]["source"]) == typed, "the file has what was typed")
