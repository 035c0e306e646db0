"""What an editor's file and a notebook become together."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pyramid_notebook.sync.cells import Cell, CellType
from pyramid_notebook.sync.merge import Change, ConflictKind, Merge, merge, plan, similarity, take_over
from pyramid_notebook.sync.merge.align import align, is_version_of
from pyramid_notebook.sync.merge.contents import HOUSEKEEPING
from pyramid_notebook.sync.merge.lines import merge_text
from pyramid_notebook.sync.merge.plan import Delete, Edit, Insert

CODE, MARKDOWN, RAW = CellType.CODE, CellType.MARKDOWN, CellType.RAW


def file(*sources: str) -> list[Cell]:
    return [Cell(CODE, source) for source in sources]


def notebook(*sources: str, start: str = "id") -> list[Cell]:
    return [Cell(CODE, source, f"{start}-{place}") for place, source in enumerate(sources)]


def sources(merged: Merge) -> list[str]:
    return [found.cell.source for found in merged.cells]


def ids(merged: Merge) -> list[str]:
    return [found.cell.id for found in merged.cells]


LOAD, PLOT, SUM = "data = load('flights.csv')", "plot(data, x='distance')", "total = sum(row.price for row in data)"

# ---- which cell is which


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ([LOAD, PLOT], [LOAD, PLOT], [0, 1]),
        ([LOAD], [LOAD.replace("flights", "trains")], [0]),
        ([LOAD, PLOT, SUM], [LOAD, PLOT + "\nshow()", SUM], [0, 1, 2]),
        ([LOAD, PLOT], [PLOT, LOAD], [1, 0]),
        ([LOAD, PLOT, SUM], [LOAD, PLOT], [0, 1]),
        ([LOAD, PLOT, SUM], [PLOT, SUM], [1, 2]),
        ([LOAD, PLOT, SUM], [LOAD, SUM + "\nprint(total)"], [0, 2]),
        ([LOAD, PLOT], [LOAD, SUM, PLOT], [0, None, 1]),
        ([LOAD, PLOT, SUM], [SUM.replace("total", "price"), LOAD, PLOT], [2, 0, 1]),
        (["im"], ["import numpy"], [0]),  # typed on
        (["", LOAD, ""], ["", LOAD, "", ""], [0, 1, 2, None]),
        (["x", "x", "x"], ["x", "x"], [0, 1]),
        ([], [LOAD], [None]),
        ([LOAD], [], []),
    ],
    ids=[
        *("same", "edited", "one of three edited", "swapped", "last removed", "first removed", "removed and edited"),
        *("inserted", "moved and edited", "typed on", "empty ones", "equal ones", "into nothing", "all removed"),
    ],
)
def test_a_cell_is_found_again(old: Sequence[str], new: Sequence[str], found: list[int | None]) -> None:
    assert align(notebook(*old), file(*new)) == found


def test_an_id_is_stronger_than_a_text() -> None:
    new = [Cell(MARKDOWN, "Other words", "id-1"), Cell(CODE, PLOT, "id-0")]
    assert align(notebook(LOAD, PLOT), new) == [1, 0]


def test_a_copied_cell_with_the_same_id_is_found_once() -> None:
    assert align(notebook(LOAD), [Cell(CODE, LOAD, "id-0"), Cell(CODE, PLOT, "id-0")]) == [0, None]


def test_cells_with_different_ids_are_different_cells_however_alike() -> None:
    assert align(notebook(LOAD, PLOT), [Cell(CODE, LOAD + "  #", "other"), Cell(CODE, PLOT, "id-1")]) == [None, 1]


def test_where_all_ids_are_others_they_were_given_anew() -> None:
    assert align(notebook(LOAD, PLOT), notebook(PLOT, LOAD, start="anew")) == [1, 0]


def test_a_cell_keeps_its_identity_when_its_type_changes() -> None:
    assert align(notebook(LOAD, PLOT), [Cell(MARKDOWN, LOAD), Cell(CODE, PLOT)]) == [0, 1]


def test_a_foreign_cell_at_the_same_place_is_a_new_one() -> None:
    assert align(notebook(LOAD, PLOT, SUM), file(LOAD, "def unrelated():\n    return None", SUM)) == [0, None, 2]


def test_a_long_text_is_found_by_its_lines() -> None:
    text = "\n".join(f"line {number} of a long text" for number in range(50_000))
    changed = text.replace("line 7 ", "LINE 7 ").replace("line 49000 ", "")
    assert align(notebook("x", text), file(changed, "x")) == [1, 0]


BIG = {
    "all different": ([f"first {number} = {number * 7}" for number in range(2000)], [f"w{n}()" for n in range(2000)]),
    "nearly all equal": (["x"] * 2000, ["x", *["y"] * 3, *["x"] * 1990, "y", "x"]),
    "two texts in any order": (["ab"[n * n % 7 % 2] for n in range(2000)], ["ab"[n * n % 5 % 2] for n in range(2000)]),
    "one huge text": (["x" * 5_000_000], ["y" * 5_000_000]),
    "huge texts of equal lines": (["pass\n" * 400_000], ["a\n" + "pass\n" * 400_000 + "b"]),
    "many tiny ones": ([f"x{number}" for number in range(20_000)], [f"y{number}" for number in range(20_000)]),
    "many moved": ([f"x{number}" for number in range(20_000)], [f"x{number}" for number in range(20_000, 0, -1)]),
}


@pytest.mark.parametrize("case", BIG)
def test_cells_that_are_hard_to_compare_are_merged_all_the_same(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0

    def counted(text: str, other: str) -> float:
        nonlocal compared
        compared += 1
        return shared_ends(text, other)

    shared_ends = similarity.shared_ends
    monkeypatch.setattr(similarity, "shared_ends", counted)
    old, new = BIG[case]
    merged = merge(None, file(*new), notebook(*old))
    assert sources(merged) == new
    assert compared <= similarity.COMPARISONS


# ---- without a base


def test_without_a_base_the_file_is_right_and_the_cells_it_keeps_keep_their_outputs() -> None:
    merged = merge(None, file(PLOT, "new()", LOAD + "\ndata.head()"), notebook(LOAD, PLOT, SUM))
    assert sources(merged) == [PLOT, "new()", LOAD + "\ndata.head()"]
    assert ids(merged) == ["id-1", "", "id-0"]
    assert [found.keeps_outputs for found in merged.cells] == [True, False, True]
    assert merged.deleted_live == (2,)


def test_a_file_that_names_no_tags_leaves_those_of_the_notebook() -> None:
    live = [Cell(CODE, LOAD, "id-0", {"tags": ["parameters"], "trusted": True})]
    assert merge(None, file(LOAD), live).cells[0].cell == live[0]
    tagged = merge(None, [Cell(CODE, LOAD, metadata={"tags": ["skip"], "trusted": False})], live)
    assert tagged.cells[0].cell.metadata == {"tags": ["skip"], "trusted": True}


def test_a_new_cell_has_the_id_that_the_file_names_or_gets_one() -> None:
    mine = [Cell(CODE, "a()", "mine"), Cell(CODE, "b()", "not an id"), Cell(CODE, "c()", "id-0"), Cell(CODE, LOAD)]
    names = iter(["new-0", "new-1"])
    merged = merge(None, mine, notebook(LOAD), new_id=lambda: next(names))
    assert ids(merged) == ["mine", "new-0", "id-0", "new-1"]


# ---- with a base


def test_what_somebody_typed_in_the_tab_stays() -> None:
    base = notebook(LOAD, PLOT)
    live = [base[0], Cell(CODE, PLOT + "\ntyped in the tab", "id-1")]
    merged = merge(base, file(LOAD + "  # edited", PLOT), live)
    assert sources(merged) == [LOAD + "  # edited", PLOT + "\ntyped in the tab"]
    assert merged.cells[0].changed_live == {Change.SOURCE} and not merged.cells[0].changed_mine
    assert merged.cells[1].changed_mine == {Change.SOURCE} and not merged.cells[1].changed_live


def test_edits_of_both_sides_in_one_cell_are_merged_by_lines() -> None:
    merged = merge(notebook("a\nb\nc"), file("A\nb\nc"), notebook("a\nb\nC\nd"))
    assert sources(merged) == ["A\nb\nC\nd"]
    assert not merged.conflicts


def test_edits_of_the_same_line_are_a_conflict_and_the_notebooks_stands() -> None:
    base, mine, live = notebook("x = 1"), file("x = 2"), notebook("x = 3")
    merged = merge(base, mine, live)
    assert sources(merged) == ["x = 3"]
    (conflict,) = merged.conflicts
    assert (conflict.id, conflict.kind) == ("id-0", ConflictKind.SOURCE)
    assert (conflict.base, conflict.mine, conflict.live) == (base[0], mine[0], live[0])
    assert sources(merge(base, mine, live, prefer="mine")) == ["x = 2"]


def test_a_conflict_is_told_again_as_long_as_the_file_holds_it() -> None:
    live, mine = notebook("x = 3", PLOT), file("x = 2", PLOT)
    merged = merge(notebook("x = 1", PLOT), mine, live)
    again = merge(merged.ancestor, file("x = 2", PLOT + "\nshow()"), live)
    assert [conflict.kind for conflict in again.conflicts] == [ConflictKind.SOURCE]
    assert sources(again) == ["x = 3", PLOT + "\nshow()"]
    ended = merge(again.ancestor, file("x = 3", PLOT + "\nshow()"), [live[0], Cell(CODE, PLOT + "\nshow()", "id-1")])
    assert not ended.conflicts and not ended.changes_live


def test_a_cell_deleted_here_and_edited_there_is_a_conflict() -> None:
    base = notebook(LOAD, PLOT)
    by_editor = merge(base, file(LOAD), [base[0], Cell(CODE, PLOT + " #", "id-1")])
    assert sources(by_editor) == [LOAD, PLOT + " #"]
    assert [conflict.kind for conflict in by_editor.conflicts] == [ConflictKind.DELETED_BY_EDITOR]
    in_notebook = merge(base, file(LOAD, PLOT + " #"), base[:1])
    assert sources(in_notebook) == [LOAD]
    assert [(conflict.kind, conflict.id) for conflict in in_notebook.conflicts] == [
        (ConflictKind.DELETED_IN_NOTEBOOK, "id-1")
    ]
    assert in_notebook.deleted_mine == (1,)


def test_with_the_editor_preferred_its_deletions_and_edits_stand() -> None:
    base = notebook(LOAD, PLOT)
    assert sources(merge(base, file(LOAD), [base[0], Cell(CODE, PLOT + " #", "id-1")], prefer="mine")) == [LOAD]
    again = merge(base, file(LOAD, PLOT + " #"), base[:1], prefer="mine")
    assert sources(again) == [LOAD, PLOT + " #"] and ids(again) == ["id-0", "id-1"]
    assert not again.cells[1].keeps_outputs


def test_a_deletion_of_what_nobody_edited_is_done_on_both_sides() -> None:
    base = notebook(LOAD, PLOT, SUM)
    assert sources(merge(base, file(PLOT, SUM), base[:2])) == [PLOT]


def test_both_sides_insert_at_the_same_place_and_the_notebooks_comes_first() -> None:
    base = notebook(LOAD, PLOT)
    live = [base[0], Cell(CODE, "in_tab()", "tab"), base[1]]
    merged = merge(base, file(LOAD, "in_editor()", PLOT), live)
    assert sources(merged) == [LOAD, "in_tab()", "in_editor()", PLOT]


def test_what_both_sides_insert_alike_is_inserted_once() -> None:
    base = notebook(LOAD, PLOT)
    live = [base[0], Cell(CODE, "new()", "tab"), base[1]]
    merged = merge(base, file(LOAD, "new()", PLOT), live)
    assert ids(merged) == ["id-0", "tab", "id-1"] and not merged.changes_live


def test_the_same_text_inserted_at_two_places_is_two_cells() -> None:
    base = notebook(LOAD, PLOT)
    merged = merge(base, file("", LOAD, PLOT), [*base, Cell(CODE, "", "tab")])
    assert sources(merged) == ["", LOAD, PLOT, ""]


def test_moves_of_both_sides_are_kept() -> None:
    base = notebook("a = 1", "b = 2", "c = 3", "d = 4", "e = 5", "f = 6")
    mine = file("b = 2", "a = 1", "c = 3", "d = 4", "e = 5", "f = 6")
    live = [*base[:3], base[5], base[3], base[4]]
    assert sources(merge(base, mine, live)) == ["b = 2", "a = 1", "c = 3", "f = 6", "d = 4", "e = 5"]


def test_a_move_there_and_an_edit_here_are_both_kept() -> None:
    base = notebook(LOAD, PLOT, SUM)
    merged = merge(base, file(LOAD, PLOT, SUM + "\nprint(total)"), [base[2], base[0], base[1]])
    assert sources(merged) == [SUM + "\nprint(total)", LOAD, PLOT]
    assert all(found.keeps_outputs for found in merged.cells)


def test_a_retyped_cell_keeps_the_edit_of_the_other_side_and_no_output() -> None:
    base = notebook(LOAD)
    merged = merge(base, [Cell(MARKDOWN, LOAD)], [Cell(CODE, LOAD + "\nmore", "id-0")])
    assert merged.cells[0].cell == Cell(MARKDOWN, LOAD + "\nmore", "id-0")
    assert merged.cells[0].changed_live == {Change.TYPE} and not merged.cells[0].keeps_outputs


def test_two_new_types_are_a_conflict() -> None:
    merged = merge(notebook(LOAD), [Cell(MARKDOWN, LOAD)], [Cell(RAW, LOAD, "id-0")])
    assert merged.cells[0].cell.type is RAW
    assert [conflict.kind for conflict in merged.conflicts] == [ConflictKind.TYPE]


def tagged(metadata: dict[str, object], name: str = "id-0") -> list[Cell]:
    return [Cell(CODE, LOAD, name, metadata)]


@pytest.mark.parametrize(
    ("base", "mine", "live", "found"),
    [
        ({"tags": ["a"]}, {"tags": ["a", "b"]}, {"tags": ["a", "c"]}, {"tags": ["a", "c", "b"]}),
        ({"tags": ["a", "b"]}, {"tags": ["b"]}, {"tags": ["a", "b", "c"]}, {"tags": ["b", "c"]}),
        ({"tags": ["a"]}, {}, {"tags": ["a"]}, {}),
        ({"tags": ["a"]}, {}, {"tags": ["a", "b"]}, {"tags": ["b"]}),
        ({}, {"name": "x"}, {"slideshow": 1}, {"slideshow": 1, "name": "x"}),
        ({"name": "x"}, {"name": "x"}, {}, {}),
        *(({key: 1}, {}, {key: 2}, {key: 2}) for key in sorted(HOUSEKEEPING)),
    ],
)
def test_metadata_are_merged_key_by_key_and_tags_one_by_one(
    base: dict[str, object], mine: dict[str, object], live: dict[str, object], found: dict[str, object]
) -> None:
    merged = merge(tagged(base), tagged(mine, ""), tagged(live))
    assert merged.cells[0].cell.metadata == found
    assert not merged.conflicts


def test_metadata_changed_differently_are_a_conflict() -> None:
    merged = merge(tagged({"name": "a"}), tagged({"name": "b"}, ""), tagged({"name": "c"}))
    assert merged.cells[0].cell.metadata == {"name": "c"}
    assert [conflict.kind for conflict in merged.conflicts] == [ConflictKind.METADATA]
    preferred = merge(tagged({"name": "a"}), tagged({}, ""), tagged({"name": "c"}), prefer="mine")
    assert preferred.cells[0].cell.metadata == {}


def test_what_jupyter_notes_for_itself_keeps_no_cell_from_being_deleted() -> None:
    merged = merge(tagged({}), [], tagged({"execution": {"shell.execute_reply": "2026"}}))
    assert merged.cells == () and not merged.conflicts


def test_a_cell_with_an_id_that_both_sides_know_and_the_base_does_not_is_one_cell() -> None:
    mine, live = [Cell(CODE, "x = 1", "tab")], [Cell(CODE, "x = 2", "tab")]
    merged = merge([], mine, live)
    assert sources(merged) == ["x = 2"]
    assert [conflict.base for conflict in merged.conflicts] == [None]
    assert merge(merged.ancestor, mine, live).conflicts


def test_the_editor_is_told_what_to_take_over() -> None:
    base = notebook(LOAD, PLOT, SUM)
    live = [base[0], Cell(CODE, "new()", "tab"), base[2]]
    merged = merge(base, file(LOAD, PLOT, SUM), live)
    assert [found.changed_mine for found in merged.cells] == [frozenset(), {Change.NEW}, frozenset()]
    assert merged.deleted_mine == (1,) and merged.changes_mine and not merged.changes_live


@pytest.mark.parametrize("is_applied", [True, False])
def test_a_file_that_takes_over_keeps_the_cell_that_it_changed_and_the_notebook_has_no_more(is_applied: bool) -> None:
    base, mine = notebook(LOAD, PLOT, SUM), file(LOAD, PLOT + "\nshow()", SUM)
    live = [base[0], base[2]]
    merged = merge(base, mine, live)
    taken = take_over(merged, mine, live, is_applied=is_applied)
    assert [cell.source for cell in taken.file] == [LOAD, PLOT + "\nshow()", SUM]
    assert [cell.source for cell in taken.base] == [LOAD, PLOT, SUM]
    (conflict,) = merge(taken.base, taken.file, live).conflicts
    assert (conflict.kind, conflict.id) == (ConflictKind.DELETED_IN_NOTEBOOK, "id-1")


def test_ids_given_anew_lose_no_edit_of_the_editor() -> None:
    merged = merge(notebook(LOAD, PLOT), file(LOAD, PLOT + "\nshow()"), notebook(LOAD, PLOT, start="anew"))
    assert sources(merged) == [LOAD, PLOT + "\nshow()"] and ids(merged) == ["anew-0", "anew-1"]


# ---- lines


@pytest.mark.parametrize(
    ("base", "mine", "live", "merged"),
    [
        ("a\nb\nc", "A\nb\nc", "a\nb\nC", "A\nb\nC"),
        ("a\nb", "A\nb", "a\nB", "A\nB"),
        ("a\nb", "A\nb", "A\nB", "A\nB"),
        ("a", "a\nmine", "live\na", "live\na\nmine"),
        ("a", "a\nmine", "a\nlive", None),
        ("a", "a\nsame", "a\nsame", "a\nsame"),
        ("a", "a\nsame", "a\nsame\nmore", "a\nsame\nmore"),
        ("a\nb\nc", "a\nc", "a\nB\nc", None),
        ("a\nb\nc", "a\nc", "a\nb\nc\nd", "a\nc\nd"),
        ("a\nb\nc", "a\nc", "a\nc", "a\nc"),
        ("", "mine", "live", None),
        ("a\nb", "", "a\nB", None),
    ],
)
def test_a_text_changed_on_both_sides_is_merged_or_not(base: str, mine: str, live: str, merged: str | None) -> None:
    assert merge_text(base, mine, live) == merged


# ---- the plan


def test_a_plan_leaves_in_place_all_that_can_stay() -> None:
    live = notebook("a = 1", "b = 2", "c = 3", "d = 4")
    merged = merge(None, file("b = 2", "c = 3", "d = 4\nmore()", "a = 1"), live)
    operations = plan(live, merged.cells)
    assert [type(operation) for operation in operations] == [Delete, Edit, Insert]
    delete, edit, insert = operations
    assert isinstance(edit, Edit) and (edit.index, edit.live, edit.changed) == (2, 3, {Change.SOURCE})
    assert isinstance(insert, Insert) and (insert.index, insert.live, insert.keeps_outputs) == (3, 0, True)
    assert delete == Delete(0, 0)


def test_a_plan_for_what_is_there_already_is_empty() -> None:
    live = notebook(LOAD, PLOT)
    assert plan(live, merge(None, file(LOAD, PLOT), live).cells) == []


# ---- whether a file is another version of a notebook


@pytest.mark.parametrize(
    ("file_texts", "notebook_texts", "is_so"),
    [
        ([LOAD, PLOT], [LOAD, SUM], True),
        ([LOAD], [LOAD, SUM, PLOT], False),
        ([LOAD], ["", "  "], True),
        ([LOAD], [], True),
        ([], [LOAD], False),
        (["", LOAD], ["", SUM], False),
    ],
)
def test_a_file_is_a_version_of_a_notebook_that_it_shares_half_of_the_texts_with(
    file_texts: list[str], notebook_texts: list[str], is_so: bool
) -> None:
    assert is_version_of(file(*file_texts), notebook(*notebook_texts)) is is_so
