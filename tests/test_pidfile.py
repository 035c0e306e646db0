"""What a pid file means."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyramid_notebook import pidfile, processes
from pyramid_notebook.errors import UnsafePath
from pyramid_notebook.layout import record_file
from pyramid_notebook.pidfile import State
from pyramid_notebook.record import ServerRecord


@pytest.fixture
def pid_file(tmp_path: Path) -> Path:
    return tmp_path / "notebook.pid"


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as running:
        yield running
        running.kill()


@pytest.fixture
def record(process: subprocess.Popen[bytes], tmp_path: Path) -> ServerRecord:
    """The record of a process that runs."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    identity = processes.identity(process.pid) or ""
    return ServerRecord(pid=process.pid, identity=identity, launch_id="cafe", scratch=str(scratch), socket="/s")


def write(pid_file: Path, record: ServerRecord) -> None:
    pidfile.remember(pid_file, record)
    pid_file.write_text(f"{record.pid}\n")


def left(pid_file: Path) -> list[str]:
    return sorted(path.name for path in pid_file.parent.iterdir() if path.name.startswith("notebook.pid"))


def gone_pid() -> int:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def test_no_pid_file_means_no_daemon(pid_file: Path) -> None:
    assert pidfile.examine(pid_file).state is State.ABSENT
    assert pidfile.running(pid_file) is None
    assert pidfile.stop(pid_file, timeout=1) is False


def test_a_daemon_that_runs_is_found_and_stopped(pid_file: Path, record: ServerRecord) -> None:
    write(pid_file, record)
    found = pidfile.examine(pid_file)
    assert (found.state, found.pid, found.record) == (State.RUNNING, record.pid, record)
    assert pidfile.running(pid_file) == record
    assert pidfile.stop(pid_file, timeout=5) is True
    assert processes.identity(record.pid) is None
    assert left(pid_file) == []
    assert not Path(record.scratch).exists()


def test_a_daemon_is_found_by_its_record_before_its_pid_file_is_there(pid_file: Path, record: ServerRecord) -> None:
    pidfile.remember(pid_file, record)
    assert pidfile.examine(pid_file).state is State.RUNNING


def test_a_daemon_that_is_gone_left_a_stale_file_which_stop_removes(pid_file: Path, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    write(pid_file, ServerRecord(pid=gone_pid(), identity="x", launch_id="cafe", scratch=str(tmp_path / "scratch")))
    assert pidfile.examine(pid_file).state is State.STALE
    assert pidfile.running(pid_file) is None
    assert pidfile.stop(pid_file, timeout=1) is False
    assert left(pid_file) == []
    assert not (tmp_path / "scratch").exists()


def test_a_pid_that_is_somebody_elses_now_is_stale_and_that_process_survives_stop(
    pid_file: Path, process: subprocess.Popen[bytes]
) -> None:
    write(pid_file, ServerRecord(pid=process.pid, identity="boot-of-yesterday-1", launch_id="cafe"))
    assert pidfile.examine(pid_file).state is State.STALE
    assert pidfile.stop(pid_file, timeout=1) is False
    assert left(pid_file) == []
    assert process.poll() is None


def test_a_pid_file_without_a_record_names_a_foreign_process_and_is_left_alone(
    pid_file: Path, process: subprocess.Popen[bytes]
) -> None:
    pid_file.write_text(str(process.pid))
    assert pidfile.examine(pid_file).state is State.FOREIGN
    assert pidfile.stop(pid_file, timeout=1) is False
    assert pid_file.read_text() == str(process.pid)
    assert process.poll() is None


def test_a_pid_file_that_names_another_process_than_the_record_is_foreign(
    pid_file: Path, process: subprocess.Popen[bytes]
) -> None:
    write(pid_file, ServerRecord(pid=gone_pid(), identity="x", launch_id="cafe"))
    pid_file.write_text(str(process.pid))
    assert pidfile.examine(pid_file).state is State.FOREIGN
    assert pidfile.stop(pid_file, timeout=1) is False
    assert process.poll() is None


def test_a_pid_file_without_a_record_whose_process_is_gone_is_stale(pid_file: Path) -> None:
    pid_file.write_text(f"{gone_pid()}\n")
    assert pidfile.examine(pid_file).state is State.STALE


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "0x10", "١٢", "1 2", "9" * 30, "\0"], ids=ascii)
def test_a_pid_file_that_names_no_process_is_never_taken_for_a_daemon(pid_file: Path, text: str) -> None:
    pid_file.write_text(text)
    assert pidfile.examine(pid_file).state in (State.FOREIGN, State.STALE)
    assert pidfile.stop(pid_file, timeout=1) is False


@pytest.mark.parametrize("text", ["", "{", '{"pid": 7', "[]", "null"])
def test_a_record_that_cannot_be_read_is_as_none(pid_file: Path, text: str) -> None:
    record_file(pid_file).write_text(text)
    pid_file.write_text(str(os.getpid()))
    assert pidfile.read_record(pid_file) is None
    assert pidfile.examine(pid_file).state is State.FOREIGN


def test_the_record_of_another_version_is_enough_to_find_and_stop_its_daemon(
    pid_file: Path, record: ServerRecord
) -> None:
    older = {"pid": record.pid, "identity": record.identity, "launch_id": "cafe", "colour": "red"}
    record_file(pid_file).write_text(json.dumps(older))
    pid_file.write_text(str(record.pid))
    assert pidfile.examine(pid_file).state is State.RUNNING
    assert pidfile.stop(pid_file, timeout=5) is True
    assert processes.identity(record.pid) is None


def test_a_link_in_place_of_a_file_is_refused(pid_file: Path, record: ServerRecord, tmp_path: Path) -> None:
    write(tmp_path / "other", record)
    pid_file.symlink_to("other")
    with pytest.raises(UnsafePath):
        pidfile.examine(pid_file)


def test_forgetting_what_is_gone_already_is_no_error(pid_file: Path) -> None:
    pidfile.forget(pid_file, ServerRecord(pid=1, identity="x", launch_id="y", scratch="/nonexistent/scratch"))
    pidfile.forget(pid_file, None)
