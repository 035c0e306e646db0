"""The user server closes the connections whose lease has ended."""

from __future__ import annotations

import grp
import json
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_notebook.proxy.upstream import ask as ask_json
from pyramid_notebook.proxy.upstream import exchange
from pyramid_notebook.record import LEASE_HEADER, SECRET_HEADER
from pyramid_notebook.server.leases import _FIRST_LOOKS, _LOOKS, _MEMORY_LOOKS, LOOK_SECONDS, Leases

from ..proxy.nginx_server import GROUP, WORKER
from .daemons import BASE, Daemon


class Stream:
    """A connection that tells whether it was closed."""

    def __init__(self) -> None:
        self.is_closed = False

    def closed(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def leases(monkeypatch: pytest.MonkeyPatch) -> Leases:
    """Leases whose time passes when a test says so."""
    monkeypatch.setattr(Leases, "_begin", lambda _self: None)
    return Leases()


def test_a_lease_that_was_renewed_goes_on_and_is_closed_when_it_is_not(leases: Leases) -> None:
    stream = Stream()
    assert leases.enter("a", stream)
    for _ in range(10):
        leases.look()
        leases.look()
        assert leases.tell(["a"], []) == []
    for _ in range(_LOOKS - 1):
        leases.look()
    assert not stream.is_closed
    leases.look()
    assert stream.is_closed
    assert _LOOKS * LOOK_SECONDS <= 4.5


def test_a_new_lease_has_to_be_renewed_sooner(leases: Leases) -> None:
    stream = Stream()
    leases.enter("a", stream)
    for _ in range(_FIRST_LOOKS):
        leases.look()
    assert stream.is_closed


def test_all_connections_of_a_lease_end_at_once_and_no_others(leases: Leases) -> None:
    ending, staying = [Stream(), Stream()], Stream()
    for stream in ending:
        leases.enter("a", stream)
    leases.enter("b", staying)
    assert leases.tell(["b"], ["a"]) == []
    assert all(stream.is_closed for stream in ending)
    assert not staying.is_closed


def test_nothing_comes_in_under_a_lease_that_has_ended_even_before_it_was_used(leases: Leases) -> None:
    leases.tell([], ["a"])
    for _ in range(_MEMORY_LOOKS - 1):
        leases.look()
        assert not leases.enter("a", Stream())
    leases.look()
    assert leases.enter("a", Stream())  # nobody comes with it any more


def test_a_lease_without_a_connection_is_told_as_unused(leases: Leases) -> None:
    stream = Stream()
    leases.enter("a", stream)
    assert leases.tell(["a", "b"], []) == ["b"]
    stream.close()
    assert leases.tell(["a", "b"], []) == ["a", "b"]
    leases.look()
    assert not leases._open


@given(st.lists(st.tuples(st.sampled_from("etxl"), st.sampled_from("abc"))))
def test_an_open_connection_always_belongs_to_a_lease_that_has_not_ended(steps: list[tuple[str, str]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Leases, "_begin", lambda _self: None)
        leases, streams = Leases(), {name: [] for name in "abc"}
        for step, name in steps:
            if step == "e":
                stream = Stream()
                if leases.enter(name, stream):
                    streams[name].append(stream)
            elif step == "t":
                leases.tell([name], [])
            elif step == "x":
                leases.tell([], [name])
                assert all(stream.is_closed for stream in streams[name])
            else:
                leases.look()
        for name, all_streams in streams.items():
            if not all(stream.is_closed for stream in all_streams):
                assert name in leases._open


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    server = Daemon(tmp_path_factory.mktemp("daemon") / "alice")
    server.configure()
    server.start()
    yield server
    server.clean_up()


def tell(daemon: Daemon, **told: object) -> tuple[int, object]:
    return ask_json(daemon.record, "POST", f"{BASE}-/leases", json=told, timeout=10)


def status_of(daemon: Daemon, path: str, lease: str) -> int:
    headers = [("Host", "localhost"), (SECRET_HEADER, daemon.record.secret), (LEASE_HEADER, lease)]
    answer = exchange(daemon.record, "GET", BASE + path, headers=headers, timeout=10)
    answer.close()
    return answer.status


def test_a_real_server_refuses_a_request_whose_lease_has_ended(daemon: Daemon) -> None:
    assert status_of(daemon, "api/status", "one") == 200
    assert tell(daemon, renewed=["one"], ended=["two"])[0] == 200
    assert status_of(daemon, "api/status", "two") == 403
    assert status_of(daemon, "api/status", "three") == 200


@pytest.mark.parametrize("told", [{}, {"renewed": "a", "ended": []}, {"renewed": [1], "ended": []}, {"renewed": []}])
def test_what_is_no_list_of_names_is_refused(daemon: Daemon, told: dict[str, object]) -> None:
    assert tell(daemon, **told)[0] == 400


def test_nobody_speaks_about_leases_without_the_secret(daemon: Daemon) -> None:
    body = json.dumps({"renewed": [], "ended": []}).encode()
    headers = [("Host", "localhost"), ("Content-Length", str(len(body))), ("Content-Type", "application/json")]
    answer = exchange(daemon.record, "POST", f"{BASE}-/leases", headers=headers, body=[body], timeout=10)
    answer.close()
    assert answer.status == 403


def test_to_speak_about_leases_is_no_activity(daemon: Daemon) -> None:
    before = daemon.status()["idle"]
    for _ in range(20):
        tell(daemon, renewed=[], ended=[])
    assert daemon.status()["idle"] > before


def test_the_socket_and_its_folder_are_closed_to_every_group(daemon: Daemon) -> None:
    socket = Path(daemon.record.socket)
    assert daemon.record.socket_group == ""
    assert socket.stat().st_mode & 0o777 == 0o600
    assert socket.parent.stat().st_mode & 0o777 == 0o700


def test_a_group_can_reach_the_socket_but_nothing_beside_it(tmp_path: Path) -> None:
    server = Daemon(tmp_path / "alice")
    server.configure(socket_group=GROUP)
    try:
        server.start()
        server.open_context(title="a kernel makes more sockets")
        scratch, number = Path(server.record.scratch), grp.getgrnam(GROUP).gr_gid
        assert (scratch.stat().st_mode & 0o7777 & ~stat.S_ISVTX, scratch.stat().st_gid) == (0o2710, number)
        for path in scratch.rglob("*"):
            assert (path.stat().st_mode & 0o077) == (0o060 if path.name == "s" else 0), path
        assert Path(server.record.socket).stat().st_gid == number
        assert server.record.socket_group == GROUP
    finally:
        server.clean_up()
    assert not scratch.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize(("group", "reached"), [(GROUP, True), ("", False)])
def test_a_user_of_the_group_gets_through_with_the_setting_only(tmp_path: Path, group: str, reached: bool) -> None:
    server = Daemon(tmp_path / "alice")
    server.configure(socket_group=group)
    try:
        server.start()
        dial = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
        person = subprocess.run(
            ["python3", "-I", "-c", dial, server.record.socket],
            user=WORKER, group=WORKER, extra_groups=[], env={"PATH": "/usr/bin:/bin"}, check=False, cwd="/",
        )  # fmt: skip
        assert (person.returncode == 0) == reached
    finally:
        server.clean_up()


def test_a_group_that_does_not_exist_is_told_before_the_start(tmp_path: Path) -> None:
    server = Daemon(tmp_path / "alice")
    server.configure(socket_group="no-such-group")
    done = server.run("start")
    assert done.returncode == 7
    assert "There is no UNIX group 'no-such-group'" in done.stderr
    assert not server.is_running()
