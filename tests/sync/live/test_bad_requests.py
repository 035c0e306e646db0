"""What cannot be done gets the right status and a sentence, and changes nothing."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from pyramid_notebook.sync.exchange import MOST_CELLS
from pyramid_notebook.sync.handlers import MOST_BYTES
from tests.server.daemons import Daemon

from .editors import Editor, ask_for, script

VERBS = ["", "pull", "pair", "run", "clear", "focus", "interrupt", "restart"]


def address(verb: str) -> str:
    return f"sync/{verb}" if verb else "sync"


def posted(server: Daemon, verb: str, body: bytes) -> tuple[int, dict[str, Any]]:
    status, text = ask_for(server, "POST", address(verb), body)
    return status, json.loads(text)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00\xff\xfe junk",
        b"[1, 2]",
        b'"text"',
        b"{",
        b"[" * 100_000,
        b'{"file": 7}',
        b'{"file": "a.py", "text": ["a"]}',
        b'{"file": "a.py", "text": "\\ud800"}',
        b'{"file": "a.py", "line": 0}',
        b'{"file": "a.py", "line": true}',
        b'{"file": "a.py", "what": "everything"}',
        b'{"file": "a.py", "force": "yes"}',
        b'{"file": "a.py", "mapping": {"/a": 1}}',
        b'{"text": "a = 1"}',
    ],
)
def test_a_body_that_is_no_request_is_400(server: Daemon, verb: str, body: bytes) -> None:
    status, answer = posted(server, verb, body)
    assert (status, answer["reason"]) == (400, "form")
    assert answer["message"]


def test_an_unknown_field_is_named_with_the_nearest(server: Daemon) -> None:
    status, answer = posted(server, "", b'{"file": "a.py", "txt": ""}')
    assert (status, answer["message"]) == (400, "There is no field 'txt'. Did you mean 'text'?")


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    "notebook",
    [
        "../other.ipynb",
        "/etc/passwd",
        "/etc/a.ipynb",
        "a/../../b.ipynb",
        ".hidden/a.ipynb",
        "a.txt",
        "C:\\a.ipynb",
        "a\x00.ipynb",
    ],
)
def test_a_path_that_leads_elsewhere_is_400(server: Daemon, verb: str, notebook: str) -> None:
    values = {"file": "/home/alice/a.py", "notebook": notebook, "text": "a = 1", "what": "line", "line": 1}
    status, answer = posted(server, verb, json.dumps(values).encode())
    assert (status, answer["reason"]) == (400, "path")


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "pair"])
def test_a_notebook_that_is_not_there_is_404(server: Daemon, verb: str) -> None:
    values = {"file": "/home/alice/a.py", "notebook": "no/such.ipynb", "text": "a = 1", "what": "line", "line": 1}
    status, answer = posted(server, verb, json.dumps(values).encode())
    assert (status, answer["reason"]) == (404, "notebook")


def test_a_body_that_is_too_large_is_413_and_changes_nothing(editor: Editor) -> None:
    editor.pair(script("a = 1"))
    values = {"file": editor.file, "notebook": editor.notebook, "text": "#" * 50_000_000, "force": True}
    status, answer = posted(editor.daemon, "", json.dumps(values).encode())
    assert (status, answer["reason"]) == (413, "too-large")
    assert str(MOST_BYTES) in answer["message"]
    assert editor.sources == ["a = 1"]


def test_a_file_with_too_many_cells_is_413_and_changes_nothing(editor: Editor) -> None:
    editor.pair(script("a = 1"))
    status, answer = editor.ask(text="# %%\n" * 100_000, force=True)
    assert (status, answer["reason"]) == (413, "too-large")
    assert str(MOST_CELLS) in answer["message"]
    assert editor.sources == ["a = 1"]


def test_a_file_of_an_unknown_language_is_400(editor: Editor) -> None:
    status, answer = editor.ask(file="/home/alice/a.unknown", text="a = 1")
    assert (status, answer["reason"]) == (400, "language")


def test_a_file_that_may_belong_to_several_notebooks_is_409_with_the_candidates(server: Daemon) -> None:
    for folder in ("x", "y"):
        Editor(server, f"{folder}/twice.py", "").post("pair", file=f"{folder}/twice.py", text=script("a = 1"))
    status, answer = posted(server, "", json.dumps({"file": "/home/twice.py", "text": "a = 1"}).encode())
    assert (status, answer["reason"]) == (409, "no-match")
    assert sorted(answer["candidates"]) == ["x/twice.ipynb", "y/twice.ipynb"]


def test_a_notebook_that_cannot_be_read_is_told(server: Daemon) -> None:
    (server.folder.work / "broken.ipynb").write_text("{ not a notebook")
    status, answer = posted(server, "", b'{"file": "/a/broken.py", "notebook": "broken.ipynb", "text": "a = 1"}')
    assert status == 400
    assert "Traceback" not in answer["message"]
    assert (server.folder.work / "broken.ipynb").read_text() == "{ not a notebook"


def test_a_status_of_nothing_is_400(server: Daemon) -> None:
    assert ask_for(server, "GET", "sync/status")[0] == 400
    assert ask_for(server, "GET", "sync/status?file=/a.py&mapping=%7B")[0] == 400


@pytest.mark.parametrize("verb", VERBS)
def test_a_get_of_what_changes_something_is_405(server: Daemon, verb: str) -> None:
    assert ask_for(server, "GET", address(verb))[0] == 405


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": {"kernelspec": "python3"}},
        {"metadata": {"kernelspec": [1]}},
        {"cells": [{"id": "a", "cell_type": "markdown", "metadata": {"big": 2**63 + 1}, "source": "x"}]},
        {"cells": [{"id": "a", "cell_type": "markdown", "metadata": {}, "source": 5}]},
        {"cells": "none"},
    ],
)
def test_an_odd_notebook_is_opened_or_refused_in_words(server: Daemon, change: dict[str, Any]) -> None:
    content = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5} | change
    name = f"odd-{abs(hash(json.dumps(change)))}"
    (server.folder.work / f"{name}.ipynb").write_text(json.dumps(content))
    values = json.dumps({"file": f"/a/{name}.py", "notebook": f"{name}.ipynb"}).encode()
    for _ in range(2):  # what failed once leaves nothing behind that hangs
        status, answer = posted(server, "pull", values)
        assert status in (200, 400), answer
        assert "Traceback" not in json.dumps(answer)


def test_a_pipe_named_like_a_notebook_holds_nobody_up(server: Daemon) -> None:
    folder = server.folder.work / "pipes"
    folder.mkdir()
    os.mkfifo(folder / "piped.ipynb")
    for _ in range(3):
        status, answer = posted(server, "", b'{"file": "/a/piped.py", "text": "a = 1"}')
        assert (status, answer["reason"]) == (409, "no-match")


def test_versions_that_cannot_be_kept_do_not_keep_a_sync_from_being_saved(editor: Editor) -> None:
    editor.pair(script("a = 1"))
    folder = editor.daemon.folder.runtime / "sync"
    away = folder.rename(folder.with_name("sync-away"))
    folder.write_text("in the way")
    try:
        status, answer = editor.ask(text=script("b = 2"), force=True)
        assert (status, answer["rev"]) == (200, "")
        assert editor.sources == ["b = 2"]
    finally:
        folder.unlink()
        away.rename(folder)
