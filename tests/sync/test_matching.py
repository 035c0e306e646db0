"""An editor's file finds its notebook, or is told that it is not certain."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pyramid_notebook.sync.matching import (
    CANDIDATES,
    BadPath,
    Match,
    NoMatch,
    Rule,
    checked_folder,
    checked_notebook,
    match,
)

HOME = "/home/alice/work"
NOTEBOOKS = ["flights.ipynb", "reports/flights.ipynb", "reports/trains.sync.ipynb", "old/reports/2024.ipynb"]

# ---- the rules, one after the other


def test_the_notebook_that_the_request_names_comes_before_all_others() -> None:
    found = match("/p/reports/flights.py", NOTEBOOKS, explicit="flights.ipynb", header="reports/flights.ipynb")
    assert found == Match("flights.ipynb", Rule.EXPLICIT, exists=True)


def test_a_notebook_that_is_named_may_be_one_that_is_still_to_be_made() -> None:
    assert match("/p/x.py", NOTEBOOKS, explicit="new/x.ipynb") == Match("new/x.ipynb", Rule.EXPLICIT, exists=False)


def test_a_mapped_folder_says_where_the_notebook_is() -> None:
    mapping = {"/home/alice": "", "/home/alice/src/": "reports/"}
    assert match("/home/alice/src/flights.py", NOTEBOOKS, mapping=mapping, header="flights.ipynb") == Match(
        "reports/flights.ipynb", Rule.MAPPING, exists=True
    )
    assert match("/home/alice/flights.py", NOTEBOOKS, mapping=mapping).notebook == "flights.ipynb"
    assert match("/home/alice/new/x.py", NOTEBOOKS, mapping=mapping) == Match("new/x.ipynb", Rule.MAPPING, exists=False)


def test_a_file_beside_a_mapped_folder_is_not_below_it() -> None:
    with pytest.raises(NoMatch):
        match("/home/alice/srcs/flights.py", NOTEBOOKS, mapping={"/home/alice/src": "reports"})


@pytest.mark.parametrize("root", [r"C:\Users\Alice", "c:/users/alice/", r"C:\Users\Alice\."])
def test_a_folder_of_windows_can_be_mapped(root: str) -> None:
    found = match(r"C:\Users\alice\Reports\Flights.py", NOTEBOOKS, mapping={root: "", "/": "old"})
    assert found == Match("reports/flights.ipynb", Rule.MAPPING, exists=True)


def test_the_header_names_the_notebook() -> None:
    found = match("/p/reports/flights.py", NOTEBOOKS, header="old/reports/2024.ipynb")
    assert found == Match("old/reports/2024.ipynb", Rule.HEADER, exists=True)


def test_on_the_same_machine_the_notebook_beside_the_file_is_its_own() -> None:
    assert match(f"{HOME}/flights.py", NOTEBOOKS, folder=HOME) == Match("flights.ipynb", Rule.BESIDE, exists=True)


@pytest.mark.parametrize(
    ("file", "notebook"),
    [
        ("reports/flights.py", "reports/flights.ipynb"),
        ("./reports/flights.R", "reports/flights.ipynb"),
        ("reports/trains.sync.py", "reports/trains.sync.ipynb"),
        (r"reports\flights.py", "reports/flights.ipynb"),
    ],
)
def test_a_relative_path_is_one_below_the_users_folder(file: str, notebook: str) -> None:
    assert match(file, NOTEBOOKS) == Match(notebook, Rule.BESIDE, exists=True)


@pytest.mark.parametrize(
    ("file", "notebook"),
    [
        ("/home/bob/reports/flights.py", "reports/flights.ipynb"),
        ("/home/bob/reports/trains.sync.py", "reports/trains.sync.ipynb"),
        (r"C:\work\Reports\FLIGHTS.py", "reports/flights.ipynb"),
        (r"\\server\share\reports\flights.jl", "reports/flights.ipynb"),
        ("//wsl$/reports/flights.py", "reports/flights.ipynb"),
        ("/x/old/reports/2024.py", "old/reports/2024.ipynb"),
    ],
)
def test_the_end_of_the_path_finds_a_notebook_on_another_machine(file: str, notebook: str) -> None:
    assert match(file, NOTEBOOKS) == Match(notebook, Rule.TAIL, exists=True)


def test_the_longer_end_wins_and_a_tie_is_not_decided() -> None:
    notebooks = ["a/x/n.ipynb", "b/x/n.ipynb", "c/a/x/n.ipynb"]
    assert match("/c/a/x/n.py", notebooks).notebook == "c/a/x/n.ipynb"
    with pytest.raises(NoMatch) as error:
        match("/q/x/n.py", notebooks, open_notebooks=["b/x/n.ipynb"])
    assert error.value.candidates == ("b/x/n.ipynb", "c/a/x/n.ipynb", "a/x/n.ipynb")
    assert match("/q/x/n.py", [*notebooks, "x/n.ipynb"]).notebook == "x/n.ipynb"  # no folder speaks against it


@pytest.mark.parametrize("file", ["/other/project/flights.py", "flights.py", r"C:\flights.py"])
def test_a_file_name_alone_never_decides(file: str) -> None:
    with pytest.raises(NoMatch) as error:
        match(file, ["flights.ipynb", "trains.ipynb"])
    assert (error.value.status, error.value.reason) == (409, "no-match")
    assert error.value.candidates == ("flights.ipynb",)
    assert repr(file) in str(error.value) and "flights.ipynb" in str(error.value)


def test_a_file_name_decides_where_the_only_such_notebook_holds_the_files_text() -> None:
    asked: list[str] = []

    def is_related(notebook: str) -> bool:
        asked.append(notebook)
        return True

    found = match("/any/flights.sync.py", ["work/flights.sync.ipynb", "x.ipynb"], is_related=is_related)
    assert found == Match("work/flights.sync.ipynb", Rule.NAME, exists=True)
    assert asked == ["work/flights.sync.ipynb"]
    with pytest.raises(NoMatch):
        match("/any/flights.py", ["a/flights.ipynb", "b/flights.ipynb"], is_related=is_related)
    assert len(asked) == 1


def test_the_suffix_sync_belongs_to_the_name() -> None:
    for file, notebook in (("/p/a/x.sync.py", "a/x.ipynb"), ("/p/a/x.py", "a/x.sync.ipynb")):
        with pytest.raises(NoMatch):
            match(file, [notebook], is_related=lambda _: True)


def test_a_folder_whose_name_looks_like_a_file_stays_what_it_is() -> None:
    assert match("/p/my.sync.py/x.sync.py", ["my.sync.py/x.sync.ipynb"]).notebook == "my.sync.py/x.sync.ipynb"


@pytest.mark.parametrize(
    ("file", "notebooks", "candidates"),
    [
        ("/p/Flights.py", ["flights.ipynb", "trains.ipynb"], ("flights.ipynb",)),
        ("/p/x.py", ["b.ipynb", "a.ipynb"], ("a.ipynb", "b.ipynb")),
        ("/p/x.py", [], ()),
    ],
)
def test_candidates_are_the_nearest_there_are(file: str, notebooks: list[str], candidates: tuple[str, ...]) -> None:
    with pytest.raises(NoMatch) as error:
        match(file, notebooks)
    assert error.value.candidates == candidates


def test_no_more_candidates_are_told_than_can_be_read() -> None:
    with pytest.raises(NoMatch) as error:
        match("/p/x.py", [f"{number}/x.ipynb" for number in range(1000)])
    assert len(error.value.candidates) == CANDIDATES


# ---- names in other spellings

NAME = "Übung 1"
COMPOSED, DECOMPOSED = unicodedata.normalize("NFC", NAME), unicodedata.normalize("NFD", NAME)


@pytest.mark.parametrize("ours", [COMPOSED, DECOMPOSED], ids=["NFC", "NFD"])
@pytest.mark.parametrize("theirs", [COMPOSED, DECOMPOSED], ids=["NFC", "NFD"])
def test_composed_and_decomposed_letters_are_the_same(ours: str, theirs: str) -> None:
    notebooks = [f"a/{ours}.ipynb"]
    assert match(f"/p/a/{theirs}.py", notebooks) == Match(notebooks[0], Rule.TAIL, exists=True)
    assert match(f"a/{theirs}.py", notebooks).notebook == notebooks[0]
    assert match("/x.py", notebooks, explicit=f"a/{theirs}.ipynb") == Match(notebooks[0], Rule.EXPLICIT, exists=True)


def test_of_two_spellings_the_identical_one_wins() -> None:
    notebooks = [f"a/{COMPOSED}.ipynb", f"a/{DECOMPOSED}.ipynb"]
    for name in (COMPOSED, DECOMPOSED):
        assert match(f"/p/a/{name}.py", notebooks).notebook == f"a/{name}.ipynb"


def test_case_counts_but_for_windows() -> None:
    notebooks = ["a/x.ipynb", "a/X.ipynb"]
    assert match("/p/a/X.py", notebooks).notebook == "a/X.ipynb"
    assert match(r"C:\p\A\X.py", notebooks).notebook == "a/X.ipynb"
    with pytest.raises(NoMatch):
        match("/p/a/X.py", ["a/x.ipynb"])


# ---- what is refused

BAD = [
    *("", "/etc/x.ipynb", "../x.ipynb", "a/../x.ipynb", "a/..", ".x.ipynb", ".git/x.ipynb", "a/.hidden/x.ipynb"),
    *("./x.ipynb", "a//x.ipynb", "a/", "x.py", "x.IPYNB", "x.ipynb/", ".ipynb", "a\\x.ipynb", "..\\x.ipynb"),
    *("C:/x.ipynb", "c:x.ipynb", "\\\\server\\x.ipynb", "x\0.ipynb", "x\n.ipynb", "\x7f.ipynb", "\ud800.ipynb"),
    *("x" * 250 + ".ipynb", "ü" * 125 + ".ipynb", "~/../x.ipynb"),
]


@pytest.mark.parametrize("notebook", BAD, ids=ascii)
def test_what_cannot_be_a_notebook_of_the_user_is_refused(notebook: str) -> None:
    with pytest.raises(BadPath) as error:
        checked_notebook(notebook)
    assert (error.value.status, error.value.reason) == (400, "path")
    if notebook:
        with pytest.raises(BadPath):
            match("/p/a.py", [notebook], explicit=notebook)
        with pytest.raises(BadPath):
            match("/p/a.py", [notebook], header=notebook)


@pytest.mark.parametrize("folder", ["/", "/etc", "..", "a/../..", ".git", "a\\b", "C:", "a\0", "a//b"], ids=ascii)
def test_what_cannot_be_a_folder_of_the_user_is_refused(folder: str) -> None:
    with pytest.raises(BadPath):
        checked_folder(folder)
    with pytest.raises(BadPath):
        match("/p/a.py", [], mapping={"/p": folder})


@pytest.mark.parametrize("folder", ["", ".", "a", "a/", "a/b c"])
def test_a_plain_folder_is_none_of_those(folder: str) -> None:
    assert checked_folder(folder) in ("", "a", "a/b c")


@pytest.mark.parametrize(
    "file", ["", "/", "C:\\", "/p/../x.py", "..\\x.py", "../x.py", "/p/x\0.py", "/p/x.ipynb", "x.IPYNB", "."], ids=ascii
)
def test_what_cannot_be_an_editors_file_is_refused(file: str) -> None:
    with pytest.raises(BadPath):
        match(file, NOTEBOOKS, explicit="flights.ipynb")


def test_a_hidden_folder_is_not_reached_over_a_mapping() -> None:
    with pytest.raises(BadPath):
        match("/p/.venv/x.py", [], mapping={"/p": "work"})


# ---- whatever the names are

PART = st.one_of(
    st.sampled_from(["a", "A", "b", "x.sync", "ü", "u\u0308", "İ", "ß", "a b", ".a", "..", "C:", "a\\b", "~", "-"]),
    st.text(min_size=1, max_size=5),
)
PATHS = st.lists(PART, min_size=1, max_size=4).map("/".join)
LISTED = st.lists(PATHS.map(lambda path: f"{path}.ipynb"), max_size=6)


@given(st.sampled_from(["", "/", "C:\\", "/home/"]), PATHS, LISTED, st.booleans())
def test_any_file_gets_a_good_notebook_of_those_there_are_or_a_clear_refusal(
    root: str, path: str, notebooks: list[str], is_related: bool
) -> None:
    try:
        found = match(f"{root}{path}.py", notebooks, is_related=lambda _: is_related)
    except NoMatch as error:
        assert set(error.candidates) <= set(notebooks)
    except BadPath as error:
        assert "cannot be" in str(error)
    else:
        assert found.exists and found.notebook in notebooks
        assert checked_notebook(found.notebook) == found.notebook
        stem = found.notebook.split("/")[-1].removesuffix(".ipynb")
        assert unicodedata.normalize("NFC", stem).casefold() in unicodedata.normalize("NFC", path).casefold()


@given(st.one_of(PATHS, LISTED.map("".join)))
def test_any_notebook_that_passes_stays_below_the_users_folder(notebook: str) -> None:
    try:
        checked_notebook(notebook)
    except BadPath:
        return
    parts = notebook.split("/")
    assert notebook.endswith(".ipynb") and not {"", ".", ".."} & set(parts)
    assert not any(part.startswith(".") for part in parts) and "\0" not in notebook and "\\" not in notebook


@given(LISTED)
def test_the_order_in_which_notebooks_are_listed_decides_nothing(notebooks: list[str]) -> None:
    assume(notebooks)
    shuffled = sorted(notebooks, key=lambda name: name[::-1])

    def outcome(listed: list[str]) -> object:
        try:
            return match("/p/a/x.sync.py", [*listed, "a/x.sync.ipynb"])
        except NoMatch as error:
            return error.candidates

    assert outcome(notebooks) == outcome(shuffled) == outcome([*notebooks, *notebooks])
