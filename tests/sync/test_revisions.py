"""A version has one name, whoever computes it, and comes back as it was kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pyramid_notebook.sync import ancestors
from pyramid_notebook.sync.ancestors import Ancestors
from pyramid_notebook.sync.cells import Cell, CellType
from pyramid_notebook.sync.revisions import REV, dumped, loaded, rev_of

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=5),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=5), values, max_size=3),
    max_leaves=5,
)
CELLS = st.builds(
    Cell, st.sampled_from(CellType), st.text(), st.text(max_size=8), st.dictionaries(st.text(max_size=5), VALUES)
)


@given(st.lists(CELLS, max_size=6))
def test_a_version_is_read_as_it_was_written(cells: list[Cell]) -> None:
    assert list(loaded(dumped(cells))) == cells


@given(st.lists(CELLS, max_size=6))
def test_equal_versions_have_one_name_of_32_digits(cells: list[Cell]) -> None:
    assert rev_of(cells, "id") == rev_of(loaded(dumped(cells)), "id")
    assert REV.fullmatch(rev_of(cells, "id"))


@given(st.lists(CELLS, min_size=1, max_size=4), st.integers(0, 3))
def test_another_text_is_another_version(cells: list[Cell], place: int) -> None:
    place %= len(cells)
    old = cells[place]
    changed = [*cells[:place], Cell(old.type, old.source + "x", old.id, old.metadata), *cells[place + 1 :]]
    assert rev_of(changed, "id") != rev_of(cells, "id")


def test_what_nobody_writes_is_no_other_version() -> None:
    shown = Cell(CellType.CODE, "a", "id", {"collapsed": False, "trusted": True, "tags": ["t"]})
    assert rev_of([shown], "id") == rev_of([Cell(CellType.CODE, "a", "id", {"tags": ["t"]})], "id")


@given(st.text())
@example("}")
def test_a_text_that_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="this is no version"):
        loaded(f"{{{text}")


CELL = Cell(CellType.CODE, "a = 1", "one", {"tags": ["x"]})


def test_a_version_is_found_by_its_rev_also_after_a_restart(tmp_path: Path) -> None:
    rev = Ancestors(tmp_path / "sync").keep([CELL], "id")
    assert Ancestors(tmp_path / "sync").find(rev, "id") == (CELL,)


def test_a_file_that_was_cut_short_or_changed_is_not_taken_for_a_version(tmp_path: Path) -> None:
    rev = Ancestors(tmp_path / "sync").keep([CELL], "id")
    path = tmp_path / "sync" / rev
    for text in ("", path.read_text()[:-5], path.read_text().replace("1", "2"), "[[1]]", "{}"):
        path.write_text(text)
        assert Ancestors(tmp_path / "sync").find(rev, "id") is None


@pytest.mark.parametrize("rev", ["", "x", "../secret", "0" * 31, "0" * 33, "A" * 32, "0" * 31 + "\n"])
def test_a_rev_that_is_none_names_no_file(tmp_path: Path, rev: str) -> None:
    assert Ancestors(tmp_path).find(rev, "id") is None


def test_a_version_is_not_read_through_a_link(tmp_path: Path) -> None:
    rev = Ancestors(tmp_path / "one").keep([CELL], "id")
    other = tmp_path / "two"
    other.mkdir(mode=0o700)
    (other / rev).symlink_to(tmp_path / "one" / rev)
    assert Ancestors(other).find(rev, "id") is None


def test_only_we_can_read_versions(tmp_path: Path) -> None:
    rev = Ancestors(tmp_path / "sync").keep([CELL], "id")
    assert (tmp_path / "sync").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "sync" / rev).stat().st_mode & 0o777 == 0o600


def test_the_versions_that_were_used_last_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ancestors, "MOST_FILES", 3)
    monkeypatch.setattr(ancestors, "_ROUND", 2)
    kept = Ancestors(tmp_path / "sync")
    revs = []
    for number in range(7):
        revs.append(kept.keep([Cell(CellType.CODE, str(number))], "id"))
        os.utime(tmp_path / "sync" / revs[-1], (number, number))
    kept = Ancestors(tmp_path / "sync")
    assert kept.find(revs[-1], "id")
    assert kept.find(revs[0], "id") is None
    assert len(list((tmp_path / "sync").iterdir())) <= 4


def test_a_version_of_another_notebook_is_not_found(tmp_path: Path) -> None:
    rev = Ancestors(tmp_path / "sync").keep([CELL], "one")
    assert Ancestors(tmp_path / "sync").find(rev, "two") is None
