"""Open documents get to the disk while they change, what cannot be saved is told, and a killed server loses nothing."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from resource import RLIM_INFINITY, RLIMIT_FSIZE, prlimit

import pytest
from pycrdt import create_sync_message

from pyramid_notebook import processes
from pyramid_notebook.proxy.upstream import ask
from pyramid_notebook.server import collaboration

from ..running import wait_until
from .daemons import Daemon, Document

SMALL_FILE = 65536  # bytes, more than a log has


def last_source(daemon: Daemon, path: str) -> str:
    return "".join(daemon.cells(path)[-1]["source"])


def save_all(daemon: Daemon) -> list[dict[str, str]]:
    status, answer = ask(daemon.record, "POST", f"{daemon.record.base_url}-/save", timeout=30)
    assert status == 200
    return list(answer["unsaved"])


def wait_for_store(daemon: Daemon, text: str) -> None:
    """Wait until what was typed is in the store of jupyter-collaboration."""
    query = "SELECT count(*) FROM yupdates WHERE instr(yupdate, CAST(? AS BLOB))"

    def is_there() -> bool:
        with sqlite3.connect(daemon.folder.runtime / "documents.db") as store:
            return bool(store.execute(query, (text,)).fetchone()[0])

    wait_until(is_there, f"{text} is in the store")


def kill(daemon: Daemon) -> None:
    record = daemon.record
    os.kill(record.pid, signal.SIGKILL)
    wait_until(lambda: processes.identity(record.pid) is None, "the server is gone")


@contextmanager
def full_disk(daemon: Daemon) -> Iterator[None]:
    """Let the server write no file of more than a few bytes, as on a full disk (prlimit(2), RLIMIT_FSIZE)."""
    pid = daemon.record.pid
    prlimit(pid, RLIMIT_FSIZE, (SMALL_FILE, RLIM_INFINITY))
    try:
        yield
    finally:
        prlimit(pid, RLIMIT_FSIZE, (RLIM_INFINITY, RLIM_INFINITY))


@contextmanager
def reconnected(daemon: Daemon, path: str, document: Document) -> Iterator[None]:
    """Connect a page that stayed open while the server was gone."""
    session = daemon.request("PUT", f"api/collaboration/session/{path}", {"format": "json", "type": "notebook"})
    room = f"json:notebook:{session['fileId']}?sessionId={session['sessionId']}"
    with daemon.websocket(f"api/collaboration/room/{room}") as connection:
        document._connection = connection
        connection.send_binary(create_sync_message(document._doc))
        yield


def notes(daemon: Daemon) -> list[Path]:
    return list((daemon.folder.runtime / "unsaved").glob("*.json"))


def test_a_document_that_never_rests_is_on_disk_five_seconds_after_its_first_change(server: Daemon) -> None:
    path = server.open_context(startup="x = 'never rests'")
    with server.document(path) as document:
        begin = time.monotonic()
        document.type("first ")
        while "first" not in last_source(server, path):
            assert time.monotonic() - begin < 5.5
            document.type(".")
            threading.Event().wait(0.2)


def test_a_document_that_rests_is_saved_soon_and_once(server: Daemon) -> None:
    path = server.open_context(startup="x = 'rests'")
    with server.document(path) as document:
        document.type("ty")
        wait_until(lambda: notes(server), "it is noted as unsaved")
        document.type("ped")
        wait_until(lambda: last_source(server, path) == "typed", "it is saved", seconds=3)
        wait_until(lambda: not notes(server), "nothing is noted as unsaved")
        assert save_all(server) == []
        assert server.log.count(f"Saving file: {path}") == 1


def test_saving_all_saves_at_once(server: Daemon) -> None:
    path = server.open_context(startup="x = 'at once'")
    with server.document(path) as document, server.document(path) as other:
        document.type("typed")
        other.wait_for(lambda content: content["cells"][-1]["source"] == "typed", "the server has it")
        assert save_all(server) == []
        assert last_source(server, path) == "typed"


def test_a_file_that_others_changed_wins_and_is_not_written_again(server: Daemon) -> None:
    path = server.open_context(startup="x = 'others'")
    file = server.folder.work / path
    with server.document(path) as document:
        content = json.loads(file.read_text())
        content["cells"][-1]["source"] = "by others"
        file.write_text(json.dumps(content))
        before = file.stat()
        document.wait_for(lambda content: content["cells"][-1]["source"] == "by others", "the page has it")
        assert save_all(server) == []
        assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_what_a_full_disk_keeps_from_being_saved_is_told_and_is_saved_when_there_is_room(daemon: Daemon) -> None:
    daemon.start()
    path = daemon.open_context(startup="x = 1")
    with daemon.document(path) as document, daemon.websocket("api/events/subscribe") as events:
        with full_disk(daemon):
            document.type("precious" + "x" * SMALL_FILE)
            event = {}
            while event.get("schema_id") != "urn:pyramid-notebook:save:v1":
                event = json.loads(events.recv())
            assert (event["path"], event["reason"]) == (path, "File too large")
            assert save_all(daemon) == [{"path": path, "reason": "File too large"}]
            assert last_source(daemon, path) == ""
        wait_until(lambda: last_source(daemon, path).startswith("precious"), "it is saved without being asked")
        while event.get("schema_id") != "urn:pyramid-notebook:save:v1" or event["reason"]:
            event = json.loads(events.recv())
        assert save_all(daemon) == []


def kill_before_late_words_are_saved(daemon: Daemon, path: str, document: Document) -> None:
    """Type words that reach the file, then some that reach the store only."""
    document.type("early ")
    wait_until(lambda: last_source(daemon, path) == "early ", "it is saved")
    document.type("latewords")
    wait_for_store(daemon, "latewords")
    kill(daemon)


def test_words_typed_just_before_a_kill_are_in_the_file_and_in_the_page_once(daemon: Daemon) -> None:
    daemon.start()
    path = daemon.open_context(startup="x = 1")
    with daemon.document(path) as document:
        kill_before_late_words_are_saved(daemon, path, document)
        assert last_source(daemon, path) == "early "
        daemon.start()
        assert last_source(daemon, path) == "early latewords"
        assert notes(daemon) == []
        with reconnected(daemon, path, document):
            document.type(" after")
            wait_until(lambda: last_source(daemon, path) == "early latewords after", "it is there once, and is saved")
    assert len(list(daemon.folder.work.glob("*.ipynb"))) == 1


def test_a_file_changed_after_a_kill_stays_and_what_was_typed_lies_beside_it(daemon: Daemon) -> None:
    daemon.start()
    path = daemon.open_context(startup="x = 1")
    file = daemon.folder.work / path
    with daemon.document(path) as document:
        kill_before_late_words_are_saved(daemon, path, document)
    content = json.loads(file.read_text())
    content["cells"][-1]["source"] = "by others"
    file.write_text(json.dumps(content))
    daemon.start()
    assert last_source(daemon, path) == "by others"
    assert last_source(daemon, f"{file.stem} (recovered).ipynb") == "early latewords"
    assert notes(daemon) == []


def test_a_store_that_missed_changes_never_replaces_a_newer_file(daemon: Daemon) -> None:
    daemon.start()
    path = daemon.open_context(startup="x = 1")
    with daemon.document(path) as document:
        document.type("early ")
        wait_until(lambda: last_source(daemon, path) == "early ", "it is saved")
        wait_for_store(daemon, "early ")
        document.type("middle ")
        wait_until(lambda: last_source(daemon, path) == "early middle ", "it is saved")
        wait_for_store(daemon, "middle ")
        document.type("latewords")
        wait_for_store(daemon, "latewords")
        kill(daemon)
    with sqlite3.connect(daemon.folder.runtime / "documents.db") as store:
        store.execute("DELETE FROM yupdates WHERE instr(yupdate, CAST('middle ' AS BLOB))")
    daemon.start()
    assert last_source(daemon, path) == "early middle "
    assert notes(daemon) == []


def test_the_installed_collaboration_has_all_names_that_are_used() -> None:
    assert collaboration.missing_names() == ""


def test_a_collaboration_without_a_name_is_told_by_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    from jupyter_server_ydoc import __version__, loaders

    monkeypatch.delattr(loaders.FileLoader, "maybe_save_content")
    assert collaboration.missing_names() == (
        f"jupyter-server-ydoc {__version__} has no maybe_save_content in loaders.FileLoader"
    )


@pytest.mark.parametrize(
    ("state", "wanted", "covers"),
    [
        (b"", b"", True),
        (b"\x01\x05\x03", b"", True),
        (b"", b"\x01\x05\x03", False),
        (b"\x01\x05\x03", b"\x01\x05\x03", True),
        (b"\x01\x05\x02", b"\x01\x05\x03", False),
        (b"\x02\x06\x01\x05\x80\x02", b"\x01\x05\xff\x01", True),
        (b"\x01\x06\x09", b"\x01\x05\x03", False),
    ],
)
def test_a_state_covers_another_one_when_no_client_is_behind(state: bytes, wanted: bytes, covers: bool) -> None:
    assert collaboration.state_covers(state, wanted) is covers
