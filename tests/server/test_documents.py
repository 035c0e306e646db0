"""Notebooks are never lost and never half-written, whether somebody has them open or not."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pyramid_notebook import processes
from pyramid_notebook.errors import UpstreamError

from ..running import wait_until
from .daemons import Daemon, daemon_in

GREETING = "pyramid-notebook-greeting"


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def end_by_signal(daemon: Daemon, number: signal.Signals) -> None:
    record = daemon.record
    os.kill(record.pid, number)
    wait_until(lambda: processes.identity(record.pid) is None, "the server ended")


def test_what_was_typed_just_before_the_end_is_saved(daemon: Daemon) -> None:
    daemon.start()
    path = daemon.open_context(startup="x = 1")
    with daemon.document(path) as document, daemon.document(path) as other:
        document.type("typed = 'ü'")
        other.wait_for(lambda content: source(content["cells"][-1]), "the server has it")
        assert source(daemon.cells(path)[-1]) == ""  # it is saved a second later
        end_by_signal(daemon, signal.SIGTERM)
    assert source(daemon.cells(path)[-1]) == "typed = 'ü'"


def test_all_open_documents_are_saved_although_one_cannot_be(daemon: Daemon) -> None:
    daemon.start()
    paths = [daemon.open_context(startup=f"x = {number}") for number in range(3)]
    with daemon.document(paths[0]) as first, daemon.document(paths[1]) as second, daemon.document(paths[2]) as third:
        for document in (first, second, third):
            document.type("typed")
        with daemon.document(paths[2]) as witness:
            witness.wait_for(lambda content: source(content["cells"][-1]), "the server has it")
        broken = daemon.folder.work / paths[1]
        broken.unlink()
        broken.mkdir()
        end_by_signal(daemon, signal.SIGTERM)
    assert [source(daemon.cells(path)[-1]) for path in (paths[0], paths[2])] == ["typed", "typed"]


def test_stop_saves_what_was_typed(daemon: Daemon) -> None:
    daemon.start()
    path = daemon.open_context(startup="x = 1")
    with daemon.document(path) as document, daemon.document(path) as other:
        document.type("typed")
        other.wait_for(lambda content: source(content["cells"][-1]), "the server has it")
        assert daemon.run("stop").returncode == 0
    assert source(daemon.cells(path)[-1]) == "typed"


def test_the_dead_man_switch_saves_what_was_typed(folder: Path) -> None:
    with daemon_in(folder / "alice") as daemon:
        daemon.configure(max_lifetime=5)
        daemon.start()
        record = daemon.record
        path = daemon.open_context(startup="x = 1")
        with daemon.document(path) as document:
            typed: list[float] = []
            with suppress(OSError, ValueError, Exception):
                while processes.is_alive(record):
                    document.type("x")
                    typed.append(time.monotonic())
                    threading.Event().wait(0.05)
            ended = time.monotonic()
        wait_until(lambda: not processes.is_alive(record), "the server ended")
        # the last letters may have been on their way when it ended
        surely = sum(moment < ended - 1.5 for moment in typed)
        assert 0 < surely <= len(source(daemon.cells(path)[-1])) <= len(typed)
        assert "This server ends" in daemon.log


def test_a_document_that_nobody_changed_is_not_written(daemon: Daemon) -> None:
    daemon.start()
    path = daemon.open_context(startup="x = 1")
    with daemon.document(path):
        before = (daemon.folder.work / path).stat().st_mtime_ns
        end_by_signal(daemon, signal.SIGTERM)
    assert (daemon.folder.work / path).stat().st_mtime_ns == before


def test_a_reader_never_sees_half_a_notebook_even_when_the_server_is_killed(daemon: Daemon) -> None:
    daemon.start()
    path = daemon.open_context(startup="x = 1")
    content = daemon.request("GET", f"api/contents/{path}")["content"]
    content["cells"][-1]["source"] = "x" * 3_000_000
    saved = threading.Event()
    killed = threading.Event()

    def keep_saving() -> None:
        with suppress(UpstreamError, AssertionError, OSError):
            while not killed.is_set():
                model = {"type": "notebook", "format": "json", "content": content}
                daemon.request("PUT", f"api/contents/{path}", model)
                saved.set()

    saver = threading.Thread(target=keep_saving)
    saver.start()
    try:
        assert saved.wait(30)
        for _ in range(30):
            assert len(daemon.cells(path)) == 2
        os.kill(daemon.record.pid, signal.SIGKILL)
    finally:
        killed.set()
        saver.join()
    assert len(source(daemon.cells(path)[-1])) == 3_000_000


def test_saving_keeps_the_mode_of_a_file_and_the_link_to_it_and_leaves_nothing_beside_it(server: Daemon) -> None:
    work = server.folder.work
    (work / "folder").mkdir()
    (work / "folder" / "target.txt").write_text("old")
    (work / "folder" / "target.txt").chmod(0o640)
    (work / "folder" / "link.txt").symlink_to("target.txt")
    model = {"type": "file", "format": "text", "content": "new ü"}
    server.request("PUT", "api/contents/folder/link.txt", model)
    assert (work / "folder" / "link.txt").is_symlink()
    assert (work / "folder" / "target.txt").read_text() == "new ü"
    assert (work / "folder" / "target.txt").stat().st_mode & 0o777 == 0o640
    server.request("PUT", "api/contents/folder/new.bin", {"type": "file", "format": "base64", "content": "AAH/"})
    assert (work / "folder" / "new.bin").read_bytes() == b"\0\1\xff"
    assert (work / "folder" / "new.bin").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in (work / "folder").iterdir()) == ["link.txt", "new.bin", "target.txt"]


def test_a_refreshed_greeting_reaches_the_open_page_and_keeps_what_is_typed(server: Daemon) -> None:
    path = server.open_context(greeting="first", context_hash="refreshed")
    with server.document(path) as document:
        document.type("typed")
        assert server.open_context(greeting="second", context_hash="refreshed") == path
        content = document.wait_for(lambda content: "second" in content["cells"][0]["source"], "the new greeting")
        assert "first" not in content["cells"][0]["source"]
        assert content["cells"][-1]["source"] == "typed"
    wait_until(lambda: source(server.cells(path)[-1]) == "typed", "the file has it")


def test_a_refreshed_greeting_reaches_a_closed_notebook(server: Daemon) -> None:
    path = server.open_context(greeting="first", context_hash="closed")
    server.open_context(greeting="second", context_hash="closed")
    assert "second" in source(server.cells(path)[0])
    assert server.cells(path)[0]["metadata"]["tags"] == [GREETING]


def test_a_greeting_that_the_user_removed_stays_removed(server: Daemon) -> None:
    path = server.open_context(greeting="first", context_hash="removed")
    content = json.loads((server.folder.work / path).read_text())
    content["cells"] = content["cells"][1:]
    server.request("PUT", f"api/contents/{path}", {"type": "notebook", "format": "json", "content": content})
    server.open_context(greeting="second", context_hash="removed")
    assert len(server.cells(path)) == 1


@pytest.mark.parametrize("title", ["A *b* [c](d)", "<b>x</b>", "# x"])
def test_a_title_is_shown_as_it_is(server: Daemon, title: str) -> None:
    path = server.open_context(title=title)
    heading = source(server.cells(path)[0]).splitlines()[0]
    assert heading.startswith("# ")
    assert not set("*[<#") & set(heading.removeprefix("# ").replace("&#", ""))


def test_a_notebook_of_ours_is_trusted_from_the_start(server: Daemon) -> None:
    path = server.open_context(startup="x = 1", title="Trusted")
    content = server.request("GET", f"api/contents/{path}")["content"]
    assert all(cell["metadata"].get("trusted", True) for cell in content["cells"])
