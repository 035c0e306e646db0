"""Commands with one file that come at the same time: each knows what the one before it has pushed."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pyramid_notebook.sync.client import state
from pyramid_notebook.sync.client.links import Links
from pyramid_notebook.sync.client.scanning import Finder
from pyramid_notebook.sync.client.session import Session
from pyramid_notebook.sync.client.sites import Place, Site
from pyramid_notebook.sync.client.source import read
from pyramid_notebook.sync.client.state import Memory
from pyramid_notebook.sync.client.transport import Connection
from pyramid_notebook.sync.client.watching import Log, Watcher

from .conftest import SCRIPT, Run
from .editor_site import SYNCED, TOKEN, EditorSite, Handler, Reply, Request, event, says, streams
from .processes import command

FIRST, SECOND = f"{SCRIPT}first\n", f"{SCRIPT}second\n"
START = event("start", run="r", cells=[{"id": "a", "line": 1}])
OK = event("end", status="ok", message="")


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set when a command in this process begins to wait for the lock of its file."""
    begun, locked = threading.Event(), state.locked

    def locked_and_told(path: Path, *, timeout: float):  # type: ignore[no-untyped-def]
        begun.set()
        return locked(path, timeout=timeout)

    monkeypatch.setattr(state, "locked", locked_and_told)
    return begun


def slow(reply: Reply, asked: threading.Event, go_on: threading.Event) -> Reply:
    """Answer when the test says so."""

    def answer(handler: Handler, request: Request) -> None:
        asked.set()
        go_on.wait(30)
        reply(handler, request)

    return answer


class Pair:
    """One command that a slow site keeps busy, and another one that begins meanwhile."""

    def __init__(self, waiting: threading.Event) -> None:
        self.asked, self.go_on, self.waiting = threading.Event(), threading.Event(), waiting

    def run(self, first: Callable[[], object], save: Callable[[], object], second: Callable[[], object]) -> None:
        with ThreadPoolExecutor(2) as pool:
            try:
                one = pool.submit(first)
                assert self.asked.wait(30)
                self.waiting.clear()
                save()
                two = pool.submit(second)
                assert self.waiting.wait(30)
            finally:
                self.go_on.set()
            one.result(30)
            two.result(30)


def session(site: EditorSite, script: Path) -> Session:
    where = Site(site.url, TOKEN)
    return Session(Place(where, str(script), {}), Connection(where), str(script), read(str(script)))


def test_the_second_of_two_saves_knows_the_version_of_the_first(
    site: EditorSite, script: Path, waiting: threading.Event
) -> None:
    pair = Pair(waiting)
    site.says("sync", slow(says(SYNCED), pair.asked, pair.go_on), {**SYNCED, "rev": "2" * 32})
    script.write_text(FIRST)
    pair.run(
        lambda: session(site, script).sync(),
        lambda: script.write_text(SECOND),
        lambda: session(site, script).sync(),
    )
    sent = [(body["text"], body.get("rev")) for body in site.bodies("sync")]
    assert sent == [(FIRST, None), (SECOND, "1" * 32)]
    assert Memory(site.url, str(script)).read().rev == "2" * 32


def test_who_has_waited_sends_the_newest_text(site: EditorSite, script: Path) -> None:
    site.says("sync", SYNCED)
    script.write_text(FIRST)
    late = session(site, script)
    script.write_text(SECOND)
    late.sync()
    assert [body["text"] for body in site.bodies("sync")] == [SECOND]


def test_a_pull_waits_for_a_save_that_is_being_pushed(site: EditorSite, script: Path, waiting: threading.Event) -> None:
    pair = Pair(waiting)
    site.says("sync", slow(says(SYNCED), pair.asked, pair.go_on))
    site.says("sync/pull", {**SYNCED, "rev": "2" * 32, "text": SECOND, "changed": True})
    pair.run(
        lambda: session(site, script).sync(), lambda: None, lambda: session(site, script).pull()
    )  # fmt: skip
    assert site.bodies("sync/pull")[0]["rev"] == "1" * 32


def test_of_two_pairs_only_the_first_makes_the_file(
    site: EditorSite, home: Path, run: Run, waiting: threading.Event
) -> None:
    pair, codes = Pair(waiting), []
    made = says({"notebook": "new.ipynb", "rev": "6" * 32, "made": "both", "text": SCRIPT})
    site.says("sync/pair", slow(made, pair.asked, pair.go_on), made)
    pair.run(
        lambda: codes.append(run("pair", "new.py")[0]), lambda: None, lambda: codes.append(run("pair", "new.py")[0])
    )
    assert codes == [0, 0]
    assert [body.get("text") for body in site.bodies("sync/pair")] == [None, SCRIPT]


def test_outputs_are_cleared_after_a_save_that_is_being_pushed(
    site: EditorSite, script: Path, run: Run, waiting: threading.Event
) -> None:
    pair = Pair(waiting)
    site.says("sync", slow(says(SYNCED), pair.asked, pair.go_on))
    site.says("sync/clear", {"notebook": "reports/x.ipynb", "cleared": 1})
    pair.run(lambda: session(site, script).sync(), lambda: None, lambda: run("clear", "x.py", "--line", "2"))
    assert site.bodies("sync/clear")[0]["rev"] == "1" * 32


def test_a_run_that_begins_waits_for_a_save_that_is_being_pushed(
    site: EditorSite, script: Path, run: Run, waiting: threading.Event
) -> None:
    pair = Pair(waiting)
    site.says("sync", slow(says(SYNCED), pair.asked, pair.go_on))
    site.says("sync/run", streams(event("sync", **{**SYNCED, "rev": "2" * 32}), START, OK))
    pair.run(lambda: session(site, script).sync(), lambda: None, lambda: run("run-all", "x.py"))
    assert site.bodies("sync/run")[0]["rev"] == "1" * 32


def test_a_save_waits_for_the_push_of_a_run_but_not_for_its_end(
    site: EditorSite, script: Path, home: Path, run: Run, waiting: threading.Event
) -> None:
    pair, ended = Pair(waiting), threading.Event()
    begun = streams(
        event("sync", **SYNCED), START, event("stream", cell="a", text="busy\n"), then=lambda: ended.wait(30)
    )
    site.says("sync/run", slow(begun, pair.asked, pair.go_on))
    site.says("sync", {**SYNCED, "rev": "2" * 32})
    with command(site, home, "run-all", "x.py") as running:
        pair.run(lambda: None, lambda: script.write_text(SECOND), lambda: run("sync", "x.py"))
        assert running.process.poll() is None
        ended.set()
    assert site.bodies("sync")[0]["rev"] == "1" * 32


def test_a_watch_knows_what_a_save_hook_has_pushed(site: EditorSite, script: Path, waiting: threading.Event) -> None:
    pair, options = Pair(waiting), argparse.Namespace(json=False, quiet=True)
    site.says("sync", slow(says(SYNCED), pair.asked, pair.go_on), {**SYNCED, "rev": "2" * 32})
    watcher = Watcher(Finder([str(script)]), Links(""), Log(options), two_way=False)
    script.write_text(FIRST)
    watcher.step()
    pair.run(lambda: session(site, script).sync(), lambda: None, watcher.step)
    assert [body.get("rev") for body in site.bodies("sync")] == [None, "1" * 32]
