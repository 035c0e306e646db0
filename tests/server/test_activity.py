"""The dead-man switch: what keeps a user server alive, and what does not."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pyramid_notebook import processes
from pyramid_notebook.errors import UpstreamError
from pyramid_notebook.proxy.upstream import exchange
from pyramid_notebook.record import SECRET_HEADER, ServerRecord
from pyramid_notebook.server import activity as activity_module
from pyramid_notebook.server.activity import Activity

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


class Clocks:
    """A server with one terminal, the clock that nobody sets, and the system's clock that somebody sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, kill_timeout: int = 3600, max_lifetime: int = 0) -> None:
        self.steady, self.system = 1000.0, 1.6e9
        self.terminal = SimpleNamespace(last_activity=self.moment())
        self.ends: list[str] = []
        self.pauses: list[float] = []
        monkeypatch.setattr(activity_module, "clock", lambda: self.steady)
        monkeypatch.setattr(activity_module, "time", SimpleNamespace(time=lambda: self.system))
        loop = SimpleNamespace(call_later=lambda pause, callback: self.pauses.append(pause))
        monkeypatch.setattr(activity_module, "IOLoop", SimpleNamespace(current=lambda: loop))
        app: Any = SimpleNamespace(
            kernel_manager=SimpleNamespace(list_kernel_ids=list),
            web_app=SimpleNamespace(settings={"terminal_manager": SimpleNamespace(terminals={"1": self.terminal})}),
        )
        self.activity = Activity(app, kill_timeout=kill_timeout, max_lifetime=max_lifetime, end=self.ends.append)

    def moment(self) -> datetime:
        return datetime.fromtimestamp(self.system, UTC)

    def use(self) -> None:
        self.terminal.last_activity = self.moment()

    def go_on(self, seconds: float) -> None:
        """Let time pass, and look as often as the activity wants it."""
        end = self.steady + seconds
        while self.steady < end and not self.ends:
            self.activity._check()
            pause = min(self.pauses[-1], end - self.steady)
            self.steady += pause
            self.system += pause


@pytest.mark.parametrize("jump", [4000, -4000, 10**8])
@pytest.mark.parametrize("before", [True, False], ids=["used, then set", "set, then used"])
def test_a_server_that_was_just_used_outlives_a_clock_that_is_set(
    monkeypatch: pytest.MonkeyPatch, jump: int, before: bool
) -> None:
    clocks = Clocks(monkeypatch)
    clocks.go_on(3000)
    if before:
        clocks.use()
    clocks.system += jump
    if not before:
        clocks.use()
    clocks.go_on(3500)
    assert clocks.ends == []
    clocks.go_on(200)
    assert clocks.ends == ["nothing happened for 3600 seconds"]


def test_the_maximum_life_time_is_not_moved_by_a_clock_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks(monkeypatch, kill_timeout=0, max_lifetime=100)
    clocks.system += 4000
    clocks.go_on(90)
    assert clocks.ends == []
    clocks.system -= 10**6
    clocks.go_on(20)
    assert clocks.ends == ["it has reached its maximum life time of 100 seconds"]


def test_what_was_used_between_two_looks_counts_from_when_it_was_used(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks(monkeypatch)
    assert clocks.activity.idle == 0
    clocks.steady, clocks.system = clocks.steady + 50, clocks.system + 50
    clocks.terminal.last_activity = clocks.moment() - timedelta(seconds=20)
    assert clocks.activity.idle == pytest.approx(20)
