"""The history of kernels: written a little later than the cells run, and complete."""

from __future__ import annotations

import ast
import os
import sqlite3
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from IPython.core.history import HistoryManager
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from pyramid_notebook.server import kernel_history

from ..running import wait_until
from .daemons import Daemon, Kernel

_NEVER = 100_000.0  # seconds


def _lines(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        return [line for (line,) in database.execute("SELECT source_raw FROM history")]


def _file(kernel: Kernel) -> Path:
    return Path(ast.literal_eval(kernel.run("str(get_ipython().history_manager.hist_file)")))


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make a history that is never written but by a reader, or at the end."""
    monkeypatch.setattr(kernel_history, "_REST_SECONDS", _NEVER)
    monkeypatch.setattr("IPython.core.history.HistorySavingThread", kernel_history.RestingThread)
    config = Config({"HistoryManager": {"hist_file": str(tmp_path / "history.sqlite")}})
    manager = HistoryManager(shell=InteractiveShell(), config=config)
    yield manager
    manager.end_session()


def test_what_a_kernel_has_run_is_written_while_the_kernel_rests(server: Daemon) -> None:
    with server.kernel(server.open_context(title="History")) as kernel:
        path = _file(kernel)
        kernel.run("first_of_history = 1")
        wait_until(lambda: "first_of_history = 1" in _lines(path), "the cell to be written")


def test_the_last_cell_before_the_end_of_a_kernel_is_in_its_history(server: Daemon) -> None:
    notebook = server.open_context(title="Last")
    with server.kernel(notebook) as kernel:
        path = _file(kernel)
        kernel.run("last_of_history = 1")
    server.request("DELETE", f"api/kernels/{server.kernel_of(notebook)}")
    assert "last_of_history = 1" in _lines(path)


def test_who_reads_the_history_sees_what_ran_just_now(server: Daemon) -> None:
    with server.kernel(server.open_context(title="Read")) as kernel:
        kernel.run("just_now = 1")
        assert "just_now = 1" in kernel.run("%history -g just_now")


def test_a_cell_is_not_written_while_others_may_run(manager: Any) -> None:
    manager.store_inputs(1, "waits = 1")
    wait_until(lambda: not manager.save_flag.is_set(), "the thread to begin its rest")
    assert _lines(manager.hist_file) == []


def test_cells_without_a_rest_are_written_after_a_while(manager: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_history, "_REST_SECONDS", 0.1)
    monkeypatch.setattr(kernel_history, "_LONGEST_SECONDS", 0.3)
    number = count(1)

    def is_written() -> bool:
        manager.store_inputs(next(number), "goes_on = 1")
        return bool(_lines(manager.hist_file))

    wait_until(is_written, "a cell to be written")


def test_the_thread_that_writes_ends_at_once_when_it_shall(manager: Any) -> None:
    manager.store_inputs(1, "waits = 1")
    thread = manager.save_thread
    thread.stop()
    assert not thread.is_alive()


def test_the_end_of_a_session_writes_what_waits(manager: Any) -> None:
    manager.store_inputs(1, "waits = 1")
    manager.end_session()
    assert _lines(manager.hist_file) == ["waits = 1"]


def test_what_waited_at_a_fork_is_written_after_it(manager: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel_history.save_history_later()
    manager.store_inputs(1, "waits = 1")
    monkeypatch.setattr(kernel_history, "_REST_SECONDS", 0.1)
    if not (child := os.fork()):
        os._exit(0)
    os.waitpid(child, 0)
    wait_until(lambda: _lines(manager.hist_file) == ["waits = 1"], "the cell to be written")


def test_a_fork_which_ends_the_thread_loses_nothing(manager: Any) -> None:
    manager.store_inputs(1, "waits = 1")
    HistoryManager._stop_thread()  # as IPython does before a fork
    manager.store_inputs(2, "goes_on = 1")
    assert isinstance(manager.save_thread, kernel_history.RestingThread)
    manager.end_session()
    assert _lines(manager.hist_file) == ["waits = 1", "goes_on = 1"]
