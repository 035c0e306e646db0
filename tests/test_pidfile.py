"""What a pid file means."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pyramid_notebook import pidfile, processes
from pyramid_notebook.errors import UnsafePath
from pyramid_notebook.files import make_scratch, try_lock
from pyramid_notebook.layout import daemon_lock_file, record_file
from pyramid_notebook.pidfile import State
from pyramid_notebook.record import ServerRecord

LAUNCH = "cafe" * 8


@pytest.fixture
def scratch() -> Iterator[Path]:
    """The folder for the sockets of a launch."""
    path = make_scratch()
    yield path
    shutil.rmtree(path, ignore_errors=True)


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
def record(process: subprocess.Popen[bytes], scratch: Path) -> ServerRecord:
    """The record of a process that runs."""
    identity = processes.identity(process.pid) or ""
    return ServerRecord(pid=process.pid, identity=identity, launch_id=LAUNCH, scratch=str(scratch), socket="/s")


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


def test_a_daemon_that_is_gone_left_a_stale_file_which_stop_removes(pid_file: Path, scratch: Path) -> None:
    scratch.chmod(0o1700)  # as Jupyter does
    write(pid_file, ServerRecord(pid=gone_pid(), identity="x", launch_id=LAUNCH, scratch=str(scratch)))
    assert pidfile.examine(pid_file).state is State.STALE
    assert pidfile.running(pid_file) is None
    assert pidfile.stop(pid_file, timeout=1) is False
    assert left(pid_file) == []
    assert not scratch.exists()


def test_a_pid_that_is_somebody_elses_now_is_stale_and_that_process_survives_stop(
    pid_file: Path, process: subprocess.Popen[bytes]
) -> None:
    write(pid_file, ServerRecord(pid=process.pid, identity="boot-of-yesterday-1", launch_id=LAUNCH))
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
    write(pid_file, ServerRecord(pid=gone_pid(), identity="x", launch_id=LAUNCH))
    pid_file.write_text(str(process.pid))
    assert pidfile.examine(pid_file).state is State.FOREIGN
    assert pidfile.stop(pid_file, timeout=1) is False
    assert process.poll() is None


def test_a_pid_file_without_a_record_whose_process_is_gone_is_stale(pid_file: Path) -> None:
    pid_file.write_text(f"{gone_pid()}\n")
    assert pidfile.examine(pid_file).state is State.STALE


@pytest.mark.parametrize(
    "text", ["", "x", "-1", "1.5", "0x10", "١٢", "1 2", "9" * 5000, "\0", "\udcff"], ids=lambda text: ascii(text[:9])
)
def test_a_pid_file_that_names_no_process_is_stale_and_stop_removes_it(pid_file: Path, text: str) -> None:
    pid_file.write_bytes(os.fsencode(text))
    assert pidfile.examine(pid_file).state is State.STALE
    assert pidfile.stop(pid_file, timeout=1) is False
    assert left(pid_file) == []


@pytest.mark.parametrize(
    "text", ["", "{", '{"pid": 7', "[]", "null", "\udcff", "[" * 100_000], ids=lambda text: ascii(text[:9])
)
def test_a_record_that_cannot_be_read_is_as_none(pid_file: Path, text: str) -> None:
    record_file(pid_file).write_bytes(os.fsencode(text))
    pid_file.write_text(str(os.getpid()))
    assert pidfile.read_record(pid_file) is None
    assert pidfile.examine(pid_file).state is State.FOREIGN


def test_the_record_of_another_version_is_enough_to_find_and_stop_its_daemon(
    pid_file: Path, record: ServerRecord
) -> None:
    older = {"pid": record.pid, "identity": record.identity, "launch_id": LAUNCH, "colour": "red"}
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


@pytest.fixture
def lock(pid_file: Path, record: ServerRecord) -> Iterator[int]:
    """The lock file of a daemon that runs."""
    descriptor = try_lock(daemon_lock_file(pid_file))
    assert descriptor is not None
    pidfile.hold(descriptor, record)
    yield descriptor
    os.close(descriptor)


@pytest.mark.usefixtures("lock")
@pytest.mark.parametrize("text", [None, "", "{", "7", "[" * 100_000], ids=lambda text: str(text)[:9])
def test_a_daemon_whose_record_is_lost_is_found_by_its_lock_file_and_stopped(
    pid_file: Path, record: ServerRecord, text: str | None
) -> None:
    if text is not None:
        record_file(pid_file).write_text(text)
    found = pidfile.examine(pid_file)
    assert (found.state, found.pid) == (State.RUNNING, record.pid)
    assert pidfile.stop(pid_file, timeout=5) is True
    assert processes.identity(record.pid) is None
    assert not Path(record.scratch).exists()
    assert pidfile.examine(pid_file).state is State.ABSENT


def test_a_pid_file_whose_record_is_lost_is_stale_when_the_holder_of_the_lock_is_gone(
    pid_file: Path, process: subprocess.Popen[bytes], lock: int
) -> None:
    pidfile.hold(lock, ServerRecord(pid=process.pid, identity="boot-of-yesterday-1", launch_id=LAUNCH))
    pid_file.write_text(str(process.pid))
    assert pidfile.examine(pid_file).state is State.STALE
    assert pidfile.stop(pid_file, timeout=1) is False
    assert left(pid_file) == ["notebook.pid.lock"]
    assert process.poll() is None


def test_the_lock_file_keeps_neither_secret_nor_address(pid_file: Path, record: ServerRecord, lock: int) -> None:
    pidfile.hold(lock, replace(record, secret="hidden", socket="/s"))
    assert "hidden" not in daemon_lock_file(pid_file).read_text()
    found = pidfile.running(pid_file)
    assert found
    assert not found.listening


@pytest.mark.parametrize("field", ["launch_id", "identity"])
def test_a_record_with_nothing_where_a_name_belongs_ends_no_process_and_removes_nothing(
    pid_file: Path, process: subprocess.Popen[bytes], scratch: Path, field: str
) -> None:
    gone = ServerRecord(pid=gone_pid(), identity="x", launch_id=LAUNCH, scratch=str(scratch))
    record_file(pid_file).write_text(json.dumps({**json.loads(gone.to_json()), field: None}))
    assert pidfile.examine(pid_file).state is State.ABSENT
    assert pidfile.stop(pid_file, timeout=1) is False
    assert process.poll() is None
    assert scratch.exists()


@pytest.mark.parametrize("kind", ["elsewhere", "open", "link"])
def test_only_a_folder_that_a_launch_made_for_its_sockets_is_removed(
    pid_file: Path, scratch: Path, tmp_path: Path, kind: str
) -> None:
    target = scratch
    if kind == "elsewhere":
        target = tmp_path / "pnb-mine"
        target.mkdir(mode=0o700)
    elif kind == "open":
        target.chmod(0o755)
    else:
        scratch.rmdir()
        (tmp_path / "precious").mkdir(mode=0o700)
        target.symlink_to(tmp_path / "precious")
    try:
        write(pid_file, ServerRecord(pid=gone_pid(), identity="x", launch_id=LAUNCH, scratch=str(target)))
        pidfile.stop(pid_file, timeout=1)
        assert target.exists()
    finally:
        if kind == "link":
            target.unlink()
