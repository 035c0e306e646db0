"""``pyramid-notebook call``: at a site that answers as a test wants, and at the real demo site."""

from __future__ import annotations

import io
import json
import os
import pty
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyramid_notebook.credentials import Credential, CredentialFile
from pyramid_notebook.errors import NotebookError
from pyramid_notebook.files import private_folder
from pyramid_notebook.functions.client.target import find
from pyramid_notebook.scopes import Grant, Scope
from pyramid_notebook.settings import Settings
from pyramid_notebook.tokens.database import open_store
from tests.conftest import RunPython
from tests.running import COMMAND, Site, demo_site, wait_until
from tests.running_login import Laptop
from tests.sync.client.editor_site import (
    TOKEN,
    EditorSite,
    Run,
    breaks_off,
    command_runner,
    editor_site,
    event,
    says,
    streams,
)

from .callers import code, notebook

ENVIRONMENT = {"PYRAMID_NOTEBOOK_URL": "https://example.com/notebook/alice", "PYRAMID_NOTEBOOK_TOKEN": TOKEN}
PROBLEM = "urn:pyramid-notebook:problem:"
RUN_ID = "-a_B9"
RUN = f"restified/x.ipynb/-/runs/{RUN_ID}"
BEGUN = says({"id": RUN_ID, "state": "waiting"}, status=202)


@pytest.fixture
def fake(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EditorSite]:
    """A site that answers as a test wants; its address and token are in the environment."""
    with editor_site() as served:
        monkeypatch.setenv("PYRAMID_NOTEBOOK_URL", served.url)
        monkeypatch.setenv("PYRAMID_NOTEBOOK_TOKEN", TOKEN)
        yield served


@pytest.fixture
def run(home: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs ``pyramid-notebook call`` in this process; returns its exit code, and what it printed."""
    return command_runner(capsys, "call")


def problem(reason: str, status: int, detail: str = "That cannot be done.", **more: Any) -> Any:
    values = {"type": f"{PROBLEM}{reason}", "title": "x", "status": status, "detail": detail, **more}
    return says(values, status=status, **{"Content-Type": "application/problem+json"})


def cell(number: int, of: int, identity: int) -> bytes:
    return b"id: %d\n" % identity + event("cell", cell=number - 1, number=number, of=of)


END = b"id: 9\n" + event("end", state="done")


# What is called


@pytest.mark.parametrize(
    ("text", "path", "run_id", "pairs"),
    [
        ("reports/x.ipynb", "reports/x.ipynb", "", ()),
        ("https://example.com/notebook/alice/restified/a%20b/x.ipynb", "a b/x.ipynb", "", ()),
        ("HTTPS://Example.com:443/notebook/alice/notebooks/x.ipynb?factory=1", "x.ipynb", "", ()),
        ("https://example.com/notebook/alice/lab/tree/x.ipynb", "x.ipynb", "", ()),
        ("https://example.com/notebook/alice/restified/x.ipynb?a=1&b=", "x.ipynb", "", (("a", "1"), ("b", ""))),
        ("https://example.com/notebook/alice/restified/notebooks/x.ipynb", "notebooks/x.ipynb", "", ()),
        (f"https://example.com/notebook/alice/{RUN}", "x.ipynb", RUN_ID, ()),
        (f"https://example.com/notebook/alice/{RUN}/result", "x.ipynb", RUN_ID, ()),
    ],
)  # fmt: skip
def test_a_path_or_an_address_names_a_notebook_or_a_run(
    home: Path, text: str, path: str, run_id: str, pairs: tuple[tuple[str, str], ...]
) -> None:
    found = find(text, "", ENVIRONMENT)
    assert (found.path, found.run, found.pairs) == (path, run_id, pairs)
    assert found.site.token == TOKEN
    assert TOKEN not in repr(found)


@pytest.mark.parametrize(
    "text",
    [
        *("x", "x.py", "/x.ipynb", "../x.ipynb", "a//x.ipynb", "-/x.ipynb", "x\n.ipynb", ""),
        "https://example.com/notebook/alice/x.ipynb",
        "https://example.com/notebook/alice/restified/%2e%2e/x.ipynb",
        "https://example.com/notebook/alice/restified/%ff.ipynb",
        "https://example.com/notebook/alice/restified/",
        "https://example.com/notebook/alices/restified/x.ipynb",
        "https://example.com.evil.example/notebook/alice/restified/x.ipynb",
        "https://evil.example/notebook/alice/restified/x.ipynb",
        "http://example.com/notebook/alice/restified/x.ipynb",
        "https://user@example.com/notebook/alice/restified/x.ipynb",
        "https://example.com:8443/notebook/alice/restified/x.ipynb",
        "file:///notebook/alice/restified/x.ipynb",
    ],
)
def test_what_names_no_notebook_of_ones_own_gets_no_token(home: Path, text: str) -> None:
    with pytest.raises(NotebookError) as raised:
        find(text, "", ENVIRONMENT)
    assert len(str(raised.value).splitlines()) == 1


def test_an_address_finds_the_site_that_one_is_signed_in_to(home: Path) -> None:
    for name in ("one", "two"):
        address = f"https://{name}.example/notebook"
        CredentialFile().save(Credential(address, f"pnb_{name}", notebooks=f"{address}/alice/"))
    assert find("https://two.example/notebook/alice/restified/x.ipynb", "", {}).site.token == "pnb_two"
    assert find("x.ipynb", "one.example", {}).site.token == "pnb_one"
    with pytest.raises(NotebookError, match="--site"):
        find("x.ipynb", "", {})


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["x.ipynb", "a"],
        ["x.ipynb", "=1"],
        ["x.ipynb", "1a=1"],
        ["x.ipynb", "a=1", "--json", "y.json"],
        ["x.ipynb", "--json", "missing.json"],
        ["x.ipynb", "--json", "list.json"],
        ["x.ipynb", "--json", "broken.json"],
        ["x.ipynb", "--format", "jpeg"],
        ["x.ipynb", "--timeout", "0"],
        ["x.ipynb", "--timeout", "nan"],
        ["x.ipynb", "--async", "--progress"],
        ["x.ipynb", "--async", "-o", "y"],
        ["x.ipynb", f"a={'x' * 8000}"],
        ["x.ipynb", "--unknown"],
    ],
)
def test_a_command_line_that_means_nothing_asks_for_nothing(run: Run, fake: EditorSite, arguments: list[str]) -> None:
    Path("list.json").write_text("[1]")
    Path("broken.json").write_text("{")
    status, output, errors = run(*arguments)
    assert (status, output) == (2, "")
    assert errors.startswith("usage: ")
    assert fake.requests == []


# A call


def test_parameters_go_into_the_query_and_the_result_comes_out_as_it_is(run: Run, fake: EditorSite) -> None:
    fake.says("restified/a%20b/x.ipynb", says(b'{"c":  1.50}'))
    assert run("a b/x.ipynb", "--format", "json", "a=1", "text=é &=") == (0, '{"c":  1.50}', "")
    (request,) = fake.requests
    assert (request.method, request.query) == ("GET", {"a": "1", "text": "é &="})
    assert request.headers["Accept"] == "application/json"
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"


def test_a_json_object_is_posted(run: Run, fake: EditorSite, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.says("restified/x.ipynb", 1)  # type: ignore[arg-type]
    Path("p.json").write_text('{"a": [1, "é"]}')
    assert run("x.ipynb", "--json", "p.json")[:2] == (0, "1")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"a": 2}')))
    assert run("x.ipynb", "--json", "-")[0] == 0
    assert [request.body for request in fake.requests] == [{"a": [1, "é"]}, {"a": 2}]
    assert {request.headers["Content-Type"] for request in fake.requests} == {"application/json"}


@pytest.mark.parametrize(
    ("arguments", "accept"),
    [
        (["-o", "x.png"], "image/png"),
        (["-o", "x.CSV"], "text/csv"),
        (["-o", "x.bin"], "application/json"),
        (["-o", "x.bin", "--format", "file"], "application/octet-stream"),
        (["-o", "x.png", "--format", "svg"], "image/svg+xml"),
    ],
)
def test_the_form_of_a_result_is_asked_for(run: Run, fake: EditorSite, arguments: list[str], accept: str) -> None:
    fake.says("restified/x.ipynb", says(b"\x00\xff", **{"Content-Type": "x/y"}))
    assert run("x.ipynb", *arguments) == (0, "", "")
    assert fake.requests[0].headers["Accept"] == accept
    assert Path(arguments[1]).read_bytes() == b"\x00\xff"


def test_a_file_is_replaced_when_the_whole_result_is_there(run: Run, fake: EditorSite) -> None:
    place, link = Path("real.json"), Path("link.json")
    place.write_text("before")
    place.chmod(0o640)
    link.symlink_to(place)
    fake.says("restified/x.ipynb", breaks_off)
    status, output, errors = run("x.ipynb", "-o", "link.json")
    assert (status, output, place.read_text()) == (1, "", "before")
    assert "cannot be reached" in errors
    fake.says("restified/x.ipynb", says(b"1"))
    assert run("x.ipynb", "-o", "link.json")[0] == 0
    assert link.is_symlink()
    assert (place.read_text(), stat.S_IMODE(place.stat().st_mode)) == ("1", 0o640)
    assert sorted(path.name for path in Path().iterdir()) == ["link.json", "real.json"]


def test_a_device_is_written_to_and_stays_what_it_is(run: Run, fake: EditorSite) -> None:
    fake.says("restified/x.ipynb", says(b"1"))
    assert run("x.ipynb", "-o", "/dev/null") == (0, "", "")
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("place", ["missing/x.png", "."])
def test_a_place_that_cannot_be_written_is_told_before_anything_runs(run: Run, fake: EditorSite, place: str) -> None:
    status, _, errors = run("x.ipynb", "-o", place)
    assert (status, errors.count("\n"), fake.requests) == (1, 1, [])


# What goes wrong


def test_each_fault_of_the_parameters_has_its_line(run: Run, fake: EditorSite) -> None:
    faults = [{"parameter": "a/0", "detail": "Not a\x1b[2J number"}, {"parameter": "z", "detail": "Unknown"}]
    fake.says("restified/x.ipynb", problem("parameters", 422, errors=[*faults, "nonsense"]))
    status, output, errors = run("x.ipynb", "a=x")
    assert (status, output) == (2, "")
    assert errors.splitlines() == [
        "pyramid-notebook: The parameters do not fit x.ipynb:", "  a/0: Not a?[2J number", "  z: Unknown"
    ]  # fmt: skip


def test_a_failing_cell_has_its_exception_traceback_and_exit_code(run: Run, fake: EditorSite) -> None:
    told = {"exception": "ValueError", "message": "no\x1b]0;x\x07", "cell": 2, "traceback": ["\x1b[31mLine 1\x1b[0m"]}
    fake.says("restified/x.ipynb", problem("notebook-failed", 500, **told))
    assert run("x.ipynb") == (4, "", "Line 1\npyramid-notebook: Cell 3 failed: ValueError: no\n")


@pytest.mark.parametrize(
    ("reply", "status", "text"),
    [
        (problem("died", 500, "The process ended."), 4, "The process ended."),
        (problem("timeout", 504, "Too long."), 1, "Too long."),
        (problem("notebook", 404, f"No {TOKEN}."), 1, "No (token)."),
        (problem("something-new", 500, "New."), 1, "New."),
        (says({"error": "insufficient_scope", "message": "No run."}, status=403), 1, "with the scope run"),
        (says({"error": "invalid_token", "message": "Old."}, status=401), 1, "is not valid: Old."),
        (says({"error": "gone", "message": "Away."}, status=503), 1, "Away."),
        (says(b"<html>", status=502, **{"Content-Type": "text/html"}), 1, "HTTP status 502"),
        (says(b"I am\na teapot", status=418, **{"Content-Type": "text/plain"}), 1, "HTTP status 418: I am a teapot"),
        (says({"why": "mine"}, status=404), 1, 'HTTP status 404: {"why": "mine"}'),
        (says(b"", status=302, Location="https://evil.example/"), 1, "not followed"),
    ],
)
def test_what_a_site_refuses_is_one_line(run: Run, fake: EditorSite, reply: Any, status: int, text: str) -> None:
    fake.says("restified/x.ipynb", reply)
    told = run("x.ipynb")
    assert told[:2] == (status, "")
    assert text in told[2]
    assert told[2].startswith("pyramid-notebook: ")
    assert told[2].count("\n") == 1
    assert len(fake.requests) == 1


@pytest.mark.parametrize(
    "reply",
    [
        says({"error": "not-started", "message": "x"}, status=503, Retry_After="0"),
        says({"type": f"{PROBLEM}too-many-calls", "detail": "x"}, status=429, Retry_After="0"),
    ],
)
def test_what_has_not_begun_is_asked_for_again(run: Run, fake: EditorSite, reply: Any) -> None:
    fake.says("restified/x.ipynb", reply, reply, says(b"1"))
    assert run("x.ipynb") == (0, "1", "")
    assert len(fake.requests) == 3


def test_what_a_notebook_itself_answers_is_not_asked_for_again(run: Run, fake: EditorSite) -> None:
    fake.says("restified/x.ipynb", says({"mine": 1}, status=503, Retry_After="0"), says(b"1"))
    assert run("x.ipynb")[0] == 1
    assert len(fake.requests) == 1


def test_a_site_that_is_away_is_told(run: Run, fake: EditorSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYRAMID_NOTEBOOK_URL", "http://127.0.0.1:9/notebook/alice/")
    status, _, errors = run("x.ipynb")
    assert status == 1
    assert "127.0.0.1:9 cannot be reached" in errors


# Calls that are followed


def test_a_broken_stream_is_taken_up_where_it_ended(run: Run, fake: EditorSite) -> None:
    fake.says("restified/x.ipynb", BEGUN)
    fake.says(
        f"{RUN}/events",
        streams(cell(1, 3, 2), is_cut=True),
        says({"error": "gone", "message": "Away."}, status=503),
        streams(b": still there\n\n", cell(2, 3, 4)),
        streams(cell(3, 3, 6), END),
    )
    fake.says(f"{RUN}/result", says({"error": "gone", "message": "Away."}, status=503), says(b'"done"'))
    status, output, errors = run("x.ipynb", "--progress", "a=1")
    assert (status, output) == (0, '"done"')
    assert errors == "".join(f"x.ipynb: cell {number} of 3\n" for number in (1, 2, 3))
    assert fake.requests[0].headers["Prefer"] == "respond-async"
    asked = [request for request in fake.requests if request.verb.endswith("/events")]
    assert [request.headers.get("Last-Event-ID") for request in asked] == [None, "2", "2", "4"]


def test_a_result_that_the_site_has_kept_needs_no_run(run: Run, fake: EditorSite) -> None:
    fake.says("restified/x.ipynb", says(b"5"))
    for option in ("--progress", "--async"):
        assert run("x.ipynb", option) == (0, "5", "")


def test_a_run_of_before_is_waited_for(run: Run, fake: EditorSite) -> None:
    fake.says("restified/x.ipynb", BEGUN)
    status, address, _ = run("x.ipynb", "--async")
    assert (status, address) == (0, f"{fake.url}{RUN}\n")
    fake.says(f"{RUN}/events", streams(cell(1, 1, 1), END))
    fake.says(f"{RUN}/result", problem("parameters", 422), says(b"6"))
    assert run(address.strip())[0] == 2
    assert run(address.strip()) == (0, "6", "")
    assert run(address.strip(), "a=1")[0] == 2


@pytest.mark.parametrize("identity", [None, 5, "../../x", "a b", ""])
def test_a_run_without_a_name_is_not_followed(run: Run, fake: EditorSite, identity: Any) -> None:
    fake.says("restified/x.ipynb", says({"id": identity}, status=202))
    status, _, errors = run("x.ipynb", "--progress")
    assert (status, len(fake.requests)) == (1, 1)
    assert "names no run" in errors


def test_a_forgotten_run_is_told(run: Run, fake: EditorSite) -> None:
    fake.says(f"{RUN}/events", problem("run", 404, "It is forgotten."))
    assert run(f"{fake.url}{RUN}") == (1, "", "pyramid-notebook: It is forgotten.\n")


def test_a_call_that_takes_too_long_is_cancelled(run: Run, fake: EditorSite) -> None:
    fake.says("restified/x.ipynb", BEGUN)
    ended = threading.Event()
    fake.says(f"{RUN}/events", streams(cell(1, 2, 1), then=lambda: ended.wait(30)))
    fake.says(RUN, lambda handler, request: (says(b"", status=204)(handler, request), ended.set())[0])
    status, output, errors = run("x.ipynb", "--timeout", "0.3")
    assert (status, output) == (1, "")
    assert errors == "pyramid-notebook: The call took longer than 0.3 seconds, and was cancelled.\n"
    assert [request.method for request in fake.requests if request.verb == RUN] == ["DELETE"]


# Terminals, and what is loaded


def in_terminal(*arguments: str) -> str:
    """Run the command where both streams are a terminal, and return what that gets."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100", "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "call", *arguments],
        stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env=environment,
    )  # fmt: skip
    os.close(theirs)
    seen = b""
    try:
        while chunk := os.read(ours, 65536):
            seen += chunk
    except OSError:  # Linux: nobody has the other end any more
        pass
    process.wait(60)
    os.close(ours)
    return seen.decode().replace("\r\n", "\n")


def test_a_terminal_gets_json_that_can_be_read_and_nothing_that_controls_it(fake: EditorSite) -> None:
    fake.says("restified/x.ipynb", says('{"a":[1,"é\x9b2J"]}'.encode()))
    assert in_terminal("x.ipynb") == '{\n  "a": [\n    1,\n    "é?2J"\n  ]\n}\n'
    fake.says("restified/x.ipynb", says(b"one\x1b[2J\xc3\xa9", **{"Content-Type": "text/plain; charset=utf-8"}))
    assert in_terminal("x.ipynb") == "oneé\n"


def test_a_terminal_gets_no_bytes(fake: EditorSite) -> None:
    fake.says("restified/x.ipynb", says(b"\x89PNG", **{"Content-Type": "image/png"}))
    assert "name a file for it with -o" in in_terminal("x.ipynb")
    before = len(fake.requests)
    assert "name a file with -o" in in_terminal("x.ipynb", "--format", "png")
    assert len(fake.requests) == before


def test_a_terminal_shows_a_bar(fake: EditorSite) -> None:
    fake.says("restified/x.ipynb", BEGUN)
    fake.says(f"{RUN}/events", streams(cell(1, 3, 1), cell(2, 3, 2), END))
    fake.says(f"{RUN}/result", says(b"7"))
    seen = in_terminal("x.ipynb", "--progress")
    assert "3/3" in seen
    assert seen.endswith("7\n")


def test_a_call_loads_the_standard_library_alone(fake: EditorSite, run_python: RunPython) -> None:
    fake.says("restified/x.ipynb", says(b"1"))
    source = (
        "import sys\nfrom pyramid_notebook.cli import main\ncode = main(['call', 'x.ipynb', 'a=1'])\n"
        "heavy = {'pyramid', 'sqlalchemy', 'jupyter_server', 'tornado', 'urllib3', 'requests', 'pydantic', 'rich'}\n"
        "print(code, sorted(heavy & set(sys.modules)))"
    )
    assert run_python(source).stdout == "10 []\n"


# The real site


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with demo_site() as site:
        yield site


@pytest.fixture
def laptop(site: Site, tmp_path: Path) -> Laptop:
    """A machine whose user is signed in, for functions only."""
    laptop = Laptop(tmp_path)
    store = open_store(Settings(notebook_folder=str(site.folder / "notebooks")))
    _, secret = store.create("admin", "my laptop", [Grant(Scope.RUN)], 3600)
    store.close()
    address = f"{site.url}/notebook"
    laptop.credentials.save(Credential(address, secret, user="admin", notebooks=f"{address}/admin/"))
    return laptop


def put(site: Site, name: str, *cells: dict[str, Any]) -> str:
    folder = site.folder / "notebooks" / "admin" / "work"
    private_folder(folder)
    (folder / name).write_text(json.dumps(notebook(*cells)))
    return name


ADD = (code("a: int\nmore: list[int] = []", "parameters"), code("{'sum': a + sum(more)}", "return"))


def test_a_notebook_of_a_real_site_is_called_whose_server_does_not_run(site: Site, laptop: Laptop) -> None:
    site.manager.stop("admin")
    name = put(site, "add.ipynb", *ADD)
    assert laptop.run("call", name, "a=1", "more=2", "more=3") == (0, '{"sum":6}', "")
    status, _, errors = laptop.run("call", f"{site.url}/notebook/admin/notebooks/{name}", "a=x", "b=1")
    assert status == 2
    assert [line.split(":")[0] for line in errors.splitlines()[1:]] == ["  a", "  b"]


def test_a_failing_notebook_of_a_real_site_keeps_its_traceback_for_its_owner(site: Site, laptop: Laptop) -> None:
    name = put(site, "bad.ipynb", code("1"), code("1/0"))
    told = "pyramid-notebook: Cell 2 failed: ZeroDivisionError: division by zero\n"
    assert laptop.run("call", name) == (4, "", told)
    assert laptop.run("call", name, "--progress")[0] == 4


def test_ctrl_c_cancels_a_call_that_is_followed(site: Site, laptop: Laptop) -> None:
    marker = laptop.home / "pid"
    source = f"import os, pathlib, time\npathlib.Path({str(marker)!r}).write_text(str(os.getpid()))\ntime.sleep(600)"
    with laptop.start("call", put(site, "slow.ipynb", code(source)), "--progress") as command:
        wait_until(lambda: marker.exists() and marker.read_text(), "it runs", seconds=60)
        assert command.process.stderr is not None
        assert "cell 1 of 1" in command.process.stderr.readline()  # before that it does not know what to cancel
        command.interrupt()
        status, output, errors = command.end()
    assert (status, output) == (130, "")
    assert "The call was cancelled." in errors
    wait_until(lambda: not Path("/proc", marker.read_text()).exists(), "its process is gone")


def test_a_figure_of_a_real_site_is_saved(site: Site, laptop: Laptop) -> None:
    source = "from matplotlib.figure import Figure\nfigure = Figure()\nfigure.subplots().plot([1, 2])"
    name = put(site, "plot.ipynb", code(source), code("figure", "return"))
    assert laptop.run("call", name, "-o", "plot.png") == (0, "", "")
    assert (laptop.home / "plot.png").read_bytes().startswith(b"\x89PNG")
