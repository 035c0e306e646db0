"""The process from which user servers are forked, for real."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from pyramid_notebook import pidfile
from pyramid_notebook.layout import UserFolder
from pyramid_notebook.record import ServerRecord
from pyramid_notebook.spawners.zygote import Zygote

from ..running import wait_until
from ..server.daemons import SCRIPT

PATIENCE = 60


@pytest.fixture
def others() -> set[psutil.Process]:
    """The zygotes of sites that other tests still hold."""
    return zygotes()


@pytest.fixture
def zygote(others: set[psutil.Process]) -> Iterator[Zygote]:
    zygote = Zygote([sys.executable, "-P", SCRIPT])
    zygote.warm_up()
    yield zygote
    zygote.close()
    wait_until(lambda: zygotes() <= others, "it has ended")


@pytest.fixture
def users(folder: Path) -> Iterator[list[UserFolder]]:
    folders = [UserFolder(folder / name) for name in ("alice", "bob")]
    yield folders
    for one in folders:
        pidfile.stop(one.pid_file, timeout=5)


def start(zygote: Zygote, user: UserFolder) -> ServerRecord:
    done = zygote.run(["start", str(user.pid_file), str(user.path), "0", "0"], timeout=PATIENCE)
    assert done, "the zygote was there"
    assert done.returncode == 0, done.stderr
    record = pidfile.running(user.pid_file)
    assert record
    assert record.listening
    return record


def zygotes() -> set[psutil.Process]:
    found = set()
    for one in psutil.Process().children():
        with suppress(psutil.Error):  # it may end while we look
            if one.status() != psutil.STATUS_ZOMBIE and one.cmdline()[-2:-1] == ["zygote"]:
                found.add(one)
    return found


@pytest.fixture
def process(zygote: Zygote, others: set[psutil.Process]) -> psutil.Process:
    """The zygote's process."""
    (found,) = wait_until(lambda: zygotes() - others, "it has been started")
    assert isinstance(found, psutil.Process)
    return found


def test_a_daemon_is_forked_and_listens(zygote: Zygote, process: psutil.Process, users: list[UserFolder]) -> None:
    record = start(zygote, users[0])
    assert psutil.Process(record.pid).memory_full_info().uss < process.memory_full_info().rss / 2


def test_a_forked_daemon_is_found_by_its_script_and_pid_file(zygote: Zygote, users: list[UserFolder]) -> None:
    record = start(zygote, users[0])
    pattern = f"notebook_daemon.py start {users[0].pid_file}"
    found = subprocess.run(["pgrep", "-f", pattern], capture_output=True, text=True, check=True)
    assert str(record.pid) in found.stdout.split()


def test_a_forked_daemon_outlives_the_zygote(zygote: Zygote, process: psutil.Process, users: list[UserFolder]) -> None:
    record = start(zygote, users[0])
    parent = process
    zygote.close()
    wait_until(lambda: not parent.is_running() or parent.status() == psutil.STATUS_ZOMBIE, "the zygote ends")
    assert pidfile.running(users[0].pid_file) == record


def test_two_daemons_of_one_zygote_share_no_secret(zygote: Zygote, users: list[UserFolder]) -> None:
    alice, bob = (start(zygote, user) for user in users)
    assert len({alice.secret, bob.secret}) == len({alice.launch_id, bob.launch_id}) == 2
    assert len({alice.socket, bob.socket}) == len({alice.pid, bob.pid}) == 2


def test_stopping_a_forked_daemon_leaves_the_zygote(
    zygote: Zygote, process: psutil.Process, users: list[UserFolder]
) -> None:
    record = start(zygote, users[0])
    assert pidfile.stop(users[0].pid_file, timeout=10)
    assert not psutil.pid_exists(record.pid) or psutil.Process(record.pid).status() == psutil.STATUS_ZOMBIE
    assert process.status() != psutil.STATUS_ZOMBIE


def test_a_command_that_fails_tells_why_with_its_code(zygote: Zygote, users: list[UserFolder]) -> None:
    start(zygote, users[0])
    again = zygote.run(["start", str(users[0].pid_file), str(users[0].path), "0", "0"], timeout=PATIENCE)
    assert again
    assert again.returncode == 4
    assert again.stderr.startswith(b"Already running: pid ")


def test_a_killed_zygote_is_replaced_by_the_next_command(
    zygote: Zygote, process: psutil.Process, users: list[UserFolder]
) -> None:
    first = process
    first.kill()
    wait_until(lambda: not first.is_running(), "it is gone")
    assert zygote.run(["status", str(users[0].pid_file)], timeout=PATIENCE) is None
    done = zygote.run(["status", str(users[0].pid_file)], timeout=PATIENCE)
    assert done
    assert (done.returncode, done.stderr) == (3, b"Not running.\n")


def test_a_zygote_that_is_stopped_is_killed_and_replaced_and_serves_nothing_later(
    zygote: Zygote,
    process: psutil.Process,
    others: set[psutil.Process],
    users: list[UserFolder],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = ["start", str(users[0].pid_file), str(users[0].path), "0", "0"]
    assert zygote.run(["status", str(users[0].pid_file)], timeout=PATIENCE)
    process.suspend()
    monkeypatch.setattr("pyramid_notebook.spawners.zygote._ACKNOWLEDGE_SECONDS", 0.2)
    monkeypatch.setattr("pyramid_notebook.spawners.zygote._LOAD_SECONDS", 0)
    assert zygote.run(arguments, timeout=PATIENCE) is None
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    assert not users[0].path.exists()
    monkeypatch.undo()
    assert len(zygotes() - others) == 1
    start(zygote, users[1])
    assert pidfile.running(users[0].pid_file) is None


def test_a_command_that_takes_too_long_is_given_up(zygote: Zygote, users: list[UserFolder]) -> None:
    arguments = ["start", str(users[0].pid_file), str(users[0].path), "0", "0"]
    with pytest.raises(subprocess.TimeoutExpired):
        zygote.run(arguments, timeout=0.01)
    wait_until(lambda: (record := pidfile.running(users[0].pid_file)) and record.listening, "it came up nevertheless")


@pytest.mark.parametrize("command", [["/nowhere/python"], [sys.executable, "-c", "raise SystemExit(1)"]])
def test_an_interpreter_that_cannot_run_it_begins_nothing(command: list[str]) -> None:
    broken = Zygote(command)
    broken.warm_up()
    assert broken.run(["status", "/nowhere/notebook.pid"], timeout=PATIENCE) is None


def test_without_a_warm_up_nothing_is_begun(others: set[psutil.Process]) -> None:
    cold = Zygote([sys.executable, "-P", SCRIPT])
    assert cold.run(["status", "/nowhere/notebook.pid"], timeout=PATIENCE) is None
    assert zygotes() == others


def test_what_it_loads_makes_no_shared_document(run_python: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = run_python("""
import importlib, sys
sys.modules["rfc3987_syntax"] = None
import pycrdt
def refuse(*given, **more):
    raise AssertionError("a shared document")
pycrdt.Doc.__init__ = refuse
from pyramid_notebook.server.zygote import _PRELOADED
for name in _PRELOADED:
    importlib.import_module(name)
print("loaded")
""")
    assert done.stdout == "loaded\n", done.stderr
