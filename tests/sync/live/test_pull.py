"""What a notebook has gets into an editor's file, and what only the file has stays."""

from __future__ import annotations

from typing import Any

from tests.running import wait_until

from .editors import Editor, ask_for, script


def type_in_a_page(editor: Editor, text: str) -> None:
    """Put a text into the last cell, and wait until the server has it."""
    rev = editor.status()["rev"]
    with editor.daemon.document(editor.notebook) as page:
        page.type(text)
        wait_until(lambda: editor.status()["rev"] != rev, "the server has it")


def pulled(editor: Editor, text: str | None, **values: Any) -> dict[str, Any]:
    status, answer = editor.ask("pull", text=text, rev=editor.rev, **values)
    assert status == 200, answer
    return answer


def test_a_pull_brings_what_was_typed_in_a_page(editor: Editor) -> None:
    text = "#!/usr/bin/env python\n\n# %% Title\na = 1\n\n\n# %%\nb = 2\n"
    editor.pair(text)
    type_in_a_page(editor, "\nc = 3")
    answer = pulled(editor, text)
    assert answer["changed"]
    assert answer["text"] == text + "c = 3\n"


def test_a_pull_keeps_what_only_the_file_has(editor: Editor) -> None:
    editor.pair(script("a = 1", "b = 2"))
    type_in_a_page(editor, "  # typed")
    answer = pulled(editor, script("a = 10", "b = 2", "new = 3"))
    assert answer["text"] == script("a = 10", "b = 2  # typed", "new = 3")
    assert editor.sources[0] == "a = 1"


def test_after_a_pull_the_next_sync_changes_what_the_file_has_changed(editor: Editor) -> None:
    editor.pair(script("a = 1", "b = 2"))
    type_in_a_page(editor, "  # typed")
    answer = pulled(editor, script("a = 10", "b = 2", "new = 3"))
    editor.rev = answer["rev"]
    answer = editor.sync(answer["text"])
    assert (answer["conflicts"], answer["pull"]) == ([], False)
    assert editor.sources == ["a = 10", "b = 2  # typed", "new = 3"]


def test_a_pull_leaves_the_file_s_version_of_a_cell_in_conflict_and_the_next_sync_tells_it_again(
    editor: Editor,
) -> None:
    editor.pair(script("a = 1", "b = 2"))
    type_in_a_page(editor, "  # typed")
    text = script("a = 1", "b = 3")
    answer = pulled(editor, text)
    assert [conflict["kind"] for conflict in answer["conflicts"]] == ["source"]
    assert answer["text"] == text
    editor.rev = answer["rev"]
    assert [conflict["mine"] for conflict in editor.sync(text)["conflicts"]] == ["b = 3"]
    assert editor.sources == ["a = 1", "b = 2  # typed"]


def test_with_force_a_pull_makes_the_file_what_the_notebook_is(editor: Editor) -> None:
    editor.pair(script("a = 1", "b = 2"))
    type_in_a_page(editor, "  # typed")
    assert pulled(editor, script("b = 3"), force=True)["text"] == script("a = 1", "b = 2  # typed")


def test_a_pull_into_a_file_that_comes_from_nowhere_wipes_nothing_of_it(editor: Editor) -> None:
    editor.pair(script("a = 1"))
    status, answer = editor.ask("pull", text=script("mine = 2"))
    assert (status, answer["reason"]) == (409, "unsynced")
    assert "mine = 2" in answer["message"]


def test_a_pull_without_a_file_makes_one_with_its_kernel_in_the_header(editor: Editor) -> None:
    editor.pair(script("a = 1"))
    answer = pulled(editor, None)
    (cell,) = editor.cells
    assert "#     language: python" in answer["text"]
    assert answer["text"].endswith(f'# %% id="{cell["id"]}"\na = 1\n')
    editor.rev = answer["rev"]
    assert editor.sync(answer["text"])["cells"] == []


def test_a_sync_that_takes_brings_both_ways_at_once(editor: Editor) -> None:
    editor.pair(script("a = 1", "b = 2"))
    type_in_a_page(editor, "  # typed")
    answer = editor.sync(script("a = 10", "b = 2"), take=True)
    assert answer["text"] == script("a = 10", "b = 2  # typed")
    assert editor.sources == ["a = 10", "b = 2  # typed"]
    again = editor.sync(answer["text"])
    assert (again["cells"], again["pull"]) == ([], False)


def test_the_rev_of_the_status_is_that_of_the_last_exchange_until_somebody_types(editor: Editor) -> None:
    editor.pair(script("a = 1"))
    editor.sync(script("a = 2"))
    assert editor.status()["rev"] == editor.rev
    type_in_a_page(editor, "x")
    assert editor.status()["rev"] != editor.rev


def test_line_ends_and_a_mark_of_a_file_stay(editor: Editor) -> None:
    text = "\ufeff# %%\r\na = 1\r\n\r\n# %%\r\nb = 2\r\n"
    editor.pair(text)
    type_in_a_page(editor, "\nc = 3")
    assert pulled(editor, text)["text"] == text + "c = 3\r\n"


def test_polling_the_status_is_no_activity(editor: Editor) -> None:
    editor.pair(script("a = 1"))
    # what a kernel says while it starts is activity
    before = wait_until(lambda: (idle := editor.daemon.status()["idle"]) > 1 and idle, "all is quiet")
    ask_for(editor.daemon, "GET", f"sync/status?notebook={editor.notebook}")
    assert editor.daemon.status()["idle"] >= before
