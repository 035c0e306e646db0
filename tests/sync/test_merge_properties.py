"""What holds for all cells that an editor and a notebook may have: many alike, many empty."""

from __future__ import annotations

from itertools import count, pairwise

from hypothesis import assume, example, given
from hypothesis import strategies as st

from pyramid_notebook.sync.cells import Cell, CellType
from pyramid_notebook.sync.merge import Merge, merge, plan
from pyramid_notebook.sync.merge.align import align
from pyramid_notebook.sync.merge.lines import merge_text
from pyramid_notebook.sync.merge.sequences import common, heaviest_run, longest_run

from .random_edits import applied, contents, without_ids

LINES = st.sampled_from(["", "", "a", "b", "import os", "x = 1", "x = 2", "for x in xs:", "    print(x)", "ü"])
SOURCES = st.one_of(st.lists(LINES, max_size=4).map("\n".join), st.text(max_size=12))
METADATA = st.fixed_dictionaries(
    {}, optional={"tags": st.lists(st.sampled_from("abc"), unique=True), "name": st.sampled_from("xy"), "k": st.none()}
)
CELLS = st.builds(Cell, st.sampled_from(CellType), SOURCES, st.just(""), METADATA)
FILES = st.lists(CELLS, max_size=8)
NUMBERS = st.lists(st.integers(-5, 9), max_size=40)


def named(cells: list[Cell], start: str = "id") -> list[Cell]:
    return [Cell(cell.type, cell.source, f"{start}-{place}", cell.metadata) for place, cell in enumerate(cells)]


NOTEBOOKS = FILES.map(named)


@st.composite
def changed(draw: st.DrawFn, cells: list[Cell], start: str) -> list[Cell]:
    """Return cells after some were moved, dropped, changed or added; those have ids if the name of ids is not empty."""
    numbers = count()
    kept = draw(st.permutations(cells))[: draw(st.integers(0, len(cells)))] if draw(st.booleans()) else list(cells)
    for _ in range(draw(st.integers(0, 3))):
        cell = draw(CELLS)
        place = draw(st.integers(0, len(kept)))
        if place < len(kept) and draw(st.booleans()):
            kept[place] = Cell(cell.type, cell.source, kept[place].id, cell.metadata)
        else:
            kept.insert(place, Cell(cell.type, cell.source, f"{start}-{next(numbers)}" if start else "", cell.metadata))
    return kept


@st.composite
def versions(draw: st.DrawFn) -> tuple[list[Cell], list[Cell], list[Cell]]:
    """Return a notebook, what an editor made of it, and what a tab did."""
    base = draw(NOTEBOOKS)
    mine, live = draw(changed(base, "")), draw(changed(base, "tab"))
    return base, mine if draw(st.booleans()) else without_ids(mine), live


@st.composite
def texts(draw: st.DrawFn) -> tuple[str, str, str]:
    """Return a text without equal lines, and what two sides made of it, each with lines of its own."""
    base = [f"base {number}" for number in range(draw(st.integers(0, 6)))]
    sides = []
    for side in ("mine", "live"):
        lines = [line for line in base if draw(st.integers(0, 3))]
        for number in range(draw(st.integers(0, 3))):
            lines.insert(draw(st.integers(0, len(lines))), f"{side} {number}")
        sides.append("\n".join(lines))
    return "\n".join(base), sides[0], sides[1]


def cells_of(merged: Merge) -> list[Cell]:
    return [found.cell for found in merged.cells]


def with_new_ids(base: list[Cell] | None, mine: list[Cell], live: list[Cell]) -> Merge:
    numbers = count()
    return merge(base, mine, live, new_id=lambda: f"new-{next(numbers)}")


@given(FILES, NOTEBOOKS)
def test_without_a_base_the_notebook_gets_the_files_texts(mine: list[Cell], live: list[Cell]) -> None:
    merged = merge(None, mine, live)
    assert [(cell.type, cell.source) for cell in cells_of(merged)] == [(cell.type, cell.source) for cell in mine]
    assert [found.mine for found in merged.cells] == list(range(len(mine)))
    assert merged.conflicts == ()


@given(FILES, NOTEBOOKS)
def test_without_a_base_metadata_that_the_file_names_are_set_and_others_stay(
    mine: list[Cell], live: list[Cell]
) -> None:
    for found in merge(None, mine, live).cells:
        before = {} if found.live is None else live[found.live].metadata
        assert found.mine is not None
        assert found.cell.metadata == {**before, **mine[found.mine].metadata}


@given(versions())
def test_an_editor_that_changed_nothing_changes_nothing(rows: tuple[list[Cell], list[Cell], list[Cell]]) -> None:
    base, _, live = rows
    merged = merge(base, base, live)
    assert cells_of(merged) == live
    assert not merged.changes_live and not merged.conflicts


@given(versions())
def test_a_notebook_that_nobody_changed_becomes_what_the_file_is(
    rows: tuple[list[Cell], list[Cell], list[Cell]],
) -> None:
    base, mine, _ = rows
    merged = merge(base, mine, base)
    assert contents(cells_of(merged)) == contents(mine)
    assert not merged.changes_mine and not merged.conflicts


@given(versions())
def test_each_cell_of_both_sides_is_kept_or_told_to_go_once(rows: tuple[list[Cell], list[Cell], list[Cell]]) -> None:
    base, mine, live = rows
    merged = merge(base, mine, live)
    from_mine = [found.mine for found in merged.cells if found.mine is not None]
    from_live = [found.live for found in merged.cells if found.live is not None]
    assert sorted([*from_mine, *merged.deleted_mine]) == list(range(len(mine)))
    assert sorted([*from_live, *merged.deleted_live]) == list(range(len(live)))
    assert all(found.live is not None or found.mine is not None for found in merged.cells)


@given(versions())
def test_ids_of_a_merge_are_unique_and_those_of_the_notebook_stay(
    rows: tuple[list[Cell], list[Cell], list[Cell]],
) -> None:
    merged = with_new_ids(*rows)
    assert len({found.cell.id for found in merged.cells}) == len(merged.cells)
    assert all(found.live is None or found.cell.id == rows[2][found.live].id for found in merged.cells)


@given(versions())
def test_the_same_merge_once_more_changes_nothing(rows: tuple[list[Cell], list[Cell], list[Cell]]) -> None:
    base, mine, live = rows
    merged = with_new_ids(base, mine, live)
    result = cells_of(merged)
    for later in (live, result):  # without any id of the base, ids look as if they were given anew
        assume(not base or {cell.id for cell in base} & {cell.id for cell in later})
    assert cells_of(with_new_ids(base, mine, result)) == result
    assert cells_of(with_new_ids(list(merged.ancestor), mine, result)) == result
    assert not merge(result, without_ids(result), result).changes_live


@given(versions())
def test_what_the_editor_is_told_to_change_is_all_that_differs(rows: tuple[list[Cell], list[Cell], list[Cell]]) -> None:
    merged = merge(*rows)
    if not merged.changes_mine:
        assert contents(cells_of(merged)) == contents(rows[1])
    if not merged.changes_live:
        assert cells_of(merged) == rows[2]


@given(versions(), st.booleans())
def test_a_plan_makes_the_notebook_what_the_merge_says(
    rows: tuple[list[Cell], list[Cell], list[Cell]], has_base: bool
) -> None:
    base, mine, live = rows
    merged = merge(base if has_base else None, mine, live)
    cells, outputs = applied(live, [f"output of {place}" for place in range(len(live))], plan(live, merged.cells))
    assert cells == cells_of(merged)
    for found, output in zip(merged.cells, outputs, strict=True):
        if found.live is not None and found.cell.type is live[found.live].type is CellType.CODE:
            assert output == f"output of {found.live}"
    assert (plan(live, merged.cells) == []) is not merged.changes_live


@given(FILES, FILES)
def test_no_cell_is_found_twice(old: list[Cell], new: list[Cell]) -> None:
    found = align(old, new)
    assert len(found) == len(new)
    used = [place for place in found if place is not None]
    assert len(set(used)) == len(used) and all(0 <= place < len(old) for place in used)


@given(FILES, FILES)
def test_every_text_that_is_there_still_is_found(old: list[Cell], new: list[Cell]) -> None:
    found = align(old, new)
    left = [(cell.type, cell.source) for place, cell in enumerate(old) if place not in found]
    assert not [
        cell for cell, place in zip(new, found, strict=True) if place is None and (cell.type, cell.source) in left
    ]


@given(SOURCES, SOURCES, SOURCES)
@example("a", "", "")
def test_a_text_is_merged_the_same_from_both_sides(base: str, mine: str, live: str) -> None:
    assert merge_text(base, mine, base) == mine
    assert merge_text(base, base, live) == live
    assert merge_text(base, mine, mine) == mine
    assert merge_text(base, mine, live) == merge_text(base, live, mine)


@given(texts())
def test_a_text_that_is_merged_once_more_stays_or_is_told(rows: tuple[str, str, str]) -> None:
    base, mine, live = rows
    merged = merge_text(base, mine, live)
    if merged is not None:
        assert merge_text(base, mine, merged) in (merged, None)


@given(texts())
def test_a_merged_text_has_what_either_side_wrote_and_nothing_that_one_took_away(rows: tuple[str, str, str]) -> None:
    base, mine, live = ({*text.split("\n")} - {""} for text in rows)
    merged = merge_text(*rows)
    if merged is not None:
        assert {*merged.split("\n")} - {""} == (mine | live) - (base - mine) - (base - live)
        assert len(set(merged.split("\n"))) == len(merged.split("\n"))


@given(NUMBERS)
def test_the_longest_run_increases_and_none_is_longer(numbers: list[int]) -> None:
    run = [numbers[place] for place in longest_run(numbers)]
    assert run == sorted(set(run))
    best: list[int] = []  # the length of the longest that ends at each place, found the slow way
    for place, number in enumerate(numbers):
        best.append(1 + max((best[early] for early in range(place) if numbers[early] < number), default=0))
    assert len(run) == max(best, default=0)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.sampled_from([0.5, 0.6, 1.0])), max_size=12))
def test_the_heaviest_run_increases_on_both_sides_and_none_is_heavier(pairs: list[tuple[int, int, float]]) -> None:
    weights: dict[tuple[int, int], float] = {}
    for left, right, weight in pairs:
        weights[left, right] = max(weight, weights.get((left, right), 0))
    run = heaviest_run(pairs)
    assert all(before[0] < after[0] and before[1] < after[1] for before, after in pairwise(run))
    best: dict[tuple[int, int], float] = {}
    for pair in sorted(weights):
        early = [best[other] for other in best if other[0] < pair[0] and other[1] < pair[1]]
        best[pair] = weights[pair] + max(early, default=0)
    assert abs(sum(weights[pair] for pair in run) - max(best.values(), default=0)) < 1e-9


@given(st.text("abc", max_size=14), st.text("abc", max_size=14))
def test_what_two_rows_have_in_common_is_the_most_there_is(old: str, new: str) -> None:
    pairs = common(old, new)
    assert all(old[left] == new[right] for left, right in pairs)
    assert all(before[0] < after[0] and before[1] < after[1] for before, after in pairwise(pairs))
    lengths = [0] * (len(new) + 1)
    for element in old:
        above = list(lengths)
        for place, other in enumerate(new):
            lengths[place + 1] = above[place] + 1 if element == other else max(above[place + 1], lengths[place])
    assert len(pairs) == lengths[-1]
