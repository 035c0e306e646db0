"""A file's cells get into the live notebook, and what others did there stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.running import wait_until
from tests.server.daemons import Daemon

from .editors import Editor, outputs, put_outputs, script


def pulling(editor: Editor, text: str) -> dict[str, Any]:
    """Push a file, and return the answer if the notebook has something that the file has not."""
    answer = editor.sync(text)
    return answer if answer["pull"] else {}


def test_a_sync_is_in_the_file_when_it_is_answered(editor: Editor) -> None:
    editor.pair(script("a = 1"))
    answer = editor.sync(script("a = 2", "b = 3"))
    assert answer["saved"]
    assert editor.sources == ["a = 2", "b = 3"]


def test_the_answer_names_what_changed_with_the_lines_of_the_file(editor: Editor) -> None:
    editor.pair(script("a = 1", "b = 2", "c = 3"))
    first, _, last = [cell["id"] for cell in editor.cells]
    answer = editor.sync(script("a = 10", "c = 3", "new = 4"))
    assert answer["notebook"] == editor.notebook
    changes = {tuple(cell["changes"]): cell["line"] for cell in answer["cells"]}
    assert changes == {("source",): 1, ("new",): 7}
    assert [cell["id"] for cell in editor.cells][:2] == [first, last]
    assert len(answer["deleted"]) == 1


def test_a_page_sees_a_sync_at_once_and_the_text_it_has_not_touched_stays_the_same_object(editor: Editor) -> None:
    editor.pair(script("a = 1", "b = 2"))
    with editor.daemon.document(editor.notebook) as page:
        editor.sync(script("a = 10", "b = 2"))
        content = page.wait_for(lambda content: content["cells"][0]["source"] == "a = 10", "the page sees it")
        assert [cell["source"] for cell in content["cells"]] == ["a = 10", "b = 2"]


def test_what_was_typed_in_a_page_is_not_wiped(editor: Editor) -> None:
    editor.pair(script("a = 1", "b = 2"))
    with editor.daemon.document(editor.notebook) as page:
        page.type("  # typed")
        answer = wait_until(lambda: pulling(editor, script("a = 10", "b = 2")), "what was typed has come")
    assert answer["conflicts"] == []
    assert editor.sources == ["a = 10", "b = 2  # typed"]


def conflicting(editor: Editor) -> dict[str, Any]:
    """Change a cell in a page and in the file, push that, and return the answer."""
    editor.pair(script("a = 1", "b = 2"))
    with editor.daemon.document(editor.notebook) as page:
        rev = editor.status()["rev"]
        page.type("  # typed")
        wait_until(lambda: editor.status()["rev"] != rev, "what was typed has come")
        return editor.sync(script("a = 10", "b = 3"))


def test_a_cell_that_both_changed_is_a_conflict_and_the_notebook_s_version_stands(editor: Editor) -> None:
    (conflict,) = conflicting(editor)["conflicts"]
    assert (conflict["kind"], conflict["line"]) == ("source", 4)
    assert (conflict["base"], conflict["mine"], conflict["live"]) == ("b = 2", "b = 3", "b = 2  # typed")
    assert editor.sources == ["a = 10", "b = 2  # typed"]


def test_a_conflict_is_told_again_until_force_ends_it(editor: Editor) -> None:
    conflicting(editor)
    assert editor.sync(script("a = 10", "b = 3"))["conflicts"]
    assert editor.sync(script("a = 10", "b = 3"), force=True)["conflicts"] == []
    assert editor.sources == ["a = 10", "b = 3"]


def test_moved_edited_and_retyped_cells_keep_what_they_may(editor: Editor) -> None:
    sources = ["import os", "first = 1\nprint(first)", "second = 2\nprint(second)", "third = 3"]
    editor.pair(script(*sources))
    put_outputs(editor)
    editor.rev = editor.ask("pull", text=script(*sources), rev=editor.rev)[1]["rev"]
    text = script(sources[2], sources[0], sources[1].replace("1", "11")) + "# %% [markdown]\n# third = 3\n"
    answer = editor.sync(text)
    assert answer["conflicts"] == []
    shown = outputs(editor)
    assert shown == {
        sources[2]: f"output of {sources[2]}\n",
        sources[0]: f"output of {sources[0]}\n",
        sources[1].replace("1", "11"): f"output of {sources[1]}\n",
    }
    assert [cell["cell_type"] for cell in editor.cells] == ["code", "code", "code", "markdown"]
    assert [cell["execution_count"] for cell in editor.cells[:3]] == [1, 1, 1]


def test_tags_of_a_marker_get_into_the_cell_and_go_with_it(editor: Editor) -> None:
    editor.pair('# %% tags=["one"]\na = 1\n')
    editor.sync('# %% tags=["two"]\na = 1\n')
    assert editor.cells[0]["metadata"] == {"tags": ["two"]}
    editor.sync(script("a = 1"))
    assert editor.cells[0]["metadata"] == {}


def test_a_file_that_comes_from_nowhere_does_not_wipe_a_notebook(editor: Editor) -> None:
    editor.pair(script("a = 1", "only = 'here'"))
    before = editor.cells
    status, answer = editor.ask(text=script("a = 1"))
    assert (status, answer["reason"]) == (409, "unsynced")
    assert "only = 'here'" in answer["message"]
    assert editor.cells == before
    status, answer = editor.ask(text=script("a = 1"), force=True)
    assert status == 200
    assert editor.sources == ["a = 1"]


def test_a_file_that_has_all_of_a_notebook_needs_no_rev(editor: Editor) -> None:
    editor.pair(script("a = 1"))
    status, _ = editor.ask(text=script("new = 0", "a = 1"))
    assert status == 200
    assert editor.sources == ["new = 0", "a = 1"]


def test_a_rev_that_nobody_knows_wipes_nothing(editor: Editor) -> None:
    editor.pair(script("a = 1"))
    for rev in ("0" * 32, "../../context.json", "x"):
        status, answer = editor.ask(text=script("b = 2"), rev=rev)
        assert (status, answer["reason"]) == (409, "unknown-rev")
    assert editor.sources == ["a = 1"]


def test_a_rev_outlives_the_server(editor: Editor, folder: Path) -> None:
    daemon = Daemon(folder / "bob")
    daemon.configure()
    other = Editor(daemon, editor.file, editor.notebook)
    try:
        daemon.start()
        other.pair(script("a = 1", "b = 2"))
        other.sync(script("a = 2", "b = 2"))
        daemon.run("stop")
        daemon.start()
        other.sync(script("a = 2", "b = 3"))
        assert other.sources == ["a = 2", "b = 3"]
    finally:
        daemon.clean_up()


def test_a_file_changed_by_another_program_stands_and_is_told(editor: Editor) -> None:
    editor.pair(script("a = 1", "b = 2"))
    path = editor.daemon.folder.work / editor.notebook
    path.write_text(path.read_text().replace("b = 2", "b = 'other program'"))
    status, answer = editor.ask(text=script("a = 10", "b = 2"), rev=editor.rev)
    if status == 409:
        assert answer["reason"] == "file-changed"
        editor.sync(script("a = 10", "b = 2"))
    assert editor.sources == ["a = 10", "b = 'other program'"]


def test_an_empty_file_empties_the_notebook(editor: Editor) -> None:
    editor.pair(script("a = 1"))
    editor.sync("")
    assert editor.sources == []


def test_two_editors_at_once_lose_nothing(editor: Editor) -> None:
    editor.pair(script("a = 1", "b = 2"))
    other = Editor(editor.daemon, "/elsewhere/copy.py", editor.notebook)
    other.rev = editor.rev
    editor.sync(script("a = 10", "b = 2"))
    other.sync(script("a = 1", "b = 20"))
    assert editor.sources == ["a = 10", "b = 20"]


def test_a_thousand_new_cells_appear_in_one_step(editor: Editor) -> None:
    editor.pair(script("a = 1"))
    seen = set()
    with editor.daemon.document(editor.notebook) as page:
        editor.sync(script("a = 1", *(f"new = {number}" for number in range(1000))))
        page.wait_for(lambda content: seen.add(len(content["cells"])) or len(content["cells"]) == 1001, "all are there")
    assert seen == {1, 1001}
    assert editor.sources[-1] == "new = 999"


def test_two_hundred_cells_in_another_order_keep_their_outputs(editor: Editor) -> None:
    sources = [f"value_{number} = {number}" for number in range(200)]
    editor.pair(script(*sources))
    put_outputs(editor)
    editor.rev = editor.ask("pull", text=script(*sources), rev=editor.rev)[1]["rev"]
    editor.sync(script(*reversed(sources)))
    assert editor.sources == list(reversed(sources))
    assert outputs(editor) == {source: f"output of {source}\n" for source in sources}


def test_a_cell_without_text_that_shows_something_is_not_wiped_either(editor: Editor) -> None:
    editor.pair(script("a = 1", ""))
    put_outputs(editor)
    status, answer = editor.ask(text=script("a = 1"))
    assert (status, answer["reason"]) == (409, "unsynced")
    assert len(editor.cells) == 2


def test_a_notebook_that_was_made_anew_is_another_one(editor: Editor) -> None:
    editor.pair(script("a = 1"))
    rev = editor.rev
    editor.daemon.request("DELETE", f"api/contents/{editor.notebook}")
    editor.pair(script("b = 2"))
    status, answer = editor.ask("pull", text=script("a = 1"), rev=rev)
    assert (status, answer["reason"]) == (409, "unknown-rev")


def test_metadata_that_no_file_can_say_stay(editor: Editor) -> None:
    editor.pair(script("a = 1"))
    path = editor.daemon.folder.work / editor.notebook
    content = json.loads(path.read_text())
    metadata = {"lines_to_next_cell": 2, "region_name": "x", "nested": {"number": 3}}
    content["cells"][0]["metadata"] = metadata
    path.write_text(json.dumps(content))
    rev = editor.rev
    wait_until(lambda: editor.status()["rev"] != rev, "the file is read again")
    answer = editor.ask("pull", text=script("a = 1"), rev=editor.rev)[1]
    editor.rev = answer["rev"]
    assert editor.sync(answer["text"])["cells"] == []
    editor.sync(answer["text"].replace("a = 1", "a = 2"))
    assert editor.cells[0]["metadata"] == metadata
    assert editor.status()["rev"] == editor.rev
