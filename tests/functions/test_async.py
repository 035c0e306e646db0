"""Calls whose caller does not wait, callers that go away, and calls that take too long."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any

import psutil
import pytest

from pyramid_notebook.functions.options import FunctionOptions
from tests.running import wait_until

from .callers import Caller, code

HOOKS: Queue[dict[str, Any]] = Queue()


class Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        HOOKS.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_about: Any) -> None:
        pass


SERVER = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
HOST = f"127.0.0.1:{SERVER.server_port}"
OPTIONS = FunctionOptions(timeout=2, long_timeout=30, keep_seconds=3600, webhook_hosts=(HOST,))


@pytest.fixture(scope="module", autouse=True)
def hooks() -> Iterator[None]:
    thread = threading.Thread(target=SERVER.serve_forever, daemon=True)
    thread.start()
    yield
    SERVER.shutdown()
    SERVER.server_close()
    thread.join()


@pytest.fixture(scope="module")
def waiting(caller: Caller) -> str:
    """A notebook that goes on when there is a file."""
    return caller.write(
        "waiting.ipynb",
        code("name = 'go'\nchild = False", "parameters"),
        code("import os, subprocess, sys, time\nopen(f'{name}.pid', 'w').write(str(os.getpid()))"),
        code(
            "if child:\n"
            "    detached = subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
            "    open(f'{name}.child', 'w').write(str(detached.pid))"
        ),
        code("print('waiting')\nprint(' 50%|##   | 1/2', file=sys.stderr)"),
        code("while not os.path.exists(name): time.sleep(0.01)"),
        code("{'name': name}", "return"),
    )


def pid_in(caller: Caller, name: str) -> int:
    place = caller.daemon.folder.work / name
    return int(wait_until(lambda: place.exists() and place.read_text(), f"{name} is there"))


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def go_on(caller: Caller, name: str) -> None:
    (caller.daemon.folder.work / name).touch()


def events_of(text: str) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if lines:
            found.append((lines["event"], json.loads(lines["data"])))
    return found


def test_a_call_that_nobody_waits_for_is_202_and_its_result_is_fetched_later(caller: Caller, waiting: str) -> None:
    answer = caller.get(waiting, {"name": "later"}, Prefer="respond-async")
    assert (answer.status, answer.headers["Preference-Applied"]) == (202, "respond-async")
    address = answer.headers["Location"].removeprefix(caller.daemon.record.base_url)
    wait_until(lambda: caller.ask("GET", address).json["percent"] == 50, "it has told how far it is")
    status = caller.ask("GET", address).json
    assert (status["state"], status["cell"], status["of"]) == ("running", 5, 6)
    early = caller.ask("GET", f"{address}/result")
    assert (early.status, early.headers["Retry-After"]) == (409, "1")
    go_on(caller, "later")
    wait_until(lambda: caller.ask("GET", address).json["state"] == "done", "it is done")
    assert caller.ask("GET", address).json["result"] == f"{answer.headers['Location']}/result"
    assert caller.ask("GET", f"{address}/result").json == {"name": "later"}


def test_a_caller_may_wait_for_a_while(caller: Caller, waiting: str) -> None:
    go_on(caller, "quick")
    answer = caller.get(waiting, {"name": "quick"}, Prefer="respond-async, wait=20")
    assert (answer.status, answer.json) == (200, {"name": "quick"})


def test_events_tell_what_happens_until_the_end_and_what_it_wrote_is_the_owners(
    caller: Caller, owner: Caller, waiting: str
) -> None:
    run = caller.get(waiting, {"name": "events"}, Prefer="respond-async").json["id"]
    go_on(caller, "events")
    events = events_of(caller.ask("GET", f"restified/{waiting}/-/runs/{run}/events").body.decode())
    assert [name for name, _ in events] == ["start", *["cell"] * 6, "end"]
    assert events[-1] == ("end", {"state": "done"})
    told = owner.ask("GET", f"restified/{waiting}/-/runs/{run}/events", Last_Event_ID="1").body.decode()
    assert ("stream", {"name": "stdout", "text": "waiting\n"}) in events_of(told)
    assert "event: start" not in told


def test_a_run_is_cancelled_by_delete_with_all_that_it_started(caller: Caller, waiting: str) -> None:
    run = caller.get(waiting, {"name": "cancel", "child": "true"}, Prefer="respond-async").json["id"]
    child, leader = pid_in(caller, "cancel.child"), pid_in(caller, "cancel.pid")
    address = f"restified/{waiting}/-/runs/{run}"
    assert caller.ask("DELETE", address).status == 204
    assert caller.ask("GET", address).json["state"] == "cancelled"
    result = caller.ask("GET", f"{address}/result")
    assert (result.status, result.reason) == (409, "cancelled")
    wait_until(lambda: is_gone(leader) and is_gone(child), "its processes are gone")
    assert caller.ask("DELETE", address).status == 204
    assert caller.ask("GET", address).status == 404


def test_a_caller_who_goes_away_ends_the_call(caller: Caller, waiting: str) -> None:
    from .callers import Connection

    connection = Connection(caller.daemon.record)
    with caller.asking("GET", f"restified/{waiting}?name=x", Prefer="respond-async") as response:
        run = json.loads(response.read())["id"]
    caller.ask("DELETE", f"restified/{waiting}/-/runs/{run}")
    record = caller.daemon.record
    fields = {"X-Pyramid-Notebook-Secret": record.secret, "X-Pyramid-Notebook-Token": "run"}
    connection.request("GET", f"{record.base_url}restified/{waiting}?name=away", headers=fields)
    pid = pid_in(caller, "away.pid")
    connection.close()
    wait_until(lambda: is_gone(pid), "its process is gone")
    runs = caller.ask("GET", f"restified/{waiting}/-/runs").json["runs"]
    assert runs[0]["state"] == "cancelled"


def test_a_call_that_takes_too_long_is_504_and_nothing_of_it_is_left(caller: Caller, waiting: str) -> None:
    answer = caller.get(waiting, {"name": "never", "child": "true"})
    assert (answer.status, answer.reason) == (504, "timeout")
    leader, child = pid_in(caller, "never.pid"), pid_in(caller, "never.child")
    wait_until(lambda: is_gone(leader) and is_gone(child), "its processes are gone")


def test_a_notebook_may_want_less_time(caller: Caller) -> None:
    path = caller.write("impatient.ipynb", code("import time\ntime.sleep(30)"), timeout=0.3)
    answer = caller.get(path)
    assert (answer.status, "0.3 seconds" in answer.json["detail"]) == (504, True)


def test_the_failure_of_a_run_is_its_result(caller: Caller) -> None:
    path = caller.write("failing.ipynb", code("1/0"))
    run = caller.get(path, Prefer="respond-async").json["id"]
    address = f"restified/{path}/-/runs/{run}"
    wait_until(lambda: caller.ask("GET", address).json["state"] == "failed", "it has failed")
    result = caller.ask("GET", f"{address}/result")
    assert (result.status, result.reason) == (500, "notebook-failed")


def test_a_run_belongs_to_its_notebook(caller: Caller, waiting: str) -> None:
    other = caller.write("other.ipynb", code("1", "return"))
    run = caller.get(other, Prefer="respond-async").json["id"]
    assert caller.ask("GET", f"restified/{waiting}/-/runs/{run}").status == 404


def test_a_webhook_is_told_of_the_end(caller: Caller) -> None:
    path = caller.write("hook.ipynb", code("1", "return"))
    answer = caller.get(path, Prefer="respond-async", X_Notebook_Webhook=f"http://{HOST}/ended")
    assert answer.status == 202
    told = HOOKS.get(timeout=20)
    assert (told["id"], told["state"]) == (answer.json["id"], "done")
    assert "output" not in told


def test_a_webhook_of_a_call_that_is_waited_for_is_refused(caller: Caller) -> None:
    path = caller.write("hook.ipynb", code("1", "return"))
    answer = caller.get(path, X_Notebook_Webhook=f"http://{HOST}/ended")
    assert (answer.status, b"respond-async" in answer.body) == (400, True)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/", "http://{}@evil.example/", "file:///etc/passwd", "http://evil.example/{}", "x",
        "http://{}.evil.example/", "http://evil.example#@{}/", "http://{}\\@evil.example/",
    ],
)  # fmt: skip
def test_a_webhook_to_another_host_is_refused(caller: Caller, url: str) -> None:
    path, url = caller.write("hook.ipynb", code("1", "return")), url.format(HOST)
    assert caller.get(path, Prefer="respond-async", X_Notebook_Webhook=url).status == 400


def test_a_caller_who_waits_for_a_while_hears_that_the_run_was_cancelled(caller: Caller, waiting: str) -> None:
    answers: list[Any] = []
    thread = threading.Thread(
        target=lambda: answers.append(caller.get(waiting, {"name": "both"}, Prefer="respond-async, wait=30"))
    )
    thread.start()
    pid_in(caller, "both.pid")
    (run,) = [run for run in caller.ask("GET", f"restified/{waiting}/-/runs").json["runs"] if run["state"] == "running"]
    caller.ask("DELETE", f"restified/{waiting}/-/runs/{run['id']}")
    thread.join(20)
    assert (answers[0].status, answers[0].reason) == (409, "cancelled")


def test_what_a_caller_gets_and_gives_is_not_kept_in_memory(caller: Caller) -> None:
    path = caller.write(
        "memory.ipynb",
        code("text = ''\nfails = False", "parameters"),
        code("if fails: 1/0"),
        code("text", "return"),
    )
    server = psutil.Process(caller.daemon.record.pid)

    def calls() -> int:
        for fails in (False, True):
            for _ in range(8):
                assert caller.post(path, {"text": "x" * 4_000_000, "fails": fails}).status == (500 if fails else 200)
        return int(server.memory_info().rss)

    calls()
    assert calls() - calls() > -60_000_000


def test_a_zygote_that_does_not_answer_is_replaced(caller: Caller) -> None:
    path = caller.write("alive.ipynb", code("'alive'", "return"))
    assert caller.get(path).json == "alive"
    children = psutil.Process(caller.daemon.record.pid).children()
    (zygote,) = [one for one in children if "functions zygote" in " ".join(one.cmdline())]
    zygote.suspend()
    wait_until(lambda: caller.get(path).status == 200, "another one answers")
