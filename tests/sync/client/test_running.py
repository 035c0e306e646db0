"""Commands that run code."""

from __future__ import annotations

import json
import os
import pty
import threading
from pathlib import Path

import pytest

from .conftest import SCRIPT, Run
from .editor_site import SYNCED, EditorSite, event, refuses, says, streams
from .processes import command

START = event("start", run="r", cells=[{"id": "a", "line": 1}])
OK = event("end", status="ok", message="")
TRACEBACK = ["\x1b[31mZeroDivisionError\x1b[0m", "\x1b]0;title\x07division by zero"]
ERROR = event("error", cell="a", ename="ZeroDivisionError", evalue="division by zero", traceback=TRACEBACK)
FAILED = event("end", status="error", message="A cell failed.")
KERNEL = {"notebook": "reports/x.ipynb", "kernel": {"name": "python3", "state": "idle"}}


def stream(text: str, name: str = "stdout") -> bytes:
    return event("stream", cell="a", name=name, text=text)


@pytest.mark.parametrize(
    ("arguments", "fields"),
    [
        (["run", "--line", "2"], {"what": "line", "line": 2}),
        (["run", "--linenumber=2"], {"what": "line", "line": 2}),
        (["run", "--cell", "a"], {"what": "cell", "cell": "a"}),
        (["run", "--stale"], {"what": "stale"}),
        (["run", "--line", "2", "--below"], {"what": "below", "line": 2}),
        (["run", "--cell", "a", "--through"], {"what": "through", "cell": "a"}),
        (["run-all"], {"what": "all"}),
        (["run-above", "--line", "2"], {"what": "above", "line": 2}),
        (["run-above", "--line", "2", "--including"], {"what": "through", "line": 2}),
    ],
)
def test_what_runs_is_what_was_asked_for(
    run: Run, site: EditorSite, script: Path, arguments: list[str], fields: dict[str, object]
) -> None:
    site.says("sync/run", streams(START, OK))
    assert run(arguments[0], "x.py", *arguments[1:]) == (0, "", "")
    (request,) = site.requests
    assert request.body == {"file": str(script), "text": SCRIPT, "wait": True, **fields}
    assert request.headers["Accept"] == "text/event-stream"


def test_output_goes_where_the_code_has_sent_it(run: Run, site: EditorSite, script: Path) -> None:
    site.says(
        "sync/run",
        streams(
            event("sync", **SYNCED) + START + event("cell", cell="a", state="running", execution_count=None),
            *(stream("one\n"), b": still there\n\n", stream("tw"), stream("warn\n", "stderr"), stream("o")),
            event("display", cell="a", data={"text/plain": "<Figure>"}, types=["text/plain", "image/png"]),
            event("display", cell="a", data={}, types=["image/png"]) + event("clear", cell="a", wait=True),
            event("display", cell="a", data={"text/markdown": "**m**"}, types=["text/markdown"]),
            event("something-new", more=1) + OK,
        ),
    )
    assert run("run-all", "x.py") == (0, "one\ntwo\n<Figure>\n[image/png]\n**m**\n", "warn\n")
    site.says("sync", SYNCED)
    run("sync", "x.py")
    assert site.bodies("sync")[0]["rev"] == SYNCED["rev"]


def test_a_failing_cell_has_its_traceback_and_exit_code(run: Run, site: EditorSite, script: Path) -> None:
    site.says("sync/run", streams(START + stream("before"), ERROR, FAILED))
    assert run("run-all", "x.py") == (4, "before", "ZeroDivisionError\ndivision by zero\n")
    assert run("run-all", "x.py", "--quiet") == (4, "", "ZeroDivisionError\ndivision by zero\n")


@pytest.mark.parametrize("status", ["interrupted", "restarted", "died"])
def test_a_run_that_does_not_come_to_its_end_is_not_done(run: Run, site: EditorSite, script: Path, status: str) -> None:
    site.says("sync/run", streams(START, event("end", status=status, message="It is\x1b[2J gone.")))
    assert run("run-all", "x.py") == (1, "", "pyramid-notebook: It is?[2J gone.\n")


def test_conflicts_of_the_sync_are_told(run: Run, site: EditorSite, script: Path) -> None:
    synced = {**SYNCED, "conflicts": [{"id": "a", "line": 3, "kind": "source"}]}
    site.says("sync/run", streams(event("sync", **synced), START, OK))
    code, _, errors = run("run-all", "x.py")
    assert code == 3
    assert errors.startswith("x.py:3: conflict")


def test_json_is_one_event_in_each_line(run: Run, site: EditorSite, script: Path) -> None:
    site.says("sync/run", streams(event("sync", **SYNCED), START, stream("é\n"), ERROR, FAILED))
    code, output, errors = run("run-all", "x.py", "--json")
    events = [json.loads(line) for line in output.splitlines()]
    assert (code, errors) == (4, "")
    assert [found["event"] for found in events] == ["sync", "start", "stream", "error", "end"]
    assert events[2]["text"] == "é\n"
    assert events[3]["traceback"] == TRACEBACK


def test_it_is_possible_not_to_wait(run: Run, site: EditorSite, script: Path) -> None:
    site.says("sync/run", says({"run": "r", "cells": ["a", "b"], "sync": SYNCED}, status=202))
    assert run("run-all", "x.py", "--no-wait") == (0, "reports/x.ipynb: 2 cells run\n", "")
    assert site.bodies("sync/run")[0]["wait"] is False
    site.says("sync/run", says({"run": "r", "cells": ["a"], "sync": None}, status=202))
    assert run("run", "--notebook", "x.ipynb", "--cell", "a", "--no-wait") == (0, "1 cell runs\n", "")
    assert site.bodies("sync/run")[1] == {"notebook": "x.ipynb", "what": "cell", "cell": "a", "wait": False}


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (streams(START, stream("x\n")), "has ended before the run did. The run goes on in the notebook."),
        (streams(START, stream("x\n"), is_cut=True), "IncompleteRead(0 bytes read) The run goes on in the notebook."),
        (streams(b"event: start\ndata: {oops\n\n"), "an event in it is not JSON"),
        (says({"run": "r"}), "answers with something else than a stream of events"),
        (refuses(409, "no-cell", "Line 9 names no cell."), "Line 9 names no cell."),
        (says({"message": "Not now."}, status=503), "Not now."),
    ],
)
def test_a_run_of_which_the_end_is_not_known_is_an_error(
    run: Run, site: EditorSite, script: Path, answer, complaint: str
) -> None:
    site.says("sync/run", answer)
    code, _, errors = run("run-all", "x.py")
    assert code == 1
    assert complaint in errors
    assert errors.startswith("pyramid-notebook: ")
    assert errors.count("\n") == 1


def test_a_run_is_sent_again_only_if_it_has_not_begun(run: Run, site: EditorSite, script: Path) -> None:
    site.says("sync", SYNCED)
    run("sync", "x.py")
    site.says("sync/run", refuses(404, "notebook"), refuses(409, "unknown-rev"), streams(START, OK))
    assert run("run-all", "x.py")[0] == 1  # the second refusal is not about what is remembered
    assert run("run-all", "x.py")[0] == 0
    assert [body.get("notebook") for body in site.bodies("sync/run")] == ["reports/x.ipynb", None, None]


def test_a_stream_that_stays_open_after_the_end_is_left(run: Run, site: EditorSite, script: Path) -> None:
    ended = threading.Event()
    site.says("sync/run", streams(START, OK, then=lambda: ended.wait(30)))
    assert run("run-all", "x.py")[0] == 0
    ended.set()


def test_output_is_shown_while_the_code_runs(site: EditorSite, script: Path, home: Path) -> None:
    shown = threading.Event()
    site.says("sync/run", streams(START, stream("step 1\n"), then=lambda: shown.wait(30)))
    with command(site, home, "run-all", "x.py") as running:
        running.wait_for("step 1")
        shown.set()
        assert running.end() == 1


def test_ctrl_c_interrupts_the_kernel(site: EditorSite, script: Path, home: Path) -> None:
    ended = threading.Event()
    site.says("sync/run", streams(event("sync", **SYNCED), START, stream("busy\n"), then=lambda: ended.wait(30)))
    site.says("sync/interrupt", KERNEL)
    with command(site, home, "run-all", "x.py") as running:
        running.wait_for("busy")
        assert running.interrupt() == 130
        ended.set()
        assert "Traceback" not in running.output
        assert "pyramid-notebook: Interrupted.\n" in running.output
    assert site.bodies("sync/interrupt") == [{"file": str(script), "notebook": "reports/x.ipynb"}]


def test_ctrl_c_while_a_server_starts_interrupts_nothing(site: EditorSite, script: Path, home: Path) -> None:
    site.says("sync/run", says({"message": "It starts."}, status=503, Retry_After="50"))
    terminal, end = pty.openpty()
    try:
        with command(site, home, "run-all", "x.py", stderr=end) as running:
            assert os.read(terminal, 10000) == b"Waiting for the notebook server to start.\r\n"
            assert running.interrupt() == 130
    finally:
        os.close(terminal)
        os.close(end)
    assert site.bodies("sync/interrupt") == []


def test_a_kernel_that_cannot_be_interrupted_is_told(site: EditorSite, script: Path, home: Path) -> None:
    ended = threading.Event()
    site.says("sync/run", streams(START, stream("busy\n"), then=lambda: ended.wait(30)))
    site.says("sync/interrupt", refuses(409, "no-kernel", "No kernel runs."))
    with command(site, home, "run-all", "x.py") as running:
        running.wait_for("busy")
        assert running.interrupt() == 130
        ended.set()
        assert "could not be interrupted: No kernel runs." in running.output


def test_colours_of_a_traceback_are_for_terminals(site: EditorSite, script: Path, home: Path) -> None:
    site.says("sync/run", streams(START, ERROR, FAILED))
    terminal, end = pty.openpty()
    try:
        with command(site, home, "run-all", "x.py", stderr=end) as running:
            assert running.end() == 4
        shown = os.read(terminal, 10000).decode()
    finally:
        os.close(terminal)
        os.close(end)
    assert shown.replace("\r\n", "\n") == "\x1b[31mZeroDivisionError\x1b[0m\ndivision by zero\n"


def test_a_reader_that_goes_away_ends_it(site: EditorSite, script: Path, home: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    site.says("sync/run", streams(START, stream("line\n") * 1000, OK))
    with command(site, home, "run-all", "x.py", stdout=write_end) as running:
        os.close(write_end)
        assert running.end() == 1
        assert running.output == ""
