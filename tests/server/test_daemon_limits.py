"""What a daemon keeps from others, and what is left of it when it is killed."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from pyramid_notebook import processes
from pyramid_notebook.layout import record_file
from pyramid_notebook.processes import LAUNCH_VARIABLE

from ..running import free_port, wait_until
from .daemons import Daemon, daemon_in

NOBODY = 65534
#: How often a daemon is killed with a kernel and what that started; a round takes about a second.
KILLED_ROUNDS = 10

SPAWN = """
import subprocess
left = subprocess.Popen(["setsid", "sleep", "600"])
print(left.pid)
"""


def as_nobody(*command: str) -> subprocess.CompletedProcess[str]:
    identity = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return subprocess.run(
        ["setpriv", *identity, *command], capture_output=True, text=True, cwd="/", timeout=30, check=False
    )


@pytest.fixture(scope="module")
def notebook(server: Daemon) -> str:
    """A notebook with a kernel that has run a cell."""
    path = server.open_context(startup="x = 1", title="Limits")
    with server.kernel(path) as kernel:
        assert kernel.run("x") == "1"
    return path


def private_things(server: Daemon, notebook: str) -> dict[str, Path]:
    record = server.record
    return {
        "socket": Path(record.socket),
        "socket folder": Path(record.scratch),
        "context": server.folder.options_file,
        "record": record_file(server.pid_file),
        "pid file": server.pid_file,
        "log": server.folder.stderr_log,
        "output": server.folder.stdout_log,
        "notebook": server.folder.work / notebook,
        "notebooks": server.folder.work,
        "kernelspecs": server.folder.runtime / "data" / "kernels",
    }


def test_another_unix_user_reaches_nothing(server: Daemon, notebook: str) -> None:
    things = private_things(server, notebook)
    assert all(path.exists() for path in things.values())
    if os.geteuid() != 0:  # nobody else can be tried, so the modes must say it
        for name, path in things.items():
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, name
        return
    # the folders above are open: it is ours that keep others out
    server.folder.path.parent.chmod(0o755)
    assert as_nobody("ls", str(server.folder.path.parent)).stdout == "alice\n"
    for name, path in things.items():
        for command in ("ls", "cat"):
            done = as_nobody(command, str(path))
            assert done.returncode != 0, name
            assert "Permission denied" in done.stderr, name
    connect = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    python = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
    assert "PermissionError" in as_nobody(python, "-c", connect, server.record.socket).stderr


def test_what_a_user_server_writes_is_of_its_owner_alone(server: Daemon, notebook: str) -> None:
    roots = [server.folder.path, Path(server.record.scratch)]
    found = [path for root in roots for path in (root, *root.rglob("*"))]
    assert server.folder.work / notebook in found
    closed = [path for path in found if stat.S_IMODE(path.lstat().st_mode) & 0o077 == 0]
    # a folder of mode 0700 above keeps others from all that lies below
    assert all(path in closed or path.parent in closed for path in found)
    assert set(roots) <= set(closed)


@pytest.mark.usefixtures("notebook")
def test_neither_server_nor_kernel_listens_on_a_tcp_or_udp_port(server: Daemon) -> None:
    members = server.members
    assert len(members) >= 2
    assert [connection for process in members for connection in process.net_connections("inet")] == []


@pytest.mark.usefixtures("notebook")
def test_no_kernel_offers_the_debugger_which_would_listen_on_a_port(server: Daemon) -> None:
    specs = server.request("GET", "api/kernelspecs")["kernelspecs"]
    ours = [spec for name, spec in specs.items() if name.startswith("site-")]
    assert ours
    assert not any(spec["spec"]["metadata"]["debugger"] for spec in ours)


def test_on_a_port_it_listens_on_the_loopback_interface_alone(folder: Path) -> None:
    port = free_port()
    with daemon_in(folder / "alice", port=port) as daemon:
        daemon.start()
        path = daemon.open_context(startup="x = 1")
        with daemon.kernel(path) as kernel:
            assert kernel.run("x") == "1"
        listening = {
            connection.laddr
            for process in daemon.members
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening == {("127.0.0.1", port)}


def test_the_secret_is_nowhere_but_in_the_record(server: Daemon, notebook: str) -> None:
    secret = server.record.secret
    assert len(secret) >= 43  # 256 bits
    for process in server.members:
        assert secret not in " ".join(process.cmdline())
        assert secret not in str(process.environ())
    with server.kernel(notebook) as kernel:
        assert LAUNCH_VARIABLE in kernel.run("import os; dict(os.environ)")
        assert secret not in kernel.run("dict(os.environ)")
    holders = [
        path
        for root in (server.folder.path, Path(server.record.scratch))
        for path in root.rglob("*")
        if path.is_file() and secret.encode() in path.read_bytes()
    ]
    assert holders == [record_file(server.pid_file)]


def test_of_a_killed_daemon_nothing_is_left_after_stop(folder: Path) -> None:
    with daemon_in(folder / "alice") as daemon:
        for number in range(KILLED_ROUNDS):
            record = daemon.start()
            path = daemon.open_context(startup="x = 1")
            with daemon.kernel(path) as kernel:
                left = int(kernel.run(SPAWN))
            everything = daemon.members
            assert {record.pid, left} < {process.pid for process in everything}
            os.kill(record.pid, signal.SIGKILL)
            wait_until(lambda record=record: processes.identity(record.pid) is None, "the daemon is dead")
            assert daemon.run("status").returncode == 5
            assert daemon.run("stop").returncode == 5
            assert [process for process in everything if processes.identity(process.pid)] == [], number
            assert processes.members(record) == [], number
            assert not Path(record.scratch).exists()
            assert daemon.cells(path)


def test_a_start_after_a_kill_ends_what_was_left(daemon: Daemon) -> None:
    before = daemon.start()
    path = daemon.open_context(startup="x = 1")
    with daemon.kernel(path) as kernel:
        left = int(kernel.run(SPAWN))
    os.kill(before.pid, signal.SIGKILL)
    wait_until(lambda: processes.identity(before.pid) is None, "the daemon is dead")
    after = daemon.start()
    assert after.launch_id != before.launch_id
    assert processes.identity(left) is None
    assert processes.members(before) == []


def test_stop_ends_what_a_kernel_left_running(daemon: Daemon) -> None:
    record = daemon.start()
    path = daemon.open_context(startup="x = 1")
    with daemon.kernel(path) as kernel:
        left = int(kernel.run(SPAWN))
    assert daemon.run("stop").returncode == 0
    assert processes.identity(left) is None
    assert processes.members(record) == []
