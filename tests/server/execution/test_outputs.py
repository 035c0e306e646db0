"""What cells print and show is in the live notebook."""

from __future__ import annotations

import asyncio
from typing import Any

import nbformat
import pytest
from pycrdt import Text

from pyramid_notebook.server.execution import outputs as writing

from ...running import wait_until
from .servers import Notebook, Server


def shown(notebook: Notebook, cell: str = "cell-0") -> list[Any]:
    """Return the outputs of a cell, in short."""
    short = []
    for output in notebook.outputs(cell):
        if output["output_type"] == "stream":
            short.append((output["name"], output["text"]))
        elif output["output_type"] == "error":
            short.append((output["ename"], output["evalue"]))
        else:
            short.append(output["data"].get("text/plain"))
    return short


def test_a_result_is_in_the_cell_with_its_count(jupyter: Server) -> None:
    notebook = jupyter.notebook("1 + 1")
    result = notebook.run()
    assert (result.status, result.message) == ("ok", "")
    [done] = result.cells
    cell = notebook.cell()
    assert cell["outputs"] == [
        {
            "output_type": "execute_result",
            "data": {"text/plain": "2"},
            "metadata": {},
            "execution_count": done.execution_count,
        }
    ]
    assert cell["execution_count"] == done.execution_count
    assert notebook.state() == "idle"


def test_everything_that_is_written_is_valid_in_a_notebook_file(jupyter: Server) -> None:
    notebook = jupyter.notebook(
        "import sys\nfrom IPython.display import display, HTML\nprint('a')\nprint('b', file=sys.stderr)\n"
        "display(HTML('<b>x</b>'), metadata={'isolated': True}, display_id='one')\n1",
        "1 / 0",
    )
    assert notebook.run().status == "error"
    nbformat.validate(nbformat.from_dict(notebook.call(notebook.content)))


def test_streams_are_texts_that_grow_and_join_by_their_names(jupyter: Server) -> None:
    notebook = jupyter.notebook(
        "import sys\n"
        "for number in range(3):\n"
        "    print(number, flush=True)\n"
        "print('e', file=sys.stderr, flush=True)\n"
        "print('end')"
    )
    notebook.run()
    assert shown(notebook) == [("stdout", "0\n1\n2\n"), ("stderr", "e\n"), ("stdout", "end\n")]
    assert notebook.call(lambda: isinstance(notebook.live.ycell("cell-0")["outputs"][0]["text"], Text))


def test_a_progress_bar_with_any_characters_rewrites_its_line(jupyter: Server) -> None:
    notebook = jupyter.notebook(
        "import time\n"
        "print('été 😀')\n"
        "for step in range(30):\n"
        "    print(f'\\r{step:3}% |{chr(9608) * (step // 3):10}| é😀', end='', flush=True)\n"
        "    time.sleep(0.005)\n"
        "print('\\nab\\bc')"
    )
    assert notebook.run().status == "ok"
    assert shown(notebook) == [("stdout", "été 😀\n 29% |█████████ | é😀\nac\n")]


def test_clearing_is_done_at_once_or_with_the_next_output(jupyter: Server) -> None:
    notebook = jupyter.notebook(
        "from IPython.display import clear_output\n"
        "print('one', flush=True)\nclear_output()\nprint('two', flush=True)\nclear_output(wait=True)\n"
        "input_seen = None\nprint('three', flush=True)\nclear_output(wait=True)"
    )
    notebook.run()
    assert shown(notebook) == [("stdout", "three\n")]


def test_a_display_is_updated_wherever_it_is_shown(jupyter: Server) -> None:
    notebook = jupyter.notebook(
        "from IPython.display import display\nhandle = display('one', display_id='somewhere')",
        "display('two', display_id='somewhere')\ndisplay('other')",
        "handle.update('three')",
    )
    notebook.run()
    assert shown(notebook, "cell-0") == ["'three'"]
    assert shown(notebook, "cell-1") == ["'three'", "'other'"]
    assert shown(notebook, "cell-2") == []


def test_a_display_is_updated_also_after_its_cell_was_moved(jupyter: Server) -> None:
    notebook = jupyter.notebook(
        "from IPython.display import display\nhandle = display('one', display_id='moved')", "handle.update('two')"
    )
    notebook.run("cell-0")
    notebook.move_to_end("cell-0")
    notebook.run("cell-1")
    assert shown(notebook, "cell-0") == ["'two'"]


def test_a_display_is_updated_by_what_the_user_runs_in_a_page(jupyter: Server) -> None:
    notebook = jupyter.notebook("handle = display('one', display_id='page')")
    notebook.run()
    with jupyter.kernel(jupyter.kernel_id) as page:
        page.run("handle.update('by the page')")
    wait_until(lambda: shown(notebook) == ["'by the page'"], "the display has changed")


def test_an_error_has_its_traceback(jupyter: Server) -> None:
    notebook = jupyter.notebook("def f():\n    raise ValueError('not so')\nf()")
    result = notebook.run()
    assert (result.status, result.message) == ("error", "ValueError: not so")
    assert result.cells[0].error == {"ename": "ValueError", "evalue": "not so"}
    [error] = notebook.outputs()
    assert (error["output_type"], error["ename"], error["evalue"]) == ("error", "ValueError", "not so")
    assert len(error["traceback"]) > 2


def test_a_question_to_the_user_fails_and_says_why(jupyter: Server) -> None:
    notebook = jupyter.notebook("input('Name? ')")
    assert notebook.run().status == "error"
    assert "input" in notebook.outputs()[-1]["evalue"]


def test_the_outputs_of_the_last_time_are_gone_when_a_cell_starts(jupyter: Server) -> None:
    notebook = jupyter.notebook("print('old')")
    notebook.run()
    notebook.set_source("import pathlib, time\nwhile not pathlib.Path('go').exists(): time.sleep(0.01)")
    run = notebook.start()
    wait_until(lambda: notebook.state() == "running", "the cell runs")
    assert (notebook.outputs(), notebook.cell()["execution_count"]) == ([], None)
    (jupyter.folder / "work" / "go").touch()
    assert notebook.wait(run).status == "ok"
    (jupyter.folder / "work" / "go").unlink()


def test_what_a_shared_document_cannot_hold_is_written_as_well_as_it_can_be(jupyter: Server) -> None:
    notebook = jupyter.notebook(
        "from IPython.display import display\n"
        "display({'application/json': {'n': 2**70, 'l': [-2**64, 2**62], '😀': 1}}, raw=True)",
        "'goes on'",
    )
    assert notebook.run().status == "ok"
    [output] = notebook.outputs()
    assert output["data"]["application/json"] == {"n": float(2**70), "l": [-float(2**64), 2**62], "😀": 1}
    assert shown(notebook, "cell-1") == ["'goes on'"]


def test_endless_output_is_cut_with_one_line_that_says_so(jupyter: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_TEXT", 300_000)
    notebook = jupyter.notebook("for number in range(200_000):\n    print('line', number)\n1 / 0")
    run = notebook.start()
    assert notebook.wait(run).status == "error"
    first, cut, error = notebook.outputs()
    assert 300_000 < len(first["text"]) < 400_000
    assert first["text"].startswith("line 0\nline 1\n")
    assert (cut["name"], cut["text"].count("left out")) == ("stderr", 1)
    assert error["ename"] == "ZeroDivisionError"
    texts = "".join(event["text"] for event in notebook.events(run) if event["event"] == "stream")
    assert "line 199999\n" in texts  # the events go on
    assert len(texts) < 1_100_000


def test_a_long_text_goes_on_in_a_second_one_from_a_line_on(jupyter: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_BLOCK", 100_000)
    notebook = jupyter.notebook("for number in range(30_000):\n    print('line', number)")
    notebook.run()
    texts = [output["text"] for output in notebook.outputs()]
    assert len(texts) > 1
    assert all(text.startswith("line ") and text.endswith("\n") for text in texts)
    assert "".join(texts) == "".join(f"line {number}\n" for number in range(30_000))


def test_many_displays_are_cut_as_well(jupyter: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_OUTPUTS", 20)
    notebook = jupyter.notebook("for number in range(100):\n    display(number)\nprint('more')\n'the result'")
    notebook.run()
    assert shown(notebook)[:20] == [str(number) for number in range(20)]
    assert [str(output) for output in shown(notebook)[20:]] == [
        "('stderr', \"\\n[The rest of this cell's output is left out here: it shows more than 20 things.]\\n\")",
        "'the result'",
    ]


def test_a_flood_is_written_in_few_changes_and_holds_nothing_up(jupyter: Server) -> None:
    notebook = jupyter.notebook("for number in range(20_000):\n    print(number, flush=number % 10 == 0)")
    peer = notebook.peer()
    turns: list[float] = []

    async def watch() -> None:
        run = await jupyter.execution.start(notebook.live, ["cell-0"])
        waiting = asyncio.ensure_future(run.wait())
        while not waiting.done():
            turns.append(peer.updates)
            await asyncio.wait([waiting], timeout=0.001)

    notebook.call(watch)
    assert notebook.text() == "".join(f"{number}\n" for number in range(20_000))
    assert peer.updates < 500
    assert len(turns) > peer.updates  # others got a turn between the changes


def test_threads_that_go_on_write_into_their_cell_until_it_runs_again(jupyter: Server) -> None:
    notebook = jupyter.notebook(
        "import threading\ngo = threading.Event()\n"
        "def late():\n    go.wait(20)\n    print('late')\n"
        "threading.Thread(target=late).start()",
        "go.set()",
    )
    notebook.run("cell-0")
    notebook.run("cell-1")
    wait_until(lambda: "late\n" in notebook.text("cell-0") + notebook.text("cell-1"), "the thread has printed")
    assert notebook.state() == "idle"
