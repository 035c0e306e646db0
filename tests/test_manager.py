"""The manager with real user servers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from pyramid_notebook import pidfile, processes
from pyramid_notebook.context import NotebookContext
from pyramid_notebook.errors import LaunchError, LaunchTimeout, NotAnswering, StopError, TooManyServers
from pyramid_notebook.files import locked
from pyramid_notebook.layout import record_file
from pyramid_notebook.manager import NotebookManager, Stage
from pyramid_notebook.proxy.upstream import ask
from pyramid_notebook.record import ServerOptions
from pyramid_notebook.settings import Settings
from tests.running import free_port, wait_until

#: Launches of one user from several processes at once; each round ends with one server.
LAUNCH_ROUNDS = 5

LAUNCH = """
import sys
from pyramid_notebook.manager import NotebookManager
from pyramid_notebook.record import ServerOptions
from pyramid_notebook.context import NotebookContext
from pyramid_notebook.settings import Settings
manager = NotebookManager(Settings(notebook_folder=sys.argv[1]))
context = NotebookContext.from_mapping({}).to_dict()
manager.launch("alice", ServerOptions(user="alice", base_url="/n/alice/", context=context))
print(manager.find("alice").pid)
"""


def options(user: str = "alice", base_url: str = "", **context) -> ServerOptions:
    checked = NotebookContext.from_mapping(context).to_dict()
    return ServerOptions(user=user, base_url=base_url or f"/n/{user}/", context=checked)


@pytest.fixture
def make_manager(tmp_path):
    managers = []

    def make(**settings) -> NotebookManager:
        managers.append(NotebookManager(Settings(notebook_folder=str(tmp_path / "nb"), **settings)))
        return managers[-1]

    yield make
    for manager in managers[:1]:
        for record in manager.servers():
            manager.stop(record.user)


@pytest.fixture
def manager(make_manager) -> NotebookManager:
    return make_manager()


def test_a_launch_tells_its_stages_and_ends_with_the_path_of_the_notebook(manager):
    stages = list(manager.launching("alice", options()))
    assert [step.stage for step in stages] == [Stage.STARTING, Stage.LOADING, Stage.OPENING]
    name = NotebookContext.from_mapping({}).notebook_name
    assert stages[-1].path == f"/n/alice/notebooks/{name}"
    assert (manager.folder("alice").work / name).is_file()


def test_launches_of_one_user_from_eight_processes_at_once_make_one_server(manager):
    root = str(manager.root)
    for _ in range(LAUNCH_ROUNDS):
        running = [
            subprocess.Popen([sys.executable, "-c", LAUNCH, root], stdout=subprocess.PIPE, text=True) for _ in range(8)
        ]
        pids = {process.communicate(timeout=120)[0].strip() for process in running}
        assert len(pids) == 1
        daemons = [item for item in psutil.process_iter(["cmdline"]) if root in " ".join(item.info["cmdline"] or ())]
        assert [str(item.pid) for item in daemons if "notebook_daemon.py" in " ".join(item.cmdline())] == list(pids)
        assert manager.stop("alice")


def test_a_restarted_site_finds_the_running_server_and_keeps_it(make_manager):
    make_manager().launch("alice", options())
    record = make_manager().find("alice")
    assert record is not None
    make_manager().launch("alice", options())
    assert make_manager().find("alice") == record


def test_a_new_context_keeps_the_running_server_and_gets_a_kernel_and_a_notebook_of_its_own(manager):
    manager.launch("alice", options())
    record = manager.find("alice")
    path = manager.launch("alice", options(startup="a = 1", title="Second"))
    assert manager.find("alice") == record
    assert path.endswith(NotebookContext.from_mapping({"startup": "a = 1", "title": "Second"}).notebook_name)
    specs = ask(record, "GET", "/n/alice/api/kernelspecs", timeout=10)[1]["kernelspecs"]
    assert {"Shell", "Second"} <= {spec["spec"]["display_name"] for spec in specs.values()}


def test_a_new_context_restarts_the_server_where_the_setting_says_so(make_manager):
    manager = make_manager(context_change="restart")
    manager.launch("alice", options())
    first = manager.find("alice")
    manager.launch("alice", options())
    assert manager.find("alice") == first
    manager.launch("alice", options(startup="a = 1"))
    assert manager.find("alice").pid != first.pid


def test_another_url_path_restarts_the_server(manager):
    manager.launch("alice", options())
    first = manager.find("alice")
    manager.launch("alice", options(base_url="/other/"))
    assert manager.find("alice").base_url == "/other/"
    assert not processes.is_alive(first)


def test_a_context_can_ask_for_a_loopback_port_and_its_own_kill_timeout(manager):
    port = free_port()
    manager.launch("alice", options(http_port=port, kill_timeout=77))
    record = manager.find("alice")
    assert (record.port, record.socket, record.kill_timeout) == (port, "", 77)


def test_one_server_more_than_allowed_is_refused_with_a_time_to_come_back(make_manager):
    manager = make_manager(max_servers=1)
    manager.launch("alice", options())
    with pytest.raises(TooManyServers) as refusal:
        manager.launch("bob", options("bob"))
    assert refusal.value.status == 503
    assert refusal.value.retry_after > 0
    manager.launch("alice", options())  # who has a server is not refused
    manager.stop("alice")
    manager.launch("bob", options("bob"))


def test_launches_of_many_users_at_once_never_exceed_the_limit(make_manager):
    manager = make_manager(max_servers=2)

    def launch(name: str) -> bool:
        try:
            manager.launch(name, options(name))
        except TooManyServers:
            return False
        return True

    with ThreadPoolExecutor(5) as pool:
        started = list(pool.map(launch, ("a", "b", "c", "d", "e")))
    assert started.count(True) == len(manager.servers()) == 2


def test_a_failed_start_brings_the_end_of_the_log(make_manager):
    manager = make_manager()
    with pytest.raises(LaunchError) as failure:
        manager.launch("alice", options(jinja_environment_options={"no_such_option": 1}))
    assert "no_such_option" in failure.value.log
    assert manager.find("alice") is None


def test_an_interpreter_that_does_not_exist_is_named(make_manager):
    with pytest.raises(LaunchError, match="/no/such/python"):
        make_manager(python="/no/such/python").launch("alice", options())


def test_a_server_that_is_too_slow_is_given_up_and_nothing_of_it_stays(make_manager, tmp_path):
    slow = tmp_path / "python"
    slow.write_text(f'#!/bin/sh\nexec {sys.executable} -X importtime -c "import time; time.sleep(60)" "$@"\n')
    slow.chmod(0o700)
    manager = make_manager(python=str(slow), start_timeout=1)
    with pytest.raises(LaunchTimeout, match="within 1 seconds"):
        manager.launch("alice", options())
    assert manager.find("alice") is None
    commands = (" ".join(item.info["cmdline"] or ()) for item in psutil.process_iter(["cmdline"]))
    assert not [command for command in commands if str(manager.root) in command]


def test_a_server_that_is_slow_is_kept_and_the_way_out_is_told(manager, monkeypatch):
    monkeypatch.setattr("pyramid_notebook.manager._ANSWER_SECONDS", 0.5)
    manager.launch("alice", options())
    slow = manager.find("alice")
    os.kill(slow.pid, signal.SIGSTOP)
    try:
        with pytest.raises(NotAnswering, match="shut it down and start it anew") as silence:
            manager.launch("alice", options())
        assert silence.value.status == 504
    finally:
        os.kill(slow.pid, signal.SIGCONT)
    monkeypatch.undo()
    manager.launch("alice", options())
    assert manager.find("alice") == slow


def test_a_server_that_never_answers_again_can_be_shut_down_and_started_anew(make_manager):
    manager = make_manager(stop_timeout=1)
    manager.launch("alice", options())
    hung = manager.find("alice")
    os.kill(hung.pid, signal.SIGSTOP)
    assert manager.stop("alice")
    assert not processes.is_alive(hung)
    manager.launch("alice", options())


def loading(manager, *, then=signal.SIGCONT):
    """Begin a launch of alice's server in a web worker that is killed while it loads; a signal goes to the daemon."""
    worker = subprocess.Popen([sys.executable, "-c", LAUNCH, str(manager.root)], stdout=subprocess.DEVNULL)
    pid_file = manager.folder("alice").pid_file
    record = wait_until(lambda: pidfile.read_record(pid_file), "the daemon is there")
    os.kill(record.pid, then)
    worker.kill()
    worker.wait()
    assert not record.listening
    return record


def test_a_server_that_loads_for_a_dead_web_worker_is_waited_for(manager):
    record = loading(manager)
    manager.launch("alice", options())
    assert manager.find("alice").pid == record.pid


def test_a_server_that_hangs_while_it_loads_is_replaced(make_manager):
    manager = make_manager(start_timeout=10, stop_timeout=1)
    hung = loading(manager, then=signal.SIGSTOP)
    manager.launch("alice", options())
    assert manager.find("alice").pid != hung.pid
    assert not processes.is_alive(hung)


def test_a_server_that_loads_for_a_dead_web_worker_takes_a_place(make_manager):
    manager = make_manager(max_servers=1, stop_timeout=1)
    hung = loading(manager, then=signal.SIGSTOP)
    try:
        with pytest.raises(TooManyServers):
            manager.check_place("bob")
    finally:
        manager.stop("alice")
    assert not processes.is_alive(hung)
    manager.check_place("bob")


def test_a_server_whose_record_is_lost_is_stopped(manager):
    manager.launch("alice", options())
    lost = manager.find("alice")
    record_file(manager.folder("alice").pid_file).unlink()
    assert manager.find("alice") is None
    assert manager.stop("alice")
    assert not processes.is_alive(lost)


def test_a_server_whose_record_is_lost_is_replaced(make_manager):
    manager = make_manager(start_timeout=10)
    manager.launch("alice", options())
    lost = manager.find("alice")
    record_file(manager.folder("alice").pid_file).unlink()
    manager.launch("alice", options())
    assert manager.find("alice").pid != lost.pid
    assert not processes.is_alive(lost)


@pytest.mark.parametrize("text", ["", "hello", "9" * 5000])
def test_a_pid_file_that_names_no_process_does_not_keep_a_launch(manager, text):
    manager._prepare("alice")
    manager.folder("alice").pid_file.write_text(text)
    manager.launch("alice", options())
    assert manager.find("alice")


def test_the_folder_of_one_user_that_cannot_be_used_does_not_disturb_the_others(manager, caplog):
    for name, spoil in {
        "binary": lambda path: path.write_bytes(b"\xff\xfe\0"),
        "deep": lambda path: path.write_text("[" * 100_000),
        "link": lambda path: path.symlink_to("/etc/hostname"),
        "folder": lambda path: path.mkdir(),
    }.items():
        folder = manager._prepare(name)
        spoil(record_file(folder.pid_file))
    manager._prepare("locked").lock_file.symlink_to("/nowhere")
    manager.launch("alice", options())
    assert [record.user for record in manager.servers()] == ["alice"]
    manager.sweep()
    left_out = {message.split()[3].rpartition("/")[2] for message in caplog.messages if "is left out" in message}
    assert left_out == {"link", "folder", "locked"}


def test_a_folder_that_cannot_be_used_is_told_in_words(manager):
    manager._prepare("alice")
    (manager.root / ".count.lock").mkdir()
    with pytest.raises(LaunchError, match=r"its folder cannot be used \(Is a directory\)"):
        manager.launch("alice", options())
    manager.folder("alice").lock_file.unlink()
    manager.folder("alice").lock_file.mkdir()
    with pytest.raises(StopError, match=r"its folder cannot be used \(Is a directory\)"):
        manager.stop("alice")


def test_a_launch_that_waits_too_long_for_its_turn_to_take_a_place_says_so(manager, monkeypatch):
    monkeypatch.setattr("pyramid_notebook.manager._COUNT_SECONDS", 0.05)
    manager._prepare("alice")
    with locked(manager.root / ".count.lock", timeout=0), pytest.raises(LaunchTimeout, match="Try again"):
        manager.launch("alice", options())


@pytest.mark.parametrize("answer", [[], None, {}, {"path": None}, {"path": 7}, "path"])
def test_an_answer_without_the_path_of_a_notebook_is_told_in_words(manager, monkeypatch, answer):
    manager.launch("alice", options())
    monkeypatch.setattr("pyramid_notebook.manager.ask", lambda *arguments, **options: (200, answer))
    with pytest.raises(LaunchError, match="could not load the notebook"):
        manager.launch("alice", options())


def test_a_killed_server_is_not_found_and_the_next_launch_starts_it_again_with_all_files(manager):
    manager.launch("alice", options())
    first = manager.find("alice")
    precious = manager.folder("alice").work / "precious.ipynb"
    precious.write_text("{}")
    os.kill(first.pid, signal.SIGKILL)
    wait_until(lambda: manager.find("alice") is None, "the death is noticed")
    manager.launch("alice", options())
    assert manager.find("alice").pid != first.pid
    assert precious.read_text() == "{}"
    wait_until(lambda: not processes.members(first), "nothing of the first launch runs")
    assert not Path(first.scratch).exists()


def test_a_sweep_removes_what_a_crashed_server_left(manager):
    manager.launch("alice", options())
    record = manager.find("alice")
    os.kill(record.pid, signal.SIGKILL)
    wait_until(lambda: manager.find("alice") is None, "the death is noticed")
    assert manager.sweep() == ["alice"]
    assert not processes.members(record)
    assert not Path(record.scratch).exists()
    assert not manager.folder("alice").pid_file.exists()
    assert manager.sweep() == []


def test_stopping_a_user_without_a_server_does_nothing(manager):
    assert manager.stop("nobody") is False
    assert not manager.folder("nobody").path.exists()


@pytest.mark.parametrize("name", ["../x", "a/b", "ümlaut", "a b", "A", "a", "x" * 200])
def test_whatever_the_user_is_called_their_folder_lies_in_the_notebook_folder(manager, name):
    folder = manager.folder(name).path
    assert folder.parent == manager.root
    assert folder.name not in ("", ".", "..")
