"""Cells are run from an editor: which, in what order, and what the editor is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pyramid_notebook.proxy.upstream import exchange
from pyramid_notebook.record import SECRET_HEADER, TOKEN_HEADER
from tests.running import wait_until

from .editors import Editor, outputs, script

TEXT = script("print('one')", "print('two')", "print('three')")


def state(editor: Editor, cell: int) -> str:
    return str(editor.status()["cells"][cell]["state"])


def streamed(editor: Editor, **values: Any) -> list[tuple[str, dict[str, Any]]]:
    """Run cells and return the events, each with its name."""
    body = json.dumps({"file": editor.file, "notebook": editor.notebook, "rev": editor.rev, **values}).encode()
    record = editor.daemon.record
    headers = [
        *(("Host", "localhost"), (SECRET_HEADER, record.secret), (TOKEN_HEADER, "1")),
        *(("Accept", "text/event-stream"), ("Content-Length", str(len(body)))),
    ]
    answer = exchange(record, "POST", f"{record.base_url}sync/run", headers=headers, body=[body], timeout=60)
    text = b"".join(iter(answer.read, b"")).decode()
    assert answer.status == 200, text
    events = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(": "))
        if lines:
            name, data = lines["event"], json.loads(lines["data"])
            if name == "stream" and events and events[-1][0] == name:  # a kernel may send a line in pieces
                events[-1][1]["text"] += data["text"]
            else:
                events.append((name, data))
    return events


def test_a_run_pushes_the_file_first_and_shows_what_the_cell_printed(editor: Editor) -> None:
    editor.pair(script("print('old')"))
    answer = editor.run(script("print('new')"), what="line", line=1)
    assert (answer["status"], [cell["state"] for cell in answer["cells"]]) == ("ok", ["ok"])
    assert [change["changes"] for change in answer["sync"]["cells"]] == [["source"]]
    with editor.daemon.document(editor.notebook) as page:
        page.wait_for(lambda content: content["cells"][0]["outputs"], "the output is there")


@pytest.mark.parametrize(
    ("what", "line", "ran"),
    [
        ("line", 1, ["one"]),
        ("line", 5, ["two"]),
        ("line", 999, ["three"]),
        ("above", 5, ["one"]),
        ("through", 5, ["one", "two"]),
        ("below", 5, ["two", "three"]),
        ("all", 1, ["one", "two", "three"]),
    ],
)
def test_the_cells_that_are_meant_run_in_order(editor: Editor, what: str, line: int, ran: list[str]) -> None:
    editor.pair(TEXT)
    events = streamed(editor, text=TEXT, what=what, line=line)
    assert [data["text"].strip() for name, data in events if name == "stream"] == ran


def test_a_cell_is_named_by_its_id(editor: Editor) -> None:
    editor.pair(TEXT)
    editor.run(what="cell", cell=editor.cells[1]["id"])
    assert [cell["execution_count"] for cell in editor.status()["cells"]] == [None, 1, None]


def test_an_editor_follows_a_run(editor: Editor) -> None:
    editor.pair(TEXT)
    names = [name for name, _ in streamed(editor, text=TEXT, what="line", line=4)]
    assert names == ["sync", "start", "cell", "stream", "cell", "end"]


def test_the_start_of_a_run_tells_the_lines_of_its_cells(editor: Editor) -> None:
    editor.pair(TEXT)
    start = dict(streamed(editor, text=TEXT, what="all"))["start"]
    assert [cell["line"] for cell in start["cells"]] == [1, 4, 7]


def test_an_error_is_told_and_the_rest_does_not_run(editor: Editor) -> None:
    text = script("print('one')", "1 / 0", "print('three')")
    editor.pair(text)
    answer = editor.run(text, what="all")
    assert answer["status"] == "error"
    assert [cell["state"] for cell in answer["cells"]] == ["ok", "error", "aborted"]
    assert answer["cells"][1]["error"]["ename"] == "ZeroDivisionError"
    assert [cell["stale"] for cell in editor.status()["cells"]] == [False, True, True]


def test_what_did_not_change_since_it_ran_is_not_stale(editor: Editor) -> None:
    editor.pair(TEXT)
    assert [cell["stale"] for cell in editor.status()["cells"]] == [True, True, True]
    editor.run(TEXT, what="stale")
    assert [cell["stale"] for cell in editor.status()["cells"]] == [False, False, False]
    answer = editor.run(TEXT.replace("two", "TWO"), what="stale")
    assert len(answer["cells"]) == 1
    editor.ask("restart")
    assert [cell["stale"] for cell in editor.status()["cells"]] == [True, True, True]


def test_what_ran_in_a_page_is_not_stale_either(editor: Editor) -> None:
    editor.pair(TEXT)
    editor.run(TEXT, what="line", line=1)
    with editor.daemon.document(editor.notebook) as page:
        page.show_run(1, 7)
        wait_until(lambda: not editor.status()["cells"][1]["stale"], "the page's run is known")
        page.show_run(2, 8, output={"output_type": "error", "ename": "E", "evalue": "", "traceback": []})
        wait_until(lambda: editor.status()["cells"][2]["execution_count"] == 8, "the other run is known")
    assert [cell["stale"] for cell in editor.status()["cells"]] == [False, False, True]


def test_without_waiting_the_answer_comes_at_once_and_the_run_goes_on(editor: Editor) -> None:
    text = script("while True: pass")
    editor.pair(text)
    status, answer = editor.ask("run", text=text, rev=editor.rev, what="all", wait=False)
    assert (status, len(answer["cells"])) == (202, 1)
    wait_until(lambda: state(editor, 0) == "running", "the cell runs")
    status, answer = editor.ask("interrupt")
    assert (status, set(answer["kernel"])) == (200, {"name", "state"})
    wait_until(lambda: state(editor, 0) == "idle", "the cell has ended")


def test_a_sync_lands_at_once_while_a_cell_runs(editor: Editor) -> None:
    text = script("while True: pass", "a = 1")
    editor.pair(text)
    editor.ask("run", text=text, rev=editor.rev, what="line", line=1, wait=False)
    wait_until(lambda: state(editor, 0) == "running", "the cell runs")
    editor.sync(script("while True: pass", "a = 2"))
    assert editor.sources == ["while True: pass", "a = 2"]
    assert state(editor, 0) == "running"
    editor.ask("interrupt")


def test_a_cell_that_is_moved_while_it_runs_gets_its_output(editor: Editor) -> None:
    waiting = "import pathlib, time\nwhile not pathlib.Path('go').exists(): time.sleep(0.01)\nprint('arrived')"
    text = script(waiting, "a = 1", "b = 2")
    editor.pair(text)
    (editor.daemon.folder.work / "go").unlink(missing_ok=True)
    editor.ask("run", text=text, rev=editor.rev, what="line", line=1, wait=False)
    wait_until(lambda: state(editor, 0) == "running", "the cell runs")
    editor.sync(script("a = 1", "b = 2", waiting))
    (editor.daemon.folder.work / "go").touch()
    wait_until(lambda: state(editor, 2) == "idle", "the cell has ended")
    editor.sync(script("a = 1", "b = 2", waiting))
    with editor.daemon.document(editor.notebook) as page:
        content = page.wait_for(lambda content: content["cells"][2]["outputs"], "the output is there")
    assert content["cells"][2]["outputs"][0]["text"] == "arrived\n"


def test_outputs_are_cleared(editor: Editor) -> None:
    editor.pair(TEXT)
    editor.run(TEXT, what="all")
    status, answer = editor.ask("clear", text=TEXT, rev=editor.rev, what="line", line=1)
    assert (status, answer["cleared"]) == (200, 1)
    assert sorted(outputs(editor)) == ["print('three')", "print('two')"]
    assert editor.ask("clear")[1]["cleared"] == 2
    assert outputs(editor) == {}


def test_markdown_is_not_run(editor: Editor) -> None:
    text = "# %% [markdown]\n# Title\n"
    editor.pair(text)
    answer = editor.run(text, what="line", line=1)
    assert (answer["status"], answer["cells"]) == ("ok", [])


def test_nothing_to_interrupt_or_restart_is_409(editor: Editor) -> None:
    editor.pair(TEXT)
    for verb in ("interrupt", "restart"):
        status, answer = editor.ask(verb)
        assert (status, answer["reason"]) == (409, "no-kernel")


def test_a_line_without_a_file_and_a_cell_that_is_not_there_are_told(editor: Editor) -> None:
    editor.pair(TEXT)
    assert editor.ask("run", what="line", line=1)[0] == 400
    assert editor.ask("run", what="line")[0] == 400
    assert editor.ask("run", what="cell", cell="none")[0] == 409
    assert editor.ask("focus", what="cell", cell=editor.cells[0]["id"])[1]["reason"] == "no-tab"


def test_a_run_without_a_file_runs_the_notebook_as_it_is(editor: Editor) -> None:
    editor.pair(TEXT)
    answer = editor.run(what="all")
    assert answer["sync"] is None
    assert len(answer["cells"]) == 3
