"""The dead-man switch: what keeps a user server alive, and what does not."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from pyramid_notebook import processes
from pyramid_notebook.errors import UpstreamError
from pyramid_notebook.proxy.upstream import exchange
from pyramid_notebook.record import SECRET_HEADER, ServerRecord

from ..running import wait_until
from .daemons import Daemon, daemon_in

#: Seconds without activity after which the servers of these tests end.
KILL_TIMEOUT = 2
#: Seconds that ending may take, on a machine that has more to do.
GRACE = 4


@contextmanager
def started(folder: Path, *, kill_timeout: int = KILL_TIMEOUT, max_lifetime: int = 0) -> Iterator[Daemon]:
    with daemon_in(folder / "alice", kill_timeout=kill_timeout) as daemon:
        daemon.configure(max_lifetime=max_lifetime)
        daemon.start()
        yield daemon


def wait_until_ended(daemon: Daemon, record: ServerRecord) -> None:
    wait_until(lambda: processes.identity(record.pid) is None, "the server ends", seconds=KILL_TIMEOUT + GRACE)
    wait_until(lambda: not processes.members(record), "its kernels end")
    assert not daemon.pid_file.exists()
    assert not Path(record.scratch).exists()


def lasts(daemon: Daemon, seconds: float, action: Callable[[], object], *, pause: float = 0.5) -> bool:
    """Do something now and then, and tell whether the server lasts as long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not daemon.is_running():
            return False
        action()
        time.sleep(pause)
    return daemon.is_running()


def test_in_the_foreground_a_server_that_nobody_uses_ends_with_its_own_exit_code(folder: Path) -> None:
    with daemon_in(folder / "alice", kill_timeout=1) as daemon:
        process = subprocess.Popen(daemon.command("fg"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        _, log = process.communicate(timeout=30)
        assert process.returncode == 66
        assert "This server ends: nothing happened for 1 seconds" in log
        assert not daemon.pid_file.exists()


def test_a_server_that_nobody_uses_ends_with_its_kernels_and_says_why(folder: Path) -> None:
    with started(folder, kill_timeout=1) as daemon:
        record = daemon.record
        daemon.open_context(startup="x = 1")
        assert len(processes.members(record)) >= 2
        wait_until_ended(daemon, record)
        assert "nothing happened for 1 seconds" in daemon.log


def test_polls_and_pings_do_not_keep_a_server(folder: Path) -> None:
    with started(folder) as daemon:
        record = daemon.record
        path = daemon.open_context(startup="x = 1")
        wait_until(lambda: not daemon.status()["busy"], "the kernel is idle")
        with ExitStack() as connections:
            kernel = connections.enter_context(daemon.websocket(f"api/kernels/{daemon.kernel_of(path)}/channels"))
            events = connections.enter_context(daemon.websocket("api/events/subscribe"))

            def poll() -> None:
                with suppress(UpstreamError, OSError, AssertionError):  # it may end while it is asked
                    for address in ("api/status", "api/kernels", "api/sessions", "api/contents", "-/status"):
                        daemon.request("GET", address)
                    kernel.ping()
                    events.ping()

            assert not lasts(daemon, KILL_TIMEOUT + GRACE, poll)
        wait_until_ended(daemon, record)


def test_running_cells_keeps_a_server(folder: Path) -> None:
    with started(folder) as daemon:
        record = daemon.record
        with daemon.kernel(daemon.open_context(startup="x = 1")) as kernel:
            assert lasts(daemon, KILL_TIMEOUT + 1.5, lambda: kernel.run("x"))
        wait_until_ended(daemon, record)


def test_saving_keeps_a_server(folder: Path) -> None:
    with started(folder) as daemon:
        record = daemon.record
        text = {"type": "file", "format": "text", "content": "x"}
        assert lasts(daemon, KILL_TIMEOUT + 1.5, lambda: daemon.request("PUT", "api/contents/a.txt", text))
        wait_until_ended(daemon, record)


def test_typing_into_a_shared_document_keeps_a_server(folder: Path) -> None:
    # what is typed is saved when nothing was typed for a second, and that is the activity
    with started(folder, kill_timeout=KILL_TIMEOUT + 1) as daemon:
        record = daemon.record
        path = daemon.open_context(startup="x = 1")
        with daemon.document(path) as document:
            assert lasts(daemon, KILL_TIMEOUT + 3, lambda: document.type("x"), pause=1.5)
        wait_until_ended(daemon, record)


def test_a_busy_kernel_keeps_a_server_until_it_is_done(folder: Path) -> None:
    with started(folder) as daemon:
        record = daemon.record
        with daemon.kernel(daemon.open_context(startup="x = 1")) as kernel:
            assert kernel.run(f"import time; time.sleep({KILL_TIMEOUT + 1.5}); print('done')") == "done\n"
            assert daemon.is_running()
        wait_until_ended(daemon, record)


def test_the_maximum_life_time_ends_a_busy_server_too(folder: Path) -> None:
    with started(folder, kill_timeout=0, max_lifetime=2) as daemon:
        record = daemon.record
        with daemon.kernel(daemon.open_context(startup="x = 1")) as kernel:
            kernel.begin("import time; time.sleep(60)")
            wait_until(lambda: not daemon.is_running() or daemon.status()["busy"], "it is busy")
            wait_until_ended(daemon, record)
        assert "maximum life time of 2 seconds" in daemon.log


def test_without_a_limit_the_switch_is_off(server: Daemon) -> None:
    assert server.record.kill_timeout == server.record.max_lifetime == 0
    assert server.status()["idle"] >= 0
    assert server.is_running()


def test_the_idle_time_starts_anew_with_each_use(server: Daemon) -> None:
    with server.kernel(server.open_context(startup="x = 1")) as kernel:
        kernel.run("x")
        wait_until(lambda: server.status()["idle"] > 0.5, "some time passes")
        kernel.run("x")
        assert server.status()["idle"] < 0.5


def test_a_refused_request_is_no_activity(server: Daemon) -> None:
    wait_until(lambda: server.status()["idle"] > 0.5, "some time passes")
    headers = [("Host", "localhost"), (SECRET_HEADER, "wrong"), ("Content-Length", "0")]
    target = f"{server.record.base_url}api/kernels"
    answer = exchange(server.record, "POST", target, headers=headers, body=[b""], timeout=10)
    assert answer.status == 403
    answer.close()
    assert server.status()["idle"] > 0.5


def test_the_switch_works_again_after_the_process_was_stopped_for_a_while(folder: Path) -> None:
    with started(folder, kill_timeout=1) as daemon:
        record = daemon.record
        for number in (signal.SIGSTOP, signal.SIGCONT):
            os.kill(record.pid, number)
        wait_until_ended(daemon, record)
