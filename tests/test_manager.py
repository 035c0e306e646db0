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

from pyramid_notebook import processes
from pyramid_notebook.context import NotebookContext
from pyramid_notebook.errors import LaunchError, LaunchTimeout, TooManyServers
from pyramid_notebook.manager import NotebookManager, Stage
from pyramid_notebook.proxy.upstream import ask
from pyramid_notebook.record import ServerOptions
from pyramid_notebook.settings import Settings
from tests.running import free_port, wait_until

#: Launches of one user from several processes at once; each round ends with one server.
LAUNCH_ROUNDS = 10

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


def test_a_server_that_hangs_is_replaced_at_the_next_launch(make_manager, monkeypatch):
    monkeypatch.setattr("pyramid_notebook.manager._ANSWER_SECONDS", 0.5)
    manager = make_manager(stop_timeout=1)
    manager.launch("alice", options())
    hung = manager.find("alice")
    os.kill(hung.pid, signal.SIGSTOP)
    manager.launch("alice", options())
    assert manager.find("alice").pid != hung.pid
    assert not processes.is_alive(hung)


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
