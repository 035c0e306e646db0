"""The commands that ask once, against a site that answers as the contract says."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from pyramid_notebook.sync.client.wording import WAYS_OUT

from .conftest import SCRIPT, Run
from .editor_site import SYNCED, TOKEN, EditorSite, refuses, says

KERNEL = {"notebook": "reports/x.ipynb", "kernel": {"name": "python3", "state": "idle"}}


def changed(*kinds: list[str], deleted: int = 0, **more: object) -> dict[str, object]:
    cells = [{"id": f"c{n}", "index": n, "line": n, "changes": list(kind)} for n, kind in enumerate(kinds)]
    return {**SYNCED, "cells": cells, "deleted": [f"d{n}" for n in range(deleted)], **more}


def test_sync_sends_the_file_and_says_what_changed(run: Run, site: EditorSite, script: Path) -> None:
    site.says("sync", changed(["source"], ["type", "moved"], ["new"], ["moved"], deleted=1))
    assert run("sync", "x.py") == (0, "reports/x.ipynb: 2 cells changed, 1 new, 1 moved, 1 deleted\n", "")
    (request,) = site.requests
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert (request.method, request.query) == ("POST", {})
    assert request.body == {"file": str(script), "text": SCRIPT}


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (changed(), "nothing changed"),
        (changed(["new"]), "1 cell new"),
        (changed(["metadata"], pull=True), "1 cell changed; the notebook has changes that the file lacks (pull them)"),
        (changed(deleted=2), "2 cells deleted"),
    ],
)
def test_sync_prints_one_line(run: Run, site: EditorSite, script: Path, answer: dict[str, object], line: str) -> None:
    site.says("sync", answer)
    assert run("sync", "x.py") == (0, f"reports/x.ipynb: {line}\n", "")


def test_the_next_sync_sends_the_notebook_and_version_of_the_last(run: Run, site: EditorSite, script: Path) -> None:
    site.says("sync", SYNCED, {**SYNCED, "rev": "2" * 32})
    for _ in range(3):
        assert run("sync", "--filename", "x.py")[0] == 0
    sent = [(body.get("notebook"), body.get("rev")) for body in site.bodies("sync")]
    assert sent == [(None, None), ("reports/x.ipynb", "1" * 32), ("reports/x.ipynb", "2" * 32)]


def test_text_goes_as_it_is(run: Run, site: EditorSite, script: Path) -> None:
    site.says("sync", SYNCED)
    text = "\ufeff# %% é日🔬\r\nx = 1\rend \u2028 '\\'"
    script.write_bytes(text.encode())
    run("sync", "x.py")
    assert site.bodies("sync")[0]["text"] == text


def test_json_is_the_answer_as_it_came(run: Run, site: EditorSite, script: Path) -> None:
    answer = changed(["new"], conflicts=[{"id": "a", "line": 3, "kind": "source"}], extra={"é": [1]})
    site.says("sync", answer)
    code, output, errors = run("sync", "--json", "x.py")
    assert (code, json.loads(output), errors) == (3, answer, "")
    site.says("sync", refuses(409, "no-match", candidates=["a.ipynb"]))
    code, output, errors = run("sync", "--json", "x.py")
    assert (code, json.loads(output)["candidates"]) == (1, ["a.ipynb"])


@pytest.mark.parametrize("quiet", [[], ["--quiet"]])
def test_each_conflict_is_told_with_its_line(run: Run, site: EditorSite, script: Path, quiet: list[str]) -> None:
    conflicts = [
        {"id": "a", "line": 12, "kind": "source", "base": "", "mine": "x", "live": "y"},
        {"id": "b", "line": None, "kind": "deleted-by-editor", "base": "", "mine": None, "live": "y"},
    ]
    site.says("sync", {**SYNCED, "conflicts": conflicts})
    code, output, errors = run("sync", "x.py", *quiet)
    assert code == 3
    assert bool(output) != bool(quiet)
    assert errors.splitlines() == [
        "x.py:12: conflict: the cell was changed here and in the notebook (cell a)",
        "x.py: conflict: the cell was deleted here and changed in the notebook (cell b)",
        *([] if quiet else [WAYS_OUT]),
    ]


def test_what_the_site_says_cannot_control_a_terminal(run: Run, site: EditorSite, script: Path) -> None:
    site.says("sync", {**SYNCED, "notebook": "a\x1b[2J\n.ipynb", "conflicts": [{"id": "\x1b]0;x\x07", "kind": "\r"}]})
    _, output, errors = run("sync", "x.py")
    assert "\x1b" not in output + errors
    assert (output.count("\n"), errors.count("\n")) == (1, 2)
    site.says("sync", refuses(409, "no-match", "\x1b[2J\nsecond", candidates=["\x1b[0m\n"]))
    assert run("sync", "x.py")[2] == "pyramid-notebook: ?[2J second Candidates, for --notebook: ?[0m.\n"


def test_an_explicit_notebook_begins_anew(run: Run, site: EditorSite, script: Path) -> None:
    site.says("sync", SYNCED)
    run("sync", "x.py")
    run("sync", "x.py", "--notebook", "other.ipynb", "--force")
    assert site.bodies("sync")[1] == {
        "file": str(script), "text": SCRIPT, "notebook": "other.ipynb", "force": True,
    }  # fmt: skip


def test_a_file_that_names_another_notebook_now_is_matched_anew(run: Run, site: EditorSite, script: Path) -> None:
    site.says("sync", SYNCED)
    run("sync", "x.py")
    script.write_text(f"# jupyter: notebook: other.ipynb\n{SCRIPT}")
    run("sync", "x.py")
    assert {"notebook", "rev"}.isdisjoint(site.bodies("sync")[1])


def test_a_notebook_that_is_gone_is_forgotten_and_matched_anew(run: Run, site: EditorSite, script: Path) -> None:
    site.says("sync", SYNCED, refuses(404, "notebook"), {**SYNCED, "notebook": "moved/x.ipynb"})
    run("sync", "x.py")
    assert run("sync", "x.py")[:2] == (0, "moved/x.ipynb: nothing changed\n")
    assert [body.get("notebook") for body in site.bodies("sync")] == [None, "reports/x.ipynb", None]
    site.says("sync", refuses(404, "notebook", "There is no such notebook."))
    assert run("sync", "x.py") == (1, "", "pyramid-notebook: There is no such notebook.\n")
    assert run("sync", "x.py")[0] == 1
    assert [body.get("notebook") for body in site.bodies("sync")[3:]] == ["moved/x.ipynb", None, None]


def test_an_explicit_notebook_that_is_not_there_is_an_error_at_once(run: Run, site: EditorSite, script: Path) -> None:
    site.says("sync", refuses(404, "notebook"))
    assert run("sync", "x.py", "--notebook", "a.ipynb")[0] == 1
    assert len(site.requests) == 1


def test_a_version_that_the_site_has_forgotten_is_not_sent_again(run: Run, site: EditorSite, script: Path) -> None:
    site.says("sync", SYNCED, refuses(409, "unknown-rev"), {**SYNCED, "rev": "3" * 32})
    run("sync", "x.py")
    assert run("sync", "x.py")[0] == 0
    sent = [(body.get("notebook"), body.get("rev")) for body in site.bodies("sync")]
    assert sent[1:] == [("reports/x.ipynb", "1" * 32), ("reports/x.ipynb", None)]


def test_no_match_lists_the_candidates(run: Run, site: EditorSite, script: Path) -> None:
    site.says("sync", refuses(409, "no-match", "Which notebook is not certain.", candidates=["a/x.ipynb", "b/x.ipynb"]))
    message = "Which notebook is not certain. Candidates, for --notebook: a/x.ipynb, b/x.ipynb."
    assert run("sync", "x.py") == (1, "", f"pyramid-notebook: {message}\n")


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("x.py", None, "x.py does not exist."),
        ("x.py", b"# %%\nb\xe4r\n", "x.py is not UTF-8: see line 2. Save it as UTF-8."),
        ("x.py", b"x" * 8_000_001, "x.py is too large: a site takes 8 MB at most."),
        (".", None, " is not a file."),
        ("x.py", b"\\\n" * 3_900_000, "The file is too large: the site takes 8 MB at most."),
    ],
)
def test_a_file_that_cannot_be_sent(
    run: Run, site: EditorSite, home: Path, name: str, content: bytes | None, complaint: str
) -> None:
    if content is not None:
        (home / name).write_bytes(content)
    code, output, errors = run("sync", name)
    assert (code, output) == (1, "")
    assert errors.endswith(f"{complaint}\n")
    assert errors.count("\n") == 1
    assert not site.requests


@pytest.mark.parametrize(
    "arguments",
    [
        *(["sync"], ["pull", "--notebook", "a.ipynb"], ["restart"], ["sync", "x.py", "--filename", "x.py"]),
        *(["run", "x.py"], ["run", "x.py", "--line", "0"], ["run", "x.py", "--line", "1", "--cell", "a"]),
        *(["run", "x.py", "--stale", "--line", "1"], ["run", "x.py", "--below"], ["focus", "x.py"], ["watch"]),
        *(["run-above", "x.py"], ["sync", "x.py", "--line", "1"], ["clear", "--notebook", "a.ipynb", "--line", "2"]),
    ],
)
def test_a_command_line_that_means_nothing_is_refused(run: Run, site: EditorSite, arguments: list[str]) -> None:
    code, output, errors = run(*arguments)
    assert (code, output) == (2, "")
    assert errors.startswith("usage: pyramid-notebook")
    assert not site.requests


@pytest.mark.parametrize("command", ["restart", "interrupt"])
def test_kernels_are_restarted_and_interrupted(run: Run, site: EditorSite, command: str) -> None:
    site.says(f"sync/{command}", KERNEL)
    line = "reports/x.ipynb: kernel python3 is idle\n"
    assert run(command, "gone.py") == (0, line, "")
    assert run(command, "--notebook", "reports/x.ipynb", "--quiet") == (0, "", "")
    assert [set(body) for body in site.bodies(f"sync/{command}")] == [{"file"}, {"notebook"}]


def test_status_shows_the_kernel_and_a_table(run: Run, site: EditorSite, script: Path) -> None:
    cells = [
        {"id": "aaa", "type": "code", "state": "running", "execution_count": 12, "stale": True},
        {"id": "b", "type": "markdown", "state": "idle", "execution_count": None, "stale": False},
        {"id": "c", "type": "code", "state": "idle", "execution_count": None, "stale": False},
    ]
    site.says("sync/status", {**KERNEL, "rev": "1" * 32, "tabs": 1, "cells": cells})
    code, output, _ = run("status", "x.py")
    assert code == 0
    assert output.splitlines() == [
        "reports/x.ipynb: kernel python3 is idle, open in 1 tab",
        "aaa  code      [12]  running  stale",
        "b    markdown        idle",
        "c    code      [ ]   idle",
    ]
    (request,) = site.requests
    assert (request.method, request.query) == ("GET", {"file": str(script)})
    site.says("sync", SYNCED)
    run("sync", "x.py")
    run("status", "x.py")
    assert site.requests[-1].query == {"notebook": "reports/x.ipynb"}


def test_outputs_are_cleared(run: Run, site: EditorSite, script: Path) -> None:
    site.says("sync/clear", {"notebook": "a.ipynb", "cleared": 3}, {"notebook": "a.ipynb", "cleared": 1})
    assert run("clear", "x.py")[1] == "a.ipynb: 3 cells cleared\n"
    assert run("clear", "x.py", "--linenumber", "2")[1] == "a.ipynb: 1 cell cleared\n"
    run("clear", "x.py", "--cell", "abc")
    every, line, cell = site.bodies("sync/clear")
    assert every == {"file": str(script), "what": "all"}
    assert line == {"file": str(script), "what": "line", "line": 2, "text": SCRIPT}
    assert cell == {"file": str(script), "what": "cell", "cell": "abc"}


def test_a_cell_is_shown(run: Run, site: EditorSite, script: Path) -> None:
    site.says("sync/focus", {"notebook": "a.ipynb", "cell": "abc", "tabs": 2}, refuses(409, "no-tab", "No page."))
    assert run("focus", "x.py", "--line", "2") == (0, "a.ipynb: cell abc is shown in 2 tabs\n", "")
    assert site.bodies("sync/focus") == [{"file": str(script), "line": 2, "text": SCRIPT}]
    assert run("focus", "--notebook", "a.ipynb", "--cell", "abc") == (1, "", "pyramid-notebook: No page.\n")


def test_pull_writes_the_file(run: Run, site: EditorSite, script: Path, home: Path) -> None:
    script.chmod(0o640)
    (home / "link.py").symlink_to("x.py")
    text = "\ufeff# %%\r\nnew = 'é'\r\n"
    site.says("sync/pull", {**SYNCED, "rev": "5" * 32, "text": text, "changed": True})
    assert run("pull", "link.py", "--force") == (0, "link.py: taken over from reports/x.ipynb\n", "")
    assert script.read_bytes() == text.encode()
    assert stat.S_IMODE(script.stat().st_mode) == 0o640
    assert (home / "link.py").is_symlink()
    assert {path.name for path in home.iterdir()} == {"x.py", "link.py", ".local"}
    assert run("pull", "link.py") == (0, "link.py: nothing to take over from reports/x.ipynb\n", "")
    first, second = site.bodies("sync/pull")
    assert first == {"file": str(home / "link.py"), "text": SCRIPT, "force": True}
    assert second == {"file": str(home / "link.py"), "text": text, "notebook": "reports/x.ipynb", "rev": "5" * 32}


def test_pull_makes_a_file_that_is_not_there(run: Run, site: EditorSite, home: Path) -> None:
    site.says("sync/pull", {**SYNCED, "text": SCRIPT, "changed": True})
    assert run("pull", "new.py")[0] == 0
    assert (home / "new.py").read_text() == SCRIPT
    assert "text" not in site.bodies("sync/pull")[0]


def test_pull_loses_nothing_that_is_saved_meanwhile(run: Run, site: EditorSite, script: Path) -> None:
    answer = says({**SYNCED, "text": "# %%\nfrom the notebook\n", "changed": True})

    def saved_meanwhile(handler: object, request: object) -> None:
        script.write_text("# %%\nsaved meanwhile\n")
        answer(handler, request)  # type: ignore[arg-type]

    site.says("sync/pull", saved_meanwhile)
    code, _, errors = run("pull", "x.py")
    assert code == 1
    assert "was saved just now" in errors
    assert script.read_text() == "# %%\nsaved meanwhile\n"
    site.says("sync", SYNCED)
    run("sync", "x.py")
    assert "rev" not in site.bodies("sync")[0]


@pytest.mark.parametrize("unusable", [{"rev": 5}, {"rev": None}, {"notebook": ["x.ipynb"]}])
@pytest.mark.parametrize("command", ["pull", "pair"])
@pytest.mark.parametrize("name", ["x.py", "new.py"])
def test_an_answer_that_cannot_be_remembered_changes_no_file(
    run: Run, site: EditorSite, script: Path, home: Path, command: str, name: str, unusable: dict[str, object]
) -> None:
    site.says(f"sync/{command}", {**SYNCED, "text": "from the notebook\n", "changed": True, **unusable})
    code, _, errors = run(command, name)
    assert (code, errors.count("\n")) == (1, 1)
    assert "cannot be understood" in errors
    assert script.read_text() == SCRIPT
    assert not (home / "new.py").exists()


def test_pull_tells_conflicts(run: Run, site: EditorSite, script: Path) -> None:
    conflicts = [{"id": "a", "line": 1, "kind": "metadata"}]
    site.says("sync/pull", {**SYNCED, "text": SCRIPT, "changed": False, "conflicts": conflicts})
    code, _, errors = run("pull", "x.py")
    assert code == 3
    assert errors.startswith("x.py:1: conflict: ")


def test_pair_makes_the_file_that_is_missing(run: Run, site: EditorSite, home: Path) -> None:
    site.says("sync/pair", {"notebook": "new.ipynb", "rev": "6" * 32, "made": "both", "text": SCRIPT})
    assert run("pair", "new.py") == (0, "new.py: paired with new.ipynb; both are new\n", "")
    assert (home / "new.py").read_text() == SCRIPT
    site.says("sync", SYNCED)
    run("sync", "new.py")
    assert site.bodies("sync")[0]["rev"] == "6" * 32


def test_pair_never_changes_a_file_that_is_there(run: Run, site: EditorSite, script: Path) -> None:
    site.says("sync/pair", {"notebook": "x.ipynb", "rev": "6" * 32, "made": "notebook", "text": "something else"})
    assert run("pair", "x.py", "--notebook", "x.ipynb") == (0, "x.py: paired with x.ipynb; the notebook is new\n", "")
    assert script.read_text() == SCRIPT
    assert site.bodies("sync/pair") == [{"file": str(script), "text": SCRIPT, "notebook": "x.ipynb"}]


def test_pair_does_not_overwrite_a_file_that_appears_meanwhile(run: Run, site: EditorSite, home: Path) -> None:
    answer = says({"notebook": "x.ipynb", "rev": "6" * 32, "made": "both", "text": SCRIPT})

    def appears(handler: object, request: object) -> None:
        (home / "x.py").write_text("mine\n")
        answer(handler, request)  # type: ignore[arg-type]

    site.says("sync/pair", appears)
    code, _, errors = run("pair", "x.py")
    assert (code, errors) == (1, f"pyramid-notebook: {home / 'x.py'} exists, so it was not made.\n")
    assert (home / "x.py").read_text() == "mine\n"


def test_pair_needs_the_folder(run: Run, site: EditorSite, home: Path) -> None:
    assert run("pair", "no/x.py") == (1, "", f"pyramid-notebook: The folder {home / 'no'} does not exist.\n")
    assert not site.requests


def test_a_version_that_cannot_be_remembered_is_told(run: Run, site: EditorSite, script: Path, home: Path) -> None:
    (home / ".local").write_text("no folder")
    site.says("sync", SYNCED)
    code, output, errors = run("sync", "x.py")
    assert (code, output) == (0, "reports/x.ipynb: nothing changed\n")
    assert "could not be remembered" in errors
