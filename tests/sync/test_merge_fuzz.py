"""Ten thousand times an editor and a tab change a notebook at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Literal

import pytest

from pyramid_notebook.sync.cells import Cell, CellType
from pyramid_notebook.sync.merge import Merge, merge, plan, take_over

from .random_edits import KINDS, Writer, applied, contents, tags, tokens, without_ids

#: What both sides do, for so many random notebooks each.
MIXES = {
    "edits": ("edit",),
    "insertions and deletions": ("insert", "delete"),
    "moves": ("move",),
    "moves and edits": ("move", "edit", "edit"),
    "everything": KINDS,
}
ROUNDS = 1000
#: Sequences of everything, both sides at once, in which file and notebook agree in the end.
SEQUENCES = 10_000
SIZES = (0, 1, 2, 3, 5, 8, 12)


def new_ids(start: str = "new-") -> Callable[[], str]:
    numbers = count()
    return lambda: f"{start}{next(numbers)}"


def cells_of(merged: Merge) -> list[Cell]:
    return [found.cell for found in merged.cells]


def check_outputs(live: list[Cell], merged: Merge) -> None:
    """Each cell that is kept and still code shows what it showed, and no other cell shows anything."""
    outputs = [f"output {place}" if cell.type is CellType.CODE else None for place, cell in enumerate(live)]
    cells, shown = applied(live, outputs, plan(live, merged.cells))
    assert cells == cells_of(merged)
    for found, output in zip(merged.cells, shown, strict=True):
        stays = found.live is not None and found.cell.type is live[found.live].type
        assert output == (outputs[found.live] if stays and found.live is not None else None)


def check_all_told(mine: list[Cell], live: list[Cell], merged: Merge) -> None:
    """Each cell of a side is in the result or told to be gone, once."""
    for row, kept, gone in (
        (mine, [found.mine for found in merged.cells], merged.deleted_mine),
        (live, [found.live for found in merged.cells], merged.deleted_live),
    ):
        assert sorted([*(place for place in kept if place is not None), *gone]) == list(range(len(row)))


@pytest.mark.parametrize("mix", MIXES)
def test_an_editor_that_knows_no_base_makes_the_notebook_what_its_file_is(mix: str) -> None:
    for seed in range(ROUNDS):
        writer = Writer(seed)
        live = writer.notebook(writer.random.choice(SIZES))
        mine = without_ids(writer.changed(live, MIXES[mix], writer.random.randint(1, 5), ""))
        merged = merge(None, mine, live, new_id=new_ids())
        assert [(cell.type, cell.source) for cell in cells_of(merged)] == [(cell.type, cell.source) for cell in mine]
        assert merged.conflicts == () and not merged.deleted_mine
        check_outputs(live, merged)
        check_all_told(mine, live, merged)
        assert not merge(None, mine, cells_of(merged)).changes_live
        if mix == "moves" and live:
            assert all(found.live is not None for found in merged.cells), seed


@pytest.mark.parametrize("has_ids", [False, True], ids=["without ids", "with ids"])
@pytest.mark.parametrize("mix", MIXES)
def test_an_editor_and_a_tab_lose_nothing_of_each_other(mix: str, has_ids: bool) -> None:
    for seed in range(ROUNDS):
        writer = Writer(seed)
        base = writer.notebook(writer.random.choice(SIZES))
        mine = writer.changed(base, MIXES[mix], writer.random.randint(1, 4), "mine" if has_ids else "")
        live = writer.changed(base, MIXES[mix], writer.random.randint(1, 4), "live")
        mine = mine if has_ids else without_ids(mine)
        merged = merge(base, mine, live, new_id=new_ids())
        check_nothing_lost(base, mine, live, merged)
        check_outputs(live, merged)
        check_all_told(mine, live, merged)
        check_settled(base, mine, live, merged)
        if has_ids:
            check_deletions(base, mine, live, merged)
        check_mine_preferred(base, mine, live)


def check_nothing_lost(base: list[Cell], mine: list[Cell], live: list[Cell], merged: Merge) -> None:
    result = cells_of(merged)
    assert tokens(live) - tokens(base) <= tokens(result)
    assert tags(live) <= tags(result) | tags(conflict.live for conflict in merged.conflicts if conflict.live)
    told = [conflict.mine for conflict in merged.conflicts if conflict.mine]
    assert tokens(mine) - tokens(base) <= tokens([*result, *told])
    assert tags(mine) <= tags([*result, *told])


def check_deletions(base: list[Cell], mine: list[Cell], live: list[Cell], merged: Merge) -> None:
    """Where ids leave no doubt which cell is which, what a side took away is away."""
    result = cells_of(merged)
    assert not (tokens(base) - tokens(live)) & tokens(result)
    told = [conflict.live for conflict in merged.conflicts if conflict.live]
    assert (tokens(base) - tokens(mine)) & tokens(result) <= tokens(told)
    assert len({cell.id for cell in result}) == len(result)


@pytest.mark.parametrize("part", range(4))
def test_ten_thousand_sequences_of_everything_on_both_sides_end_with_equal_contents(part: int) -> None:
    """As an editor does it: push, take over what comes back, and end the conflicts, one way or the other."""
    for seed in range(part * SEQUENCES // 4, (part + 1) * SEQUENCES // 4):
        writer = Writer(seed)
        base = writer.notebook(writer.random.choice(SIZES))
        has_ids = seed % 2 == 0
        mine = writer.changed(base, KINDS, writer.random.randint(1, 6), "mine" if has_ids else "")
        live = writer.changed(base, KINDS, writer.random.randint(1, 6), "live")
        mine = mine if has_ids else without_ids(mine)
        merged = merge(base, mine, live, new_id=new_ids())
        check_nothing_lost(base, mine, live, merged)
        check_outputs(live, merged)
        result = cells_of(merged)
        taken = take_over(merged, mine, live, is_applied=True)
        file = taken.file if has_ids else without_ids(taken.file)
        assert tokens(mine) - tokens(base) <= tokens(file), seed
        if not merged.conflicts:
            assert contents(file) == contents(result), seed
        again = merge(taken.base, file, result)
        assert not again.changes_live, seed
        assert {found.id for found in again.conflicts} == {found.id for found in merged.conflicts}, seed
        check_ended(taken.base, file, result, "mine" if seed % 3 else "live")
        pulled = take_over(merged, mine, live, is_applied=False)
        file = pulled.file if has_ids else without_ids(pulled.file)
        pushed = merge(pulled.base, file, live, new_id=new_ids())
        check_nothing_lost(base, mine, live, pushed)
        if not merged.conflicts:
            assert contents(cells_of(pushed)) == contents(result), seed


def check_ended(base: Sequence[Cell], file: Sequence[Cell], live: list[Cell], winner: Literal["mine", "live"]) -> None:
    """Who ends all conflicts has equal contents on both sides."""
    if winner == "live":
        file = live
    merged = merge(base, file, live, prefer=winner, new_id=new_ids("late-"))
    result = cells_of(merged)
    check_outputs(live, merged)
    assert merged.conflicts == ()
    taken = take_over(merged, file, live, is_applied=True)
    assert contents(taken.file) == contents(result)
    assert tokens(file) <= tokens(result)


def check_settled(base: list[Cell], mine: list[Cell], live: list[Cell], merged: Merge) -> None:
    """The same once more changes nothing, and what was in conflict stays so as long as the editor's file has it."""
    result = cells_of(merged)
    assert not merge(base, mine, result).changes_live
    later = merge(merged.ancestor, mine, result)
    assert not later.changes_live
    assert sorted(conflict.id for conflict in later.conflicts) == sorted(
        conflict.id for conflict in merged.conflicts if conflict.mine is not None
    )
    pulled = merge(result, without_ids(result), result)
    assert not pulled.changes_live and not pulled.conflicts


def check_mine_preferred(base: list[Cell], mine: list[Cell], live: list[Cell]) -> None:
    merged = merge(base, mine, live, prefer="mine")
    assert merged.conflicts == ()
    assert tokens(mine) - tokens(base) <= tokens(cells_of(merged))
    check_outputs(live, merged)


def test_an_editor_that_never_takes_over_what_the_tab_does_still_wipes_nothing() -> None:
    for seed in range(ROUNDS // 2):
        writer = Writer(seed)
        live = writer.notebook(4)
        ancestor, mine = live, without_ids(live)
        in_tab: set[str] = set()
        removed_in_tab: set[str] = set()
        for turn in range(4):
            before, live = live, writer.changed(live, ("edit", "insert", "move", "tag"), 1, f"tab{turn}")
            in_tab = (in_tab | tokens(live) - tokens(before)) - (tokens(before) - tokens(live))
            removed_in_tab |= tokens(before) - tokens(live)
            mine = without_ids(writer.changed(mine, ("edit", "insert", "move"), 1, ""))
            merged = merge(ancestor, mine, live, new_id=new_ids(f"new-{turn}-"))
            live, ancestor = cells_of(merged), list(merged.ancestor)
            told = [conflict.mine for conflict in merged.conflicts if conflict.mine]
            assert in_tab <= tokens(live)
            assert tokens(mine) - removed_in_tab <= tokens([*live, *told])
            assert not merge(ancestor, mine, live).changes_live
