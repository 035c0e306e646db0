"""Which process is it, and how to end all that one launch started."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import psutil
import pytest

from pyramid_notebook import processes
from pyramid_notebook.record import LAUNCH_VARIABLE, ServerRecord

from .running import wait_until

#: Prints its pid, then waits for the end of its input, which comes with the end of the test at the latest.
WAIT = "import os, sys; print(os.getpid(), flush=True); sys.stdin.read()"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAIT}"

#: A server with a kernel in a session of its own, which left a process behind that no parent is known of.
FAMILY = """
import os, subprocess, sys
sleep = [sys.executable, "-c", "import time; time.sleep(120)"]
kernel = subprocess.Popen(sleep, start_new_session=True)
in_shell = subprocess.Popen(["/bin/sh", "-c", "sleep 120 & sleep 120 & wait"], start_new_session=True)
reading, writing = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.write(writing, str(os.getpid()).encode())
        os.execv(sys.executable, sleep)
    os._exit(0)
os.wait()
orphan = int(os.read(reading, 20))
print(os.getpid(), kernel.pid, in_shell.pid, orphan, flush=True)
sys.stdin.read()
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def launch() -> str:
    return secrets.token_hex(16)


@pytest.fixture
def start(launch: str) -> Iterator[Start]:
    """Start Python source as a process of the launch, and leave nothing of the launch behind."""
    started = []

    def begin(source: str, *, launch: str | None = launch) -> subprocess.Popen[str]:
        environment = {**os.environ, **({LAUNCH_VARIABLE: launch} if launch else {})}
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", source],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        )
        return started[-1]

    yield begin
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(LAUNCH_VARIABLE) == launch:
                process.kill()
    for child in started:
        child.kill()
        child.communicate()


def said(process: subprocess.Popen[str]) -> list[int]:
    """Wait until a process says which pids there are."""
    assert process.stdout
    return [int(word) for word in process.stdout.readline().split()]


def record_of(pid: int, launch: str) -> ServerRecord:
    return ServerRecord(pid=pid, identity=processes.identity(pid) or "", launch_id=launch)


def test_a_process_keeps_its_identity_as_long_as_it_runs(start: Start) -> None:
    process = start(WAIT)
    said(process)
    assert processes.identity(process.pid) == processes.identity(process.pid) is not None


def test_a_process_that_was_started_later_has_another_identity(start: Start) -> None:
    first = processes.identity(start(WAIT).pid)
    # identities count clock ticks of 10 ms
    wait_until(lambda: processes.identity(start(WAIT).pid) != first, "the clock ticks")


def test_a_command_name_with_spaces_and_brackets_does_not_confuse_the_identity(start: Start) -> None:
    name = "import ctypes; ctypes.CDLL(None).prctl(15, b') R 1 (x y', 0, 0, 0)"
    process = start(f"{name}; {WAIT}")
    before = psutil.Process(process.pid).create_time()
    said(process)
    identity = processes.identity(process.pid)
    assert identity is not None
    ticks = int(identity.rpartition("-")[2]) / os.sysconf("SC_CLK_TCK")
    assert abs(psutil.boot_time() + ticks - before) < 2


def test_a_process_that_ended_has_no_identity(start: Start) -> None:
    process = start("pass")
    process.communicate()
    assert processes.identity(process.pid) is None


def test_a_zombie_is_not_alive(start: Start, launch: str) -> None:
    process = start(WAIT)
    said(process)
    record = record_of(process.pid, launch)
    assert processes.is_alive(record)
    process.kill()
    wait_until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE, "it is a zombie")
    assert not processes.is_alive(record)
    assert processes.members(record) == []


def test_a_pid_that_was_used_again_is_not_the_server(start: Start, launch: str) -> None:
    stranger = start(WAIT, launch=None)
    said(stranger)
    record = ServerRecord(pid=stranger.pid, identity="boot-1", launch_id=launch)
    assert not processes.is_alive(record)
    assert processes.members(record) == []
    processes.end(record, timeout=1)
    assert stranger.poll() is None


def test_members_are_all_that_a_launch_started_wherever_it_went(start: Start, launch: str) -> None:
    pids = said(start(FAMILY))
    record = record_of(pids[0], launch)
    server, _, shell, orphan = pids
    wait_until(lambda: len(psutil.Process(shell).children()) == 2, "the shell started its children")
    in_shell = [child.pid for child in psutil.Process(shell).children()]
    assert os.getsid(orphan) != os.getsid(server)
    assert psutil.Process(orphan).ppid() != server
    assert sorted(process.pid for process in processes.members(record)) == sorted([*pids, *in_shell])


def test_members_are_found_after_the_server_was_killed(start: Start, launch: str) -> None:
    process = start(FAMILY)
    server, *others = said(process)
    record = record_of(server, launch)
    process.kill()
    process.wait()
    assert set(others) <= {member.pid for member in processes.members(record)}


def test_a_child_that_forgot_its_environment_is_found_by_its_session(start: Start, launch: str) -> None:
    source = (
        "import os, subprocess; os.environ.clear(); "
        f"subprocess.Popen(['/bin/sh', '-c', '/bin/sleep 120 & echo $!'], env={{}}).wait(); {WAIT}"
    )
    process = start(source)
    [forgetful] = said(process)
    said(process)
    assert LAUNCH_VARIABLE not in psutil.Process(forgetful).environ()
    assert forgetful in {member.pid for member in processes.members(record_of(process.pid, launch))}
    psutil.Process(forgetful).kill()


def test_processes_of_others_and_whoever_asks_are_no_members(start: Start, launch: str) -> None:
    mine, other, stranger = start(WAIT), start(WAIT, launch="other"), start(WAIT, launch=None)
    for process in (mine, other, stranger):
        said(process)
    assert [member.pid for member in processes.members(record_of(mine.pid, launch))] == [mine.pid]


@pytest.mark.parametrize("launch_id", ["", "None", None])
def test_a_launch_without_a_name_has_no_members(start: Start, launch_id: str) -> None:
    process = start(WAIT, launch=None)
    said(process)
    assert processes.members(ServerRecord(pid=process.pid, identity="gone", launch_id=launch_id)) == []


def test_a_process_that_is_gone_is_not_alive_whatever_the_record_lacks(start: Start, launch: str) -> None:
    process = start("pass")
    process.communicate()
    nameless: str = None  # type: ignore[assignment]
    assert not processes.is_alive(ServerRecord(pid=process.pid, identity=nameless, launch_id=launch))


def test_the_age_of_a_process_is_how_long_it_runs(start: Start, launch: str) -> None:
    began = processes.clock()
    process = start(WAIT)
    said(process)
    record = record_of(process.pid, launch)
    wait_until(lambda: processes.age(record) > 0.1, "it gets older")
    assert processes.age(record) <= processes.clock() - began + 0.02  # start times count ticks of 10 ms
    process.kill()
    process.wait()
    assert processes.age(record) == 0


def test_memory_is_that_of_all_members(start: Start, launch: str) -> None:
    pids = said(start(FAMILY))
    alone = psutil.Process(pids[0]).memory_info().rss
    assert alone < processes.memory(record_of(pids[0], launch)) < 100 * alone


def test_the_end_leaves_nothing(start: Start, launch: str) -> None:
    pids = said(start(FAMILY))
    record = record_of(pids[0], launch)
    everything = processes.members(record)
    processes.end(record, timeout=5)
    assert processes.members(record) == []
    assert [process for process in everything if processes.identity(process.pid)] == []


def test_the_end_of_a_killed_server_leaves_nothing(start: Start, launch: str) -> None:
    process = start(FAMILY)
    record = record_of(said(process)[0], launch)
    everything = processes.members(record)
    process.kill()
    process.wait()
    processes.end(record, timeout=5)
    assert [member for member in everything if processes.identity(member.pid)] == []


def test_a_process_that_does_not_listen_to_term_is_killed(start: Start, launch: str) -> None:
    process = start(DEAF)
    said(process)
    record = record_of(process.pid, launch)
    processes.end(record, timeout=0.2)
    assert processes.identity(process.pid) is None


def test_a_stopped_process_is_killed(start: Start, launch: str) -> None:
    process = start(WAIT)
    said(process)
    process.send_signal(signal.SIGSTOP)
    wait_until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED, "it is stopped")
    processes.end(record_of(process.pid, launch), timeout=0.2)
    assert processes.identity(process.pid) is None


def test_the_server_has_time_to_end_by_itself_and_to_end_its_kernels(start: Start, launch: str) -> None:
    source = (
        "import signal, subprocess, sys\n"
        "kernel = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(120)'])\n"
        "def stop(*_):\n"
        "    print(int(kernel.poll() is None), flush=True)\n"
        "    sys.exit()\n"
        f"signal.signal(signal.SIGTERM, stop)\n{WAIT}"
    )
    process = start(source)
    said(process)
    processes.end(record_of(process.pid, launch), timeout=5)
    assert said(process) == [1]  # its kernel was still there when the server was asked


def test_what_is_gone_already_ends_at_once(launch: str) -> None:
    began = time.monotonic()
    processes.end(ServerRecord(pid=1, identity="boot-1", launch_id=launch), timeout=10)
    assert time.monotonic() - began < 1


def test_a_process_whose_parent_never_asks_for_it_is_not_waited_for(start: Start, launch: str) -> None:
    source = (
        "import os, subprocess, sys\n"
        f"environment = {{**os.environ, '{LAUNCH_VARIABLE}': '{launch}'}}\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(120)'], env=environment)\n"
        "print(child.pid, flush=True)\nsys.stdin.read()"
    )
    parent = start(source, launch=None)
    [pid] = said(parent)
    record = record_of(pid, launch)
    began = time.monotonic()
    processes.end(record, timeout=20)
    assert time.monotonic() - began < 5
    assert psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
