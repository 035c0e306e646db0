"""Sessions: opened, shared, listed, closed; their kernels and notebooks."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from pyramid_notebook.rpc.opening import MOST_SESSIONS
from tests.running import wait_until
from tests.server.daemons import Daemon, Kernel

from .clients import Socket, connected, error_of, post
from .conftest import Opened


def test_a_session_is_opened_with_a_new_worksheet(server: Daemon) -> None:
    opened = post(server, "session.open")
    assert re.fullmatch(r"console-\d{4}-\d\d-\d\d-\d+\.ipynb", opened["notebook"])
    assert (server.folder.work / opened["notebook"]).exists()
    assert opened["language"]["name"] == "python"
    assert "Python" in opened["banner"]
    assert opened["count"] == 0
    assert opened["kernel_name"].startswith("site-")  # the site's own, with its startup script
    assert unquote(opened["address"]) == f"/notebook/alice/notebooks/{opened['notebook']}"
    assert re.fullmatch(r"[\w-]{20,}", opened["session"])


def test_a_kernel_has_one_session(session: Opened) -> None:
    by_kernel = post(session.server, "session.open", kernel=session.about["kernel"])
    by_notebook = post(session.server, "session.open", notebook=session.about["notebook"])
    assert by_kernel["session"] == by_notebook["session"] == session.id


def test_a_session_shares_the_kernel_of_the_notebooks_page(server: Daemon) -> None:
    path = server.open_context(title="Shared")
    assert post(server, "session.open", notebook=path)["kernel"] == server.kernel_of(path)


def test_a_kernel_without_a_notebook_has_a_session_without_one(server: Daemon) -> None:
    kernel = server.request("POST", "api/kernels", {"name": "python3"})["id"]
    opened = post(server, "session.open", kernel=kernel)
    assert (opened["notebook"], opened["address"]) == (None, None)
    assert post(server, "execute", session=opened["session"], code="1")["status"] == "ok"
    server.request("DELETE", f"api/kernels/{kernel}")


def test_a_notebook_is_made_where_that_was_asked_for(server: Daemon) -> None:
    error = error_of(server, "session.open", notebook="mine.ipynb")
    assert (error["code"], error["data"]["reason"]) == (-32007, "no-such-notebook")
    opened = post(server, "session.open", notebook="mine.ipynb", new=True, kernel_name="python3")
    assert (opened["notebook"], opened["kernel_name"]) == ("mine.ipynb", "python3")
    assert json.loads((server.folder.work / "mine.ipynb").read_text())["metadata"]["kernelspec"]["name"] == "python3"
    post(server, "shutdown", session=opened["session"])


def test_folders_of_a_new_notebook_are_made(server: Daemon) -> None:
    opened = post(server, "session.open", notebook="reports/2026/may.ipynb", new=True)
    assert (server.folder.work / "reports/2026/may.ipynb").is_file()
    post(server, "shutdown", session=opened["session"])


@pytest.mark.parametrize(
    "path", ["../x.ipynb", "a/../../x.ipynb", "x.txt", "a\\b.ipynb", "/etc/x.ipynb\0.ipynb", ".ipynb/.."]
)
def test_a_path_that_leads_elsewhere_makes_nothing(server: Daemon, path: str) -> None:
    before = sorted(server.folder.path.rglob("*.ipynb"))
    error = error_of(server, "session.open", notebook=path, new=True)
    assert error["code"] == -32602
    assert sorted(server.folder.path.rglob("*.ipynb")) == before


@pytest.mark.parametrize("params", [{"kernel": "0"}, {"kernel_name": "fortran"}])
def test_what_is_not_there_is_named(server: Daemon, params: dict[str, str]) -> None:
    assert error_of(server, "session.open", **params)["code"] == -32007


def test_a_kernel_and_a_notebook_are_not_opened_at_once(session: Opened) -> None:
    error = error_of(session.server, "session.open", kernel=session.about["kernel"], notebook="a.ipynb")
    assert error["code"] == -32602


def test_who_lost_the_answer_opens_again_with_the_same_key(server: Daemon) -> None:
    first = post(server, "session.open", key="lost answer")
    assert post(server, "session.open", key="lost answer")["notebook"] == first["notebook"]
    assert post(server, "session.open", key="another")["notebook"] != first["notebook"]


def test_two_that_open_at_once_with_one_key_get_one_session(server: Daemon) -> None:
    with connected(server) as first, connected(server) as second:
        asked = [(socket, socket.ask("session.open", key="both")) for socket in (first, second)]
        answers = [socket.answer(number)["result"] for socket, number in asked]
    assert answers[0]["session"] == answers[1]["session"]


def test_sessions_are_listed(session: Opened) -> None:
    found = {one["session"]: one for one in post(session.server, "session.list")}
    assert found[session.id]["notebook"] == session.about["notebook"]
    assert found[session.id]["frontends"] == 1


def test_who_closes_hears_no_more_and_the_kernel_goes_on(session: Opened) -> None:
    with connected(session.server) as other:
        other.call("session.open", kernel=session.about["kernel"])
        other.call("session.close", session=session.id)
        session.run("1")
        other.call("session.list")
        assert other.events == []


def test_the_id_of_a_session_that_is_not_there_opens_nothing(server: Daemon) -> None:
    for method, params in (
        ("execute", {"code": "1"}),
        ("session.events", {}),
        ("session.close", {}),
        ("interrupt", {}),
        ("restart", {}),
        ("shutdown", {}),
        ("variables", {}),
        ("complete", {"code": "", "cursor": 0}),
        ("input.reply", {"execution": "x", "value": ""}),
    ):
        error = error_of(server, method, session="AAAAAAAAAAAAAAAAAAAAAA", **params)
        assert (error["code"], error["data"]["reason"]) == (-32001, "no-such-session")


def test_what_a_session_tells_first_is_where_it_is(session: Opened) -> None:
    session.run("1")
    opened = post(session.server, "session.open", kernel=session.about["kernel"])
    assert (opened["state"], opened["oldest"]) == ("idle", 1)
    assert opened["seq"] == post(session.server, "session.events", session=session.id)["seq"]


def test_the_count_of_a_kernel_that_others_have_used_is_told(server: Daemon) -> None:
    path = server.open_context(title="Used before")
    with server.kernel(path) as kernel:
        kernel.run("1")
        kernel.run("2")
    assert post(server, "session.open", notebook=path)["count"] == 2


def dead(socket: Socket) -> None:
    socket.until("status", state="dead")


def test_a_restart_forgets_what_ran_and_the_session_goes_on(server: Daemon) -> None:
    opened = post(server, "session.open")
    with connected(server) as socket:
        socket.call("session.open", kernel=opened["kernel"])
        socket.run(opened["session"], "x = 1")
        running = socket.call("execute", session=opened["session"], code="import time; time.sleep(60)")["execution"]
        socket.until("begin", execution=running)
        socket.call("restart", session=opened["session"])
        end = socket.until("end", execution=running)[-1]
        assert end["status"] in ("aborted", "error")  # Jupyter interrupts a kernel before it ends it
        assert socket.run(opened["session"], "x")[-1]["status"] == "error"
        assert socket.run(opened["session"], "1")[-1]["count"] == 2
        socket.call("shutdown", session=opened["session"])
        dead(socket)
        answer = socket.answer(socket.ask("execute", session=opened["session"], code="1"))
        assert (answer["error"]["code"], answer["error"]["data"]["reason"]) == (-32002, "kernel-dead")


def test_a_kernel_that_dies_ends_what_runs_and_comes_back(server: Daemon) -> None:
    opened = post(server, "session.open")
    with connected(server) as socket:
        socket.call("session.open", kernel=opened["kernel"])
        execution = socket.call("execute", session=opened["session"], code="import os; os._exit(1)")["execution"]
        end = socket.until("end", execution=execution)[-1]
        assert (end["status"], end["reason"]) == ("aborted", "died")
        socket.until("status", state="idle")
        assert socket.run(opened["session"], "1")[-1]["status"] == "ok"
        socket.call("shutdown", session=opened["session"])
        dead(socket)


def test_a_session_of_a_busy_kernel_tells_when_it_has_done_what_nobody_was_told_of(
    server: Daemon, tmp_path: Path
) -> None:
    begun, gate = tmp_path / "begun", tmp_path / "gate"
    kernel = server.request("POST", "api/kernels", {"name": "python3"})["id"]
    code = f"""import pathlib, time
pathlib.Path({str(begun)!r}).touch()
while not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.01)"""
    with server.websocket(f"api/kernels/{kernel}/channels") as connection, connected(server) as socket:
        Kernel(connection).begin(code)
        wait_until(begun.exists, "the kernel is busy")
        assert socket.call("session.open", kernel=kernel)["state"] == "busy"
        gate.touch()
        socket.until("status", state="idle")
    server.request("DELETE", f"api/kernels/{kernel}")


def test_there_is_room_for_so_many_sessions(server: Daemon) -> None:
    # sessions of kernels that are gone make room for new ones, and nobody else's do
    kernels = [server.request("POST", "api/kernels", {"name": "python3"})["id"] for _ in range(2)]
    first = post(server, "session.open", kernel=kernels[0])["session"]
    server.request("DELETE", f"api/kernels/{kernels[0]}")
    wait_until(
        lambda: next(one for one in post(server, "session.list") if one["session"] == first)["state"] == "dead",
        "the session knows that its kernel is gone",
    )
    assert len(post(server, "session.list")) < MOST_SESSIONS
    post(server, "session.close", session=first)
    assert first not in [one["session"] for one in post(server, "session.list")]
    server.request("DELETE", f"api/kernels/{kernels[1]}")
