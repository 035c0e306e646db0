"""Files are pushed when they are saved."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import pytest

from pyramid_notebook.errors import NotebookError
from pyramid_notebook.sync.client import watching
from pyramid_notebook.sync.client.links import Links
from pyramid_notebook.sync.client.scanning import Finder
from pyramid_notebook.sync.client.source import FileTrouble, Source, read, signature
from pyramid_notebook.sync.client.watching import Log, Watcher

from .conftest import SCRIPT
from .editor_site import SYNCED, EditorSite, editor_site, hangs_up, refuses, says
from .processes import command


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


STATUS: dict[str, Any] = {"notebook": "reports/x.ipynb", "tabs": 1, "kernel": {}, "cells": []}


def status(rev: str) -> dict[str, Any]:
    return {**STATUS, "rev": rev * 32}


class Watch:
    """A watcher whose steps the test makes, and what it says."""

    def __init__(self, clock: Clock, capsys: pytest.CaptureFixture[str], *paths: Path, two_way: bool = False) -> None:
        self.clock = clock
        self._capsys = capsys
        options = argparse.Namespace(json=False, quiet=False, two_way=two_way)
        finder = Finder([str(path) for path in paths], clock=clock)
        self._watcher = Watcher(finder, Links(""), Log(options), two_way=two_way, clock=clock)

    def step(self, seconds: float = 1.0) -> tuple[str, str]:
        """Let time pass, look twice, and return what was said, without the time of the day."""
        first, second = self.look(seconds), self.look(0.0)
        return first[0] + second[0], first[1] + second[1]

    def look(self, seconds: float = 0.2) -> tuple[str, str]:
        """The same, but look once: a file that was saved is pushed at the second look."""
        self.clock.now += seconds
        self._watcher.step()
        output, errors = self._capsys.readouterr()
        return "".join(line[9:] for line in output.splitlines(True)), errors


def test_a_file_is_pushed_when_it_is_saved(site: EditorSite, script: Path, clock: Clock, capsys) -> None:
    site.says("sync", SYNCED)
    watch = Watch(clock, capsys, script)
    assert watch.step() == ("", "")
    script.write_text(f"{SCRIPT}more\n")
    assert watch.step() == ("x.py to reports/x.ipynb: nothing changed\n", "")
    assert watch.step() == ("", "")
    assert [body["text"] for body in site.bodies("sync")] == [f"{SCRIPT}more\n"]


def test_a_file_that_is_being_written_is_pushed_once_it_is_whole(
    site: EditorSite, script: Path, clock: Clock, capsys
) -> None:
    site.says("sync", SYNCED)
    watch = Watch(clock, capsys, script)
    for text in ("", SCRIPT, f"{SCRIPT}mo", f"{SCRIPT}more\n"):
        script.write_text(text)
        assert watch.look() == ("", "")
    watch.look()
    assert [body["text"] for body in site.bodies("sync")] == [f"{SCRIPT}more\n"]


def test_a_file_that_has_become_empty_is_given_time(site: EditorSite, script: Path, clock: Clock, capsys) -> None:
    site.says("sync", SYNCED)
    watch = Watch(clock, capsys, script)
    script.write_text("")
    for _ in range(10):
        assert watch.look(0.19) == ("", "")
    script.write_text(f"{SCRIPT}more\n")
    watch.step()
    script.write_text("")
    watch.look()
    watch.look(2.1)
    assert [body["text"] for body in site.bodies("sync")] == [f"{SCRIPT}more\n", ""]


def test_a_file_that_is_written_while_it_is_read_is_read_again(
    site: EditorSite, script: Path, clock: Clock, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.says("sync", SYNCED)
    watch = Watch(clock, capsys, script)
    script.write_text(f"{SCRIPT}half")

    def read_while_it_is_written(path: str) -> Source:
        monkeypatch.setattr(watching, "read", read)
        found = read(path)
        script.write_text(f"{SCRIPT}half and half\n")
        return found

    monkeypatch.setattr(watching, "read", read_while_it_is_written)
    for _ in range(4):
        watch.look()
    assert [body["text"] for body in site.bodies("sync")] == [f"{SCRIPT}half and half\n"]


def test_a_save_while_the_site_is_asked_is_pushed_and_not_pulled(
    site: EditorSite, script: Path, clock: Clock, capsys
) -> None:
    saved, differs = f"{SCRIPT}saved = 1\n", says(status("2"))

    def saves(handler, request) -> None:
        script.write_text(saved)
        differs(handler, request)

    def pulls(handler, request) -> None:
        says({**SYNCED, "rev": "2" * 32, "text": f"{request.body['text']}tab = 1\n", "changed": True})(handler, request)

    site.says("sync", SYNCED, {**SYNCED, "rev": "2" * 32})
    site.says("sync/status", status("1"), saves, status("2"))
    site.says("sync/pull", pulls)
    watch = Watch(clock, capsys, script, two_way=True)
    script.write_text(f"{SCRIPT}#\n")
    for _ in range(5):
        watch.step()
    assert [body["text"] for body in site.bodies("sync")] == [f"{SCRIPT}#\n", saved]
    assert script.read_text() == saved


def test_a_save_right_after_a_pull_is_pushed(
    site: EditorSite, script: Path, clock: Clock, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.says("sync", SYNCED, {**SYNCED, "rev": "2" * 32})
    site.says("sync/status", status("1"), status("2"))
    site.says("sync/pull", {**SYNCED, "rev": "2" * 32, "text": f"{SCRIPT}tab = 1\n", "changed": True})
    watch = Watch(clock, capsys, script, two_way=True)
    script.write_text(f"{SCRIPT}#\n")
    watch.step()
    rename = os.replace

    def rename_and_save(temporary: str, target: str) -> None:
        rename(temporary, target)
        if target == str(script):
            script.write_text(f"{SCRIPT}saved = 1\n")

    monkeypatch.setattr(os, "replace", rename_and_save)
    for _ in range(3):
        watch.step()
    assert [body["text"] for body in site.bodies("sync")] == [f"{SCRIPT}#\n", f"{SCRIPT}saved = 1\n"]


def test_an_editor_that_renames_is_seen(site: EditorSite, script: Path, clock: Clock, capsys) -> None:
    site.says("sync", SYNCED)
    watch = Watch(clock, capsys, script)
    before = script.stat()
    script.rename(script.with_suffix(".bak"))
    assert watch.step() == ("", "")
    script.write_text(SCRIPT.replace("1", "2"))
    os.utime(script, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert watch.step()[0].startswith("x.py to ")


def test_files_with_cells_in_folders_are_found(site: EditorSite, home: Path, clock: Clock, capsys) -> None:
    for name in ("a.py", "deep/b.R", "deep/er/c.jl", ".hidden/d.py", "deep/.e.py", "f.txt", "deep/g.cpp"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("// %%\n" if name.endswith("cpp") else "# %%\n")
    (home / "no_cells.py").write_text('"""100%% sure"""\n%%time\n')
    (home / "loop").symlink_to(".")
    finder = Finder([str(home)], clock=clock)
    assert {Path(path).relative_to(home).as_posix() for path in finder.files} == {
        "a.py", "deep/b.R", "deep/er/c.jl", "deep/g.cpp",
    }  # fmt: skip
    assert finder.changed() == []
    (home / "new.py").write_text(SCRIPT)
    (home / "no_cells.py").write_text(SCRIPT)
    clock.now += 10
    assert {Path(path).name for path in finder.changed()} == {"new.py", "no_cells.py"}
    clock.now += 10
    assert finder.changed() == []


def test_what_does_not_exist_cannot_be_watched(home: Path) -> None:
    with pytest.raises(FileTrouble, match=r"x\.py does not exist"):
        Finder([str(home / "x.py")])


def test_a_file_that_cannot_be_pushed_is_told_once_until_it_is_saved(
    site: EditorSite, script: Path, clock: Clock, capsys
) -> None:
    site.says("sync", refuses(409, "no-match", "No notebook is certain."), SYNCED)
    site.says("sync/status", status("1"))
    watch = Watch(clock, capsys, script, two_way=True)
    script.write_text(f"{SCRIPT}#\n")
    output, errors = watch.step()
    assert (output, errors[9:]) == ("", "pyramid-notebook: x.py: No notebook is certain.\n")
    assert watch.step() == ("", "")
    script.write_bytes(b"\xff")
    assert "is not UTF-8" in watch.step()[1]
    script.write_text(SCRIPT)
    assert watch.step() == ("x.py to reports/x.ipynb: nothing changed\n", "")
    assert len(site.bodies("sync")) == 2


def test_a_site_that_is_away_is_told_once_and_asked_less_and_less(
    home: Path, script: Path, clock: Clock, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    with editor_site() as site:
        monkeypatch.setenv("PYRAMID_NOTEBOOK_URL", site.url)
        monkeypatch.setenv("PYRAMID_NOTEBOOK_TOKEN", "abc")
        watch = Watch(clock, capsys, script)
        site.says("sync", hangs_up, says({}, status=502), says(b"", status=503, Retry_After="1"), SYNCED)
        script.write_text(f"{SCRIPT}#\n")
        output, errors = watch.step(1)
        assert output == ""
        assert "cannot be reached" in errors
        asked = []
        for _ in range(12):
            said = watch.step(1)
            asked.append(len(site.bodies("sync")))
            if said[0]:
                break
            assert said == ("", "")
        assert said == (f"x.py to reports/x.ipynb: nothing changed\n{site.url} answers again.\n", "")
        assert asked == [2, 2, 3, 3, 3, 3, 4]


def test_a_site_is_back_only_once_it_has_answered(
    site: EditorSite, script: Path, home: Path, clock: Clock, capsys
) -> None:
    unknown = home / "unknown.py"
    unknown.write_text(SCRIPT)
    site.says("sync", SYNCED)
    site.says("sync/status", status("1"), hangs_up)
    watch = Watch(clock, capsys, unknown, script, two_way=True)
    script.write_text(f"{SCRIPT}#\n")
    watch.step()
    assert "cannot be reached" in watch.step()[1]
    for _ in range(5):
        assert watch.step(2) == ("", "")


def test_both_ways_what_the_notebook_has_comes_into_the_file(
    site: EditorSite, script: Path, clock: Clock, capsys
) -> None:
    pulled = f"{SCRIPT}\n# %%\nfrom_the_tab = 1\n"
    site.says("sync", {**SYNCED, "rev": "1" * 32})
    site.says("sync/status", status("1"), status("2"))
    site.says("sync/pull", {**SYNCED, "rev": "2" * 32, "text": pulled, "changed": True})
    watch = Watch(clock, capsys, script, two_way=True)
    assert watch.step() == ("", "")  # nothing is known of a notebook
    assert site.requests == []
    script.write_text(f"{SCRIPT}#\n")
    assert watch.step()[0].startswith("x.py to ")
    assert watch.step() == ("x.py: taken over from reports/x.ipynb\n", "")
    assert script.read_text() == pulled
    assert watch.step() == ("", "")
    assert watch.step(0.2) == ("", "")
    assert [body.get("take") for body in site.bodies("sync")] == [True]
    assert site.bodies("sync/pull")[0]["rev"] == "1" * 32
    assert [request.verb for request in site.requests].count("sync/status") == 3


def test_what_comes_with_a_push_is_written_and_not_pushed_again(
    site: EditorSite, script: Path, clock: Clock, capsys
) -> None:
    taken = f"{SCRIPT}taken = 1\n"
    site.says("sync", {**SYNCED, "pull": True, "text": taken, "text_rev": "7" * 32})
    site.says("sync/status", status("7"))
    watch = Watch(clock, capsys, script, two_way=True)
    script.write_text(f"{SCRIPT}#\n")
    assert "x.py: taken over from reports/x.ipynb\n" in watch.step()[0]
    assert script.read_text() == taken
    assert signature(str(script)) is not None
    assert watch.step() == ("", "")
    assert len(site.bodies("sync")) == 1


def test_what_was_saved_meanwhile_is_never_overwritten(site: EditorSite, script: Path, clock: Clock, capsys) -> None:
    taken = says({**SYNCED, "pull": True, "text": "from the notebook", "text_rev": "7" * 32})

    def saved_meanwhile(handler, request) -> None:
        script.write_text(f"{SCRIPT}saved\n")
        taken(handler, request)

    site.says("sync", saved_meanwhile, SYNCED)
    site.says("sync/status", status("1"))
    watch = Watch(clock, capsys, script, two_way=True)
    script.write_text(f"{SCRIPT}#\n")
    assert "was saved just now" in watch.step()[1]
    assert script.read_text() == f"{SCRIPT}saved\n"
    watch.step()
    _, second = site.bodies("sync")
    # not the version of the text that was not written
    assert (second["text"], second["rev"]) == (f"{SCRIPT}saved\n", "1" * 32)


def test_a_notebook_that_differs_for_good_is_pulled_once(site: EditorSite, script: Path, clock: Clock, capsys) -> None:
    site.says("sync", SYNCED)
    site.says("sync/status", status("9"))
    site.says("sync/pull", {**SYNCED, "rev": "3" * 32, "text": f"{SCRIPT}#\n", "changed": False})
    watch = Watch(clock, capsys, script, two_way=True)
    script.write_text(f"{SCRIPT}#\n")
    for _ in range(5):
        watch.step()
    assert len(site.bodies("sync/pull")) == 1


def test_watching_begins_only_where_a_site_is_known(home: Path, script: Path) -> None:
    options = argparse.Namespace(json=False, quiet=False)
    watcher = Watcher(Finder([str(script)]), Links(""), Log(options), two_way=False)
    with pytest.raises(NotebookError, match="You are not signed in"):
        watcher.begin()


def test_ctrl_c_ends_it(site: EditorSite, script: Path, home: Path) -> None:
    site.says("sync", {**SYNCED, "conflicts": [{"id": "a", "line": 2, "kind": "type"}]})
    with command(site, home, "watch", "x.py", "--json") as running:
        assert json.loads(running.wait_for("watching"))["event"] == "watching"
        script.write_text(f"{SCRIPT}#\n")
        assert json.loads(running.wait_for('"sync"'))["conflicts"][0]["line"] == 2
        assert running.interrupt() == 130
        assert "Traceback" not in running.output
