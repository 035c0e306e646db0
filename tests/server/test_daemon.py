"""The command line of the daemon, with real processes."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyramid_notebook import pidfile, processes
from pyramid_notebook.errors import UpstreamGone
from pyramid_notebook.files import try_lock
from pyramid_notebook.layout import record_file
from pyramid_notebook.proxy.upstream import ask
from pyramid_notebook.record import ServerRecord

from ..running import free_port, wait_until
from .daemons import BASE, SCRIPT, Daemon, daemon_in

AT_ONCE = 8


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with notebooks."""
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


@contextlib.contextmanager
def foreground(daemon: Daemon) -> Iterator[subprocess.Popen[str]]:
    command = daemon.command("fg")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def fails(daemon: Daemon, action: str, code: int) -> str:
    """Run a command that must fail with this exit code and one line, and return the line."""
    done = daemon.run(action)
    assert done.returncode == code, done.stderr
    [line] = done.stderr.splitlines()
    return line


def gone_pid() -> int:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


@pytest.fixture(params=["unix socket", "loopback port"])
def started(request: pytest.FixtureRequest, folder: Path) -> Iterator[Daemon]:
    port = 0 if request.param == "unix socket" else free_port()
    with daemon_in(folder / "alice", port=port) as daemon:
        done = daemon.run("start")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"Started: pid {daemon.record.pid} at {daemon.record.address}.\n"
        yield daemon


class TestADaemonThatRuns:
    def test_it_answers_where_it_says(self, started: Daemon) -> None:
        record = started.record
        assert bool(record.port) != bool(record.socket)
        assert ask(record, "GET", f"{BASE}-/status", timeout=5)[0] == 200

    def test_status_tells_how_it_does(self, started: Daemon) -> None:
        done = started.run("status")
        assert done.returncode == 0
        told = dict(re.findall(r"^(\w+): +(.*)$", done.stdout, re.MULTILINE))
        assert list(told) == ["pid", "address", "uptime", "idle", "memory"]
        assert told["pid"] == str(started.record.pid)
        assert told["address"] == started.record.address
        assert re.fullmatch(r"\d+ s", told["uptime"])
        assert re.fullmatch(r"\d+ s", told["idle"])
        assert int(told["memory"].removesuffix(" MB")) > 20

    def test_another_start_tells_which_one_runs(self, started: Daemon) -> None:
        assert fails(started, "start", 4) == (f"Already running: pid {started.record.pid} at {started.record.address}.")

    def test_stop_ends_it_and_leaves_nothing(self, started: Daemon) -> None:
        record = started.record
        done = started.run("stop")
        assert (done.returncode, done.stdout, done.stderr) == (0, f"Stopped: pid {record.pid}.\n", "")
        assert processes.identity(record.pid) is None
        assert not Path(record.scratch).exists()
        assert not started.pid_file.exists()
        assert not record_file(started.pid_file).exists()
        with pytest.raises(UpstreamGone):
            ask(record, "GET", f"{BASE}-/status", timeout=5)
        assert fails(started, "stop", 3).startswith("Not running")

    def test_restart_makes_a_new_one_with_a_new_secret(self, started: Daemon) -> None:
        before = started.record
        assert started.run("restart").returncode == 0
        after = started.record
        assert processes.identity(before.pid) is None
        assert after.secret != before.secret
        assert after.port == before.port

    def test_term_alone_is_enough_to_end_it(self, started: Daemon) -> None:
        record = started.record
        os.kill(record.pid, signal.SIGTERM)
        wait_until(lambda: processes.identity(record.pid) is None, "it ended")
        assert not started.pid_file.exists()
        assert not Path(record.scratch).exists()
        assert fails(started, "status", 3) == "Not running."


def test_restart_starts_what_does_not_run(daemon: Daemon) -> None:
    assert daemon.run("restart").returncode == 0
    assert daemon.is_running()


def test_a_daemon_is_found_by_the_name_of_its_script(daemon: Daemon) -> None:
    record = daemon.start()
    found = subprocess.run(["pgrep", "-f", "notebook_daemon.py"], capture_output=True, text=True, check=True)
    assert str(record.pid) in found.stdout.split()


def test_logs_lie_in_the_folder_and_are_of_the_owner_alone(daemon: Daemon) -> None:
    daemon.start()
    assert "is running at" in (daemon.folder.path / "notebook.stderr.log").read_text()
    assert (daemon.folder.path / "notebook.stdout.log").exists()
    assert {path.stat().st_mode & 0o777 for path in daemon.folder.path.glob("notebook.*.log")} == {0o600}


def test_a_log_that_grew_large_is_put_aside(daemon: Daemon) -> None:
    daemon.folder.stderr_log.write_text("old\n" * 300_000)
    daemon.start()
    assert "old" not in daemon.log
    assert daemon.folder.path.joinpath("notebook.stderr.log.old").stat().st_size == 1_200_000


def test_the_daemon_has_left_its_terminal_and_folder(daemon: Daemon) -> None:
    pid = daemon.start().pid
    assert os.getsid(pid) != os.getsid(0)
    assert Path(f"/proc/{pid}/cwd").resolve() == daemon.folder.runtime.resolve()
    assert Path(f"/proc/{pid}/fd/0").resolve() == Path("/dev/null")


def test_it_runs_with_nothing_but_a_command_line(folder: Path) -> None:
    daemon = Daemon(folder / "bob")
    try:
        record = daemon.start()
        assert (record.user, record.base_url) == ("bob", "/")
        assert ask(record, "GET", "/-/status", timeout=5)[0] == 200
    finally:
        daemon.clean_up()


def test_more_arguments_go_to_jupyter(folder: Path) -> None:
    with daemon_in(folder / "alice", extra=("--debug",)) as daemon:
        daemon.start()
        assert "[D " in daemon.log


def test_in_the_foreground_it_serves_until_it_is_told_to_end(daemon: Daemon) -> None:
    with foreground(daemon) as process:
        assert process.stdout
        assert process.stdout.readline() == f"Serving: pid {process.pid}. Press Ctrl-C twice to end.\n"
        assert ask(daemon.record, "GET", f"{BASE}-/status", timeout=5)[0] == 200
        assert "address" in daemon.run("status").stdout
        assert "Already running" in fails(daemon, "start", 4)
        process.terminate()
        assert process.wait(20) == 0
    assert not daemon.pid_file.exists()


@pytest.mark.parametrize(
    "arguments",
    [[], ["begin"], ["start"], ["start", "p"], ["start", "p", "f", "0"], ["fg", "p"], ["stop"], ["status"], ["--help"]],
    ids=" ".join,
)
def test_wrong_arguments_get_the_usage(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: notebook_daemon.py start|restart|fg PIDFILE FOLDER PORT KILL_TIMEOUT")
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("port", "kill_timeout", "name"),
    [("http", "0", "PORT"), ("65536", "0", "PORT"), ("-1", "0", "PORT"), ("", "0", "PORT"), ("٣", "0", "PORT"),
     ("0", "never", "KILL_TIMEOUT"), ("0", "-5", "KILL_TIMEOUT"), ("0", "1.5", "KILL_TIMEOUT")],
)  # fmt: skip
def test_what_must_be_a_number_is_named_when_it_is_none(
    daemon: Daemon, port: str, kill_timeout: str, name: str
) -> None:
    daemon.arguments[2:] = [port, kill_timeout]
    assert fails(daemon, "start", 2).startswith(f"{name} must be a whole number from 0 to")


def test_what_does_not_run_is_told(daemon: Daemon) -> None:
    assert fails(daemon, "status", 3) == "Not running."
    assert fails(daemon, "stop", 3).startswith("Not running: there is no ")


def test_of_many_starts_at_once_one_makes_a_daemon(daemon: Daemon) -> None:
    command = daemon.command("start")
    starts = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(AT_ONCE)
    ]
    told = [(start.communicate(timeout=60), start.returncode) for start in starts]
    assert sorted(code for _, code in told) == [0] + [4] * (AT_ONCE - 1)
    assert all(len(stderr.splitlines()) == 1 for (_, stderr), code in told if code)
    servers = [process for process in daemon.members if "notebook_daemon.py" in " ".join(process.cmdline())]
    assert [process.pid for process in servers] == [daemon.record.pid]


def test_a_start_while_another_one_is_under_way_is_told(daemon: Daemon) -> None:
    lock = try_lock(daemon.pid_file.with_name("notebook.pid.lock"))
    assert lock is not None
    with os.fdopen(lock):
        assert fails(daemon, "start", 4).startswith("Already being started")


def make_stale(daemon: Daemon, pid: int) -> None:
    pidfile.remember(daemon.pid_file, ServerRecord(pid=pid, identity="boot-1", launch_id="cafe" * 8))
    daemon.pid_file.write_text(str(pid))


def test_a_stale_pid_file_is_told(daemon: Daemon) -> None:
    make_stale(daemon, gone_pid())
    assert "is gone" in fails(daemon, "status", 5)
    assert "was removed" in fails(daemon, "stop", 5)
    assert not daemon.pid_file.exists()


def test_a_stale_pid_file_does_not_keep_a_start(daemon: Daemon, stranger: subprocess.Popen[bytes]) -> None:
    make_stale(daemon, stranger.pid)
    done = daemon.run("start")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Removed a stale pid file: process {stranger.pid} is gone.\nStarted: ")
    assert stranger.poll() is None


@pytest.mark.parametrize("action", ["start", "stop", "status", "restart", "fg"])
def test_a_pid_file_of_somebody_else_is_left_alone(
    daemon: Daemon, stranger: subprocess.Popen[bytes], action: str
) -> None:
    daemon.pid_file.write_text(str(stranger.pid))
    assert f"names process {stranger.pid}, which is no notebook daemon" in fails(daemon, action, 6)
    assert daemon.pid_file.read_text() == str(stranger.pid)
    assert stranger.poll() is None


@pytest.mark.parametrize("action", ["start", "stop", "status", "restart", "fg"])
def test_a_pid_file_that_is_a_link_is_refused(daemon: Daemon, action: str) -> None:
    daemon.pid_file.symlink_to("/etc/hostname")
    assert str(daemon.pid_file) in fails(daemon, action, 7)
    daemon.pid_file.unlink()


@pytest.mark.parametrize("place", ["file/alice", "link", "file"])
@pytest.mark.parametrize("action", ["start", "fg"])
def test_a_folder_that_cannot_be_used_is_told(folder: Path, place: str, action: str) -> None:
    (folder / "file").touch()
    (folder / "target").mkdir()
    (folder / "link").symlink_to("target")
    daemon = Daemon(folder / place)
    daemon.arguments[0] = str(folder / "notebook.pid")
    assert str(folder / place) in fails(daemon, action, 7)
    assert list((folder / "target").iterdir()) == []


@pytest.mark.parametrize("action", ["start", "fg"])
def test_a_busy_port_is_told(folder: Path, action: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with daemon_in(folder / "alice", port=port) as daemon:
            assert fails(daemon, action, 8) == f"Port {port} is busy. Choose another one, or 0 for a unix socket."
            assert not daemon.pid_file.exists()


def test_a_server_that_does_not_start_tells_the_end_of_its_log_and_leaves_nothing(folder: Path) -> None:
    with daemon_in(folder / "alice", extra=("--ServerApp.root_dir=/nonexistent",)) as daemon:
        done = daemon.run("start")
        assert done.returncode == 9
        line, *log = done.stderr.splitlines()
        assert line == f"The server did not start. The end of {daemon.folder.stderr_log}:"
        assert any("/nonexistent" in text for text in log)
        assert not daemon.pid_file.exists()
        assert not record_file(daemon.pid_file).exists()


def test_options_of_another_version_are_told(daemon: Daemon) -> None:
    daemon.folder.options_file.write_text('{"colour": "red"}')
    done = daemon.run("start")
    assert done.returncode == 9
    assert "colour" in done.stderr
