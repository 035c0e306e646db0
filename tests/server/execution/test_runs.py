"""Runs: their order, their events, and the notebook around them."""

from __future__ import annotations

from typing import Any

import pytest

from pyramid_notebook.server.execution.turns import Turn

from ...running import wait_until
from .servers import Server

#: Waits until a file is there, which the test makes.
WAIT = "import pathlib, time\nwhile not pathlib.Path({name!r}).exists(): time.sleep(0.01)\nprint('seen')"


def release(jupyter: Server, name: str) -> None:
    (jupyter.folder / "work" / name).touch()


def test_the_events_tell_the_whole_story_in_order(jupyter: Server) -> None:
    notebook = jupyter.notebook("print('a')\ndisplay({'text/plain': 'p', 'text/html': '<b>'}, raw=True)", "1 / 0", "3")
    run = notebook.start()
    result = notebook.wait(run)
    first, second, _ = result.cells
    events = notebook.events(run)
    error = next(event for event in events if event["event"] == "error")
    assert events == [
        {"event": "start", "run": run.id, "cells": [{"id": f"cell-{n}", "line": None} for n in range(3)]},
        {"event": "cell", "cell": "cell-0", "state": "running", "execution_count": None},
        {"event": "stream", "cell": "cell-0", "name": "stdout", "text": "a\n"},
        {"event": "display", "cell": "cell-0", "data": {"text/plain": "p"}, "types": ["text/plain", "text/html"]},
        {"event": "cell", "cell": "cell-0", "state": "ok", "execution_count": first.execution_count},
        {"event": "cell", "cell": "cell-1", "state": "running", "execution_count": None},
        error,
        {"event": "cell", "cell": "cell-1", "state": "error", "execution_count": second.execution_count},
        {"event": "cell", "cell": "cell-2", "state": "aborted", "execution_count": None},
        {"event": "end", "status": "error", "message": "ZeroDivisionError: division by zero"},
    ]
    assert (error["cell"], error["ename"]) == ("cell-1", "ZeroDivisionError")
    assert notebook.outputs("cell-2") == []


def test_runs_queue_and_a_failure_ends_only_its_own_run(jupyter: Server) -> None:
    notebook = jupyter.notebook(WAIT.format(name="queue"), "1 / 0", "'not reached'", "'another run'")
    first = notebook.start("cell-0", "cell-1", "cell-2")
    second = notebook.start("cell-3")
    wait_until(lambda: notebook.call(lambda: jupyter.execution.states(notebook.path)).get("cell-0") == "running", "up")
    assert notebook.call(lambda: jupyter.execution.states(notebook.path)) == {
        "cell-0": "running",
        "cell-1": "queued",
        "cell-2": "queued",
        "cell-3": "queued",
    }
    assert notebook.outputs("cell-3") == []
    release(jupyter, "queue")
    assert [cell.state for cell in notebook.wait(first).cells] == ["ok", "error", "aborted"]
    assert notebook.wait(second).status == "ok"
    assert notebook.call(lambda: jupyter.execution.states(notebook.path)) == {}


def test_two_notebooks_with_one_kernel_do_not_mix_their_runs(jupyter: Server) -> None:
    one = jupyter.notebook("import time\norder = ['one']\ntime.sleep(0.1)", "order.append('one again')")
    two = jupyter.notebook("order.append('two')\norder")
    first, second = one.start(), two.start()
    assert (one.wait(first).status, two.wait(second).status) == ("ok", "ok")
    assert two.outputs()[0]["data"]["text/plain"] == "['one', 'one again', 'two']"


def test_a_cell_is_read_when_its_turn_comes(jupyter: Server) -> None:
    notebook = jupyter.notebook(WAIT.format(name="turn"), "'before'")
    run = notebook.start()
    wait_until(lambda: notebook.state() == "running", "the first cell runs")
    notebook.set_source("'after'", "cell-1")
    release(jupyter, "turn")
    notebook.wait(run)
    assert notebook.outputs("cell-1")[0]["data"]["text/plain"] == "'after'"


def test_the_output_goes_on_in_a_cell_that_was_moved(jupyter: Server) -> None:
    notebook = jupyter.notebook("print('before', flush=True)\n" + WAIT.format(name="moved"), "'last'")
    run = notebook.start("cell-0")
    notebook.wait_for_text("before")
    notebook.move_to_end()
    release(jupyter, "moved")
    assert notebook.wait(run).status == "ok"
    assert notebook.call(notebook.ids) == ["cell-1", "cell-0"]
    assert [output["text"] for output in notebook.outputs()] == ["before\nseen\n"]
    assert notebook.state() == "idle"


def test_a_cell_that_is_deleted_runs_on_and_its_output_goes_nowhere(jupyter: Server) -> None:
    notebook = jupyter.notebook(WAIT.format(name="deleted") + "\nwas_here = True", "was_here")
    run = notebook.start("cell-0")
    wait_until(lambda: notebook.state() == "running", "the cell runs")
    notebook.delete()
    release(jupyter, "deleted")
    assert notebook.wait(run).status == "ok"
    assert "".join(event["text"] for event in notebook.events(run) if event["event"] == "stream") == "seen\n"
    notebook.run("cell-1")
    assert notebook.outputs("cell-1")[0]["data"]["text/plain"] == "True"


def test_output_that_a_user_clears_does_not_come_back(jupyter: Server) -> None:
    notebook = jupyter.notebook("print('before', flush=True)\n" + WAIT.format(name="cleared"))
    run = notebook.start()
    notebook.wait_for_text("before")
    notebook.clear()
    release(jupyter, "cleared")
    notebook.wait(run)
    assert notebook.text() == "seen\n"


def test_cells_without_code_are_passed_over(jupyter: Server) -> None:
    notebook = jupyter.notebook("  \n", "*no code*", "'code'")
    notebook.call(lambda: notebook.live.ycell("cell-1").__setitem__("cell_type", "markdown"))
    result = notebook.run("cell-0", "cell-1", "gone", "cell-2")
    assert result.status == "ok"
    assert [cell.state for cell in result.cells] == ["ok", "ok", "aborted", "ok"]


def test_it_is_known_what_ran_well_and_as_what(jupyter: Server) -> None:
    notebook = jupyter.notebook("one = 1", "1 / 0", "'not reached'", own_kernel=True)
    notebook.run()
    notebook.set_source("one = 2")
    assert notebook.call(lambda: jupyter.execution.ran(notebook.path)) == {"cell-0": "one = 1"}
    notebook.call(lambda: jupyter.execution.restart(notebook.path))
    assert notebook.call(lambda: jupyter.execution.ran(notebook.path)) == {}


def test_a_notebook_gets_one_session_of_its_own_which_a_page_finds(jupyter: Server) -> None:
    notebook = jupyter.notebook("1", "2", own_kernel=True)
    assert notebook.call(lambda: jupyter.execution.kernel_of(notebook.path)).state == "none"
    for run in [notebook.start("cell-0"), notebook.start("cell-1")]:
        assert notebook.wait(run).status == "ok"
    sessions = jupyter.call(jupyter.app.session_manager.list_sessions)
    [session] = [session for session in sessions if session["path"] == notebook.path]
    assert (session["type"], session["name"], session["kernel"]["name"]) == ("notebook", notebook.path, "python3")
    assert notebook.call(lambda: jupyter.execution.kernel_of(notebook.path)).name == "python3"


def test_a_notebook_that_asks_for_an_unknown_kernel_gets_the_default(jupyter: Server) -> None:
    notebook = jupyter.notebook("1", own_kernel=True, kernel_name="no-such-kernel")
    assert notebook.run().status == "ok"
    assert notebook.call(lambda: jupyter.execution.kernel_of(notebook.path)).name == "python3"


def test_a_document_that_breaks_stops_neither_the_run_nor_the_connection(jupyter: Server) -> None:
    class Panic(BaseException):
        pass

    def break_down(cell_id: str) -> None:
        raise Panic(cell_id)

    notebook = jupyter.notebook(WAIT.format(name="broken"), "'goes on'")
    run = notebook.start("cell-0")
    wait_until(lambda: notebook.state() == "running", "the cell runs")
    notebook.live.ycell = break_down
    release(jupyter, "broken")
    assert notebook.wait(run).status == "ok"
    del notebook.live.ycell
    assert notebook.run("cell-1").status == "ok"
    assert len(notebook.outputs("cell-1")) == 1


def test_a_run_ends_although_the_kernel_has_dropped_its_last_word(
    jupyter: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_iopub = Turn.on_iopub

    def drop_idle(turn: Turn, kind: str, content: dict[str, Any]) -> None:
        if content.get("execution_state") != "idle":
            on_iopub(turn, kind, content)

    monkeypatch.setattr(Turn, "on_iopub", drop_idle)
    notebook = jupyter.notebook("'the result'")
    assert notebook.run().status == "ok"
    assert len(notebook.outputs()) == 1


def test_a_reader_that_goes_away_holds_nothing_up(jupyter: Server) -> None:
    notebook = jupyter.notebook(WAIT.format(name="reader"))
    run = notebook.start()

    async def look() -> None:
        reader = run.events()
        await anext(reader)
        await reader.aclose()

    notebook.call(look)
    release(jupyter, "reader")
    assert notebook.wait(run).status == "ok"
