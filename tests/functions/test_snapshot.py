"""Snapshots: cells that run once, and a fork of what they made for each call."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyramid_notebook.errors import CallTimeout, NotebookFailed

from .calling import Calls, calls, calls_of, come_true, is_gone, order, wait_for

COUNT = "import os\nwith open(FILE, 'a') as f: f.write(f'{os.getpid()} ')\nbig = list(range(1000))"


@pytest.fixture
def made() -> Iterator[Calls]:
    with calls() as made:
        yield made


def runs(folder: Path) -> list[int]:
    path = folder / "runs"
    return [int(pid) for pid in path.read_text().split()] if path.exists() else []


def call(made: Calls, folder: Path, *more: str, number: int = 2, **options: Any) -> Any:
    sources = (f"FILE = '{folder}/runs'", COUNT, *more)
    return made.value(*sources, "len(big) + 1", snapshot=number, folder=str(folder), **options)


def notes(made: Calls) -> list[str]:
    return [event["text"] for event in made.events if event["event"] == "note"]


def test_cells_before_the_mark_run_once_for_many_calls(made: Calls, folder: Path):
    assert [call(made, folder) for _ in range(5)] == [1001] * 5
    assert len(runs(folder)) == 1
    assert notes(made) == []


def test_each_call_has_a_process_of_its_own_and_cannot_change_the_snapshot(made: Calls, folder: Path):
    sources = (f"FILE = '{folder}/runs'", COUNT)
    told = [made.value(*sources, "big.append(1)", "[os.getpid(), len(big)]", snapshot=2) for _ in range(3)]
    assert len({pid for pid, _length in told}) == 3
    assert {length for _pid, length in told} == {1001}


def test_parameters_come_after_the_mark(made: Calls):
    def add(number: int) -> Any:
        cells = order("base = 100", "base + a", parameters="a = 0", values={"a": number}).cells
        moved = (cells[1], cells[0], cells[2])
        what = order("1", values={"a": number})
        return made.runner.run(made.run(_replace(what, cells=moved, names=(("a",),)), snapshot=1))

    assert [add(1), add(2)] == [101, 102]


def _replace(what: Any, **changes: Any) -> Any:
    from dataclasses import replace

    return replace(what, **changes)


def test_what_the_cells_before_the_mark_did_is_told_to_every_call(made: Calls):
    for _ in range(2):
        made.value("print('loading')", "print('call')", "1", snapshot=1)
        assert made.text() == "loading\ncall\n"
        assert [event["number"] for event in made.events if event["event"] == "cell"] == [1, 2, 3]


def test_generators_of_random_numbers_differ(made: Calls):
    told = [made.value("import random; random.random()", "random.random()", snapshot=1) for _ in range(2)]
    assert told[0] != told[1]


def test_a_loop_of_the_first_cells_is_no_obstacle(made: Calls):
    sources = ("import asyncio; await asyncio.sleep(0)", "await asyncio.sleep(0, 'slept')")
    assert [made.value(*sources, snapshot=1) for _ in range(2)] == ["slept"] * 2
    assert notes(made) == []


def test_files_that_are_being_read_are_read_by_each_call_from_there_on(made: Calls, folder: Path):
    (folder / "data").write_text("first\nsecond\nthird\n")
    sources = (f"f = open('{folder}/data')\nf.readline()", "f.readline()")
    assert [made.value(*sources, snapshot=1) for _ in range(3)] == ["second\n"] * 3
    raw = (f"f = open('{folder}/data', 'rb', buffering=0)\nf.read(6)", "f.read(6).decode()")
    assert [made.value(*raw, snapshot=1) for _ in range(3)] == ["second"] * 3
    assert notes(made) == []


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()", "thread"),
        ("import socket\ns = socket.create_server(('127.0.0.1', 0))", "connection"),
        ("import sqlite3\nc = sqlite3.connect('/dev/shm/../../proc/self/cwd/x.db')", "x.db"),
        ("import subprocess\np = subprocess.Popen(['sleep', '600'])", "process"),
        ("import os\np = os.pipe()", "pipe"),
        ("import asyncio\nt = asyncio.ensure_future(asyncio.sleep(60))\nawait asyncio.sleep(0)", "task"),
    ],
)
def test_what_cannot_be_forked_is_not_and_the_call_says_why(made: Calls, folder: Path, source: str, reason: str):
    for _ in range(2):
        assert call(made, folder, source, number=3) == 1001
        assert len(notes(made)) == 1
        assert reason in notes(made)[0]
    assert len(runs(folder)) == 3  # once for the attempt, which is not repeated
    wait_for(lambda: not calls_of(made.zygote))


def test_a_failure_before_the_mark_is_one_of_the_call(made: Calls, folder: Path):
    for _ in range(2):
        with pytest.raises(NotebookFailed, match="Cell 3 failed: ZeroDivisionError"):
            call(made, folder, "1/0", number=3)
    wait_for(lambda: not calls_of(made.zygote))
    assert len(runs(folder)) == 2


def test_a_deadline_holds_before_the_mark(made: Calls, folder: Path):
    with pytest.raises(CallTimeout):
        call(made, folder, "while True: pass", number=3, seconds=0.5)
    wait_for(lambda: not calls_of(made.zygote))


def test_a_deadline_and_a_crash_after_the_mark_leave_the_snapshot_alone(made: Calls, folder: Path):
    assert call(made, folder) == 1001
    sources = (f"FILE = '{folder}/runs'", COUNT)
    with pytest.raises(CallTimeout):
        made.value(*sources, "while True: pass", snapshot=2, folder=str(folder), seconds=0.3)
    with pytest.raises(Exception, match="killed"):
        made.value(*sources, "os.kill(os.getpid(), 9)", snapshot=2, folder=str(folder))
    assert call(made, folder) == 1001
    assert len(runs(folder)) == 1


def test_a_changed_notebook_has_a_new_snapshot_and_the_old_one_ends(made: Calls, folder: Path):
    call(made, folder, title="one.ipynb")
    [old] = runs(folder)
    call(made, folder, "big.append(1)", number=3, title="one.ipynb")
    assert len(runs(folder)) == 2
    wait_for(lambda: is_gone(old))


def test_a_cell_after_the_mark_may_change(made: Calls, folder: Path):
    sources = (f"FILE = '{folder}/runs'", COUNT)
    assert made.value(*sources, "1", snapshot=2, title="x") == 1
    assert made.value(*sources, "y = 1", "2", snapshot=2, title="x") == 2
    assert len(runs(folder)) == 1


def test_a_module_beside_the_notebook_that_has_changed_is_loaded_anew(
    made: Calls, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("pyramid_notebook.functions.processes.snapshots._LOOK_SECONDS", 0.0)
    (folder / "beside.py").write_text("value = 1")
    sources = ("import sys; sys.dont_write_bytecode = True", "import beside", "beside.value")
    assert made.value(*sources, snapshot=2, folder=str(folder)) == 1
    (folder / "beside.py").write_text("value = 22")
    assert made.value(*sources, snapshot=2, folder=str(folder)) == 22


def test_only_so_many_are_kept(folder: Path):
    with calls(snapshots=2) as made:
        for number in range(4):
            sources = (f"FILE = '{folder}/runs'", COUNT, f"x = {number}")
            assert made.value(*sources, "x", snapshot=3, title=str(number)) == number
        first, second, third, fourth = runs(folder)
        wait_for(lambda: is_gone(first) and is_gone(second))
        assert not is_gone(third)
        assert not is_gone(fourth)


def test_one_ends_after_its_time(folder: Path):
    with calls(snapshot_seconds=0.2) as made:
        call(made, folder)
        [pid] = runs(folder)
        made.runner.run(come_true(lambda: is_gone(pid)))
        assert call(made, folder) == 1001
        assert len(runs(folder)) == 2


def test_calls_at_once_share_the_one_that_is_made(made: Calls, folder: Path):
    what = order(f"FILE = '{folder}/runs'", "import time; time.sleep(0.2)", COUNT, "len(big)")

    async def several() -> list[Any]:
        return await asyncio.gather(*(made.run(what, snapshot=3) for _ in range(5)))

    assert made.runner.run(several()) == [1000] * 5
    assert len(runs(folder)) == 1


def test_whoever_asked_first_may_go_away(made: Calls, folder: Path):
    what = order(f"FILE = '{folder}/runs'", COUNT, "import time; time.sleep(0.3)", "len(big)")

    async def several() -> Any:
        first = asyncio.ensure_future(made.run(what, snapshot=3))
        await come_true(lambda: runs(folder))
        second = asyncio.ensure_future(made.run(what, snapshot=3))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert made.runner.run(several()) == 1000
    assert len(runs(folder)) == 1


def test_one_that_is_killed_is_made_anew(made: Calls, folder: Path):
    call(made, folder)
    os.kill(runs(folder)[0], signal.SIGKILL)
    assert call(made, folder) == 1001
    assert len(runs(folder)) == 2


def test_the_limit_of_memory_holds(made: Calls):
    with pytest.raises(NotebookFailed, match="MemoryError"):
        made.value("x = 1", "y = bytearray(3 << 30)", "1", snapshot=1, memory=1 << 30)


def test_nothing_is_left_when_the_engine_is_closed(folder: Path):
    with calls() as made:
        call(made, folder)
        zygote = made.zygote
    assert is_gone(zygote)
    assert is_gone(runs(folder)[0])


def test_calls_share_no_memory_that_was_mapped_before_the_mark(made: Calls):
    sources = ("import mmap\nshared = mmap.mmap(-1, 8)", "shared[0] += 1", "shared[0]")
    assert [made.value(*sources, snapshot=1) for _ in range(3)] == [1, 1, 1]
    assert notes(made)
    assert all("share" in note for note in notes(made))


def test_a_caller_with_more_time_is_not_bound_by_one_who_has_less(made: Calls):
    slow = "import time\nuntil = time.monotonic() + 1.5\nwhile time.monotonic() < until: time.sleep(0.01)"

    async def both() -> list[Any]:
        asked = (made.run(order(slow, "1"), seconds, snapshot=1) for seconds in (0.8, 30))
        return await asyncio.gather(*asked, return_exceptions=True)

    hasty, patient = made.runner.run(both())
    assert isinstance(hasty, CallTimeout)
    assert patient == 1
