import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pyramid_notebook.sync.cells import Cell, CellType
from pyramid_notebook.sync.percent import parse, write
from pyramid_notebook.sync.percent.languages import LANGUAGES, language_of

from .odd_lines import ODD_LINES

CODE, MARKDOWN, RAW = CellType.CODE, CellType.MARKDOWN, CellType.RAW
CORPUS = sorted((Path(__file__).parent / "corpus").iterdir())
PYTHON = language_of("python")

lines = (
    st.sampled_from(ODD_LINES)
    | st.tuples(st.sampled_from(ODD_LINES), st.text(max_size=5)).map(" ".join)
    | st.text(max_size=5)
)
sources = st.lists(lines, max_size=6).map("\n".join).map(lambda text: text.replace("\r", "").rstrip("\n"))


def is_unicode(value):
    return not any("\ud800" <= character <= "\udfff" for character in json.dumps(value, ensure_ascii=False))


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
titles = st.text(max_size=8) | st.sampled_from(
    ["[md] x", "a = b", "{x", "%a", ".x", " x", "x  y", "[raw]", "x [", "", "*)"]
)
metadata = st.dictionaries(st.sampled_from(["tags", "a", "b.c", "title"]) | st.text(max_size=4), values, max_size=2)
headed = st.fixed_dictionaries({"title": titles}, optional={"cell_depth": st.integers(0, 3), "tags": st.just(["a"])})
cells = st.builds(
    Cell,
    st.sampled_from(list(CellType)),
    sources,
    st.sampled_from(["", "a1", "b-_"]),
    (metadata | headed).filter(is_unicode).filter(lambda found: "id" not in found),
)
languages = st.sampled_from(LANGUAGES) | st.just(PYTHON)


def said(cell, *, ids=True):
    """What a script says of a cell, but that its code isn't whole."""
    metadata = {key: value for key, value in cell.metadata.items() if (key, value) != ("active", "ipynb")}
    return cell.type, cell.source, cell.id if ids else "", metadata


def read(text, language=PYTHON, *, ids=True):
    return [said(found.cell, ids=ids) for found in parse(text, language).cells]


@given(st.lists(cells, max_size=5), languages)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_what_is_written_is_read_as_it_was(row, language):
    assert read(write(row, language), language) == [said(cell) for cell in row]


@given(st.lists(cells, max_size=3), st.sampled_from(CORPUS))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_what_is_written_under_a_header_is_read_as_it_was(row, path):
    header = parse(path.read_text(encoding="utf-8"), path.suffix).header
    text = write(row, path.suffix, header=header)
    assert read(text, language_of(path.suffix)) == [said(cell) for cell in row]


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_a_script_keeps_its_bytes_as_long_as_its_cells_are_the_same(path):
    for text in (path.read_text(encoding="utf-8"), path.read_text(encoding="utf-8").replace("\n", "\r\n")):
        script = parse(text, path.suffix)
        assert script.updated([found.cell for found in script.cells]) == text


scripts = st.builds(
    lambda rows, end: "".join(rows) + end,
    st.lists(st.tuples(lines, st.sampled_from(["\n", "\n\n", "\r\n"])).map("".join), max_size=12),
    st.sampled_from(["", "\n", "# %%", "x"]),
)


@given(scripts, languages)
@example("\ufeff# %%\n", PYTHON)
def test_any_text_keeps_its_bytes_as_long_as_its_cells_are_the_same(text, language):
    script = parse(text, language)
    assert script.updated([found.cell for found in script.cells]) == text


@given(scripts, st.lists(cells, max_size=3), st.randoms(use_true_random=False), languages)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_after_a_pull_a_script_has_the_cells_of_the_notebook(text, new, random, language):
    script = parse(text, language)
    row = [found.cell for found in script.cells] + new
    random.shuffle(row)
    row = row[: random.randint(0, len(row))]
    assert read(script.updated(row), language, ids=False) == [said(cell, ids=False) for cell in row]


SCRIPT = '''\
#%% [markdown] tags=["a"]
"""
# Title
"""
#%%   Load
# %time x()



#%%
y
'''


def changed(text, change, language="python"):
    script = parse(text, language)
    row = [found.cell for found in script.cells]
    change(row)
    return script.updated(row)


def with_source(number, source):
    def change(row):
        row[number] = Cell(row[number].type, source, row[number].id, row[number].metadata)

    return change


def test_only_a_cell_that_changed_is_written_anew():
    assert changed(SCRIPT, with_source(1, "%time z()")) == SCRIPT.replace("x()", "z()")


def test_changed_markdown_stays_in_its_quotes():
    assert changed(SCRIPT, with_source(0, "# $\\alpha$")) == SCRIPT.replace('"""\n# Title', 'r"""\n# $\\alpha$')


def test_markdown_that_cannot_stand_in_its_quotes_becomes_comments():
    assert changed(SCRIPT, with_source(0, 'a """')) == SCRIPT.replace('"""\n# Title\n"""', '# a """')


def test_a_new_cell_looks_like_the_others():
    text = "#%%\r\nx\r\n\r\n\r\n#%%\r\ny\r\n\r\n\r\n#%% [markdown]\r\n# z"
    added = changed(text, lambda row: row.insert(1, Cell(MARKDOWN, "new\ntext", "an-id")))
    assert added == text.replace("#%%\r\ny", "#%% [markdown]\r\n# new\r\n# text\r\n\r\n\r\n#%%\r\ny")


def test_ids_are_written_where_there_are_some():
    new = Cell(CODE, "z", "new")
    assert changed("# %%\nx\n", lambda row: row.append(new)) == "# %%\nx\n\n# %%\nz\n"
    assert changed('# %% id="a"\nx\n', lambda row: row.append(new)) == '# %% id="a"\nx\n\n# %% id="new"\nz\n'


def test_ids_of_the_notebook_change_no_cell_of_a_file_without_ids():
    text = "# %% Title\nx\n\n\n# %%\nx\n"
    script = parse(text)
    row = [
        Cell(found.cell.type, found.cell.source, f"id{n}", found.cell.metadata) for n, found in enumerate(script.cells)
    ]
    assert script.updated(row) == text


def test_what_pages_note_in_the_metadata_changes_no_cell():
    text = '# %% tags=["a"]\nx\n'
    metadata = {"tags": ["a"], "trusted": True, "collapsed": False, "execution": {"iopub.status.busy": "now"}}
    assert parse(text).updated([Cell(CODE, "x", "a", metadata)]) == text


def test_a_cell_that_moved_keeps_its_bytes():
    text = "# %%\na\n\n\n\n#%% Spaced   tags=['x']\nb = '  '\n"
    moved = changed(text, lambda row: row.reverse())
    assert "#%% Spaced   tags=['x']\nb = '  '\n" in moved
    assert [source for _, source, *_ in read(moved)] == ["b = '  '", "a"]


def test_a_cell_that_gets_a_tag_keeps_its_code():
    tagged = changed("# %%\nx\n", lambda row: row.__setitem__(0, Cell(CODE, "x", "", {"tags": ["parameters"]})))
    assert tagged == '# %% tags=["parameters"]\nx\n'


def test_a_file_whose_last_line_has_no_end_keeps_that():
    assert changed("# %%\nx", with_source(0, "y")) == "# %%\ny"
    assert changed("# %%\nx\n\n# %%\ny", lambda row: row.pop()) == "# %%\nx"


def test_a_header_stays_when_all_cells_go():
    assert changed("#!/bin/sh\n# %%\nx\n", lambda row: row.clear(), "bash") == "#!/bin/sh\n"


def test_what_the_header_tells_others_follows_the_notebook():
    text = "# ---\n# title: a\n# jupyter:\n#   b: c\n# ---\n\n# %%\nx\n"
    assert changed(text, lambda row: row.pop(0)) == "# ---\n# jupyter:\n#   b: c\n# ---\n\n# %%\nx\n"
    assert changed(text, lambda row: row.append(Cell(CODE, "y"))) == text + "\n# %%\ny\n"
    assert changed(text, with_source(0, "---\ntitle: new\n---")).startswith(
        "# ---\n# jupyter:\n#   b: c\n# ---\n\n# %% [raw]\n# ---\n# title: new\n# ---\n"
    )


def test_code_above_the_first_marker_stays_without_one():
    text = "import x\n\n# %%\ny\n"
    assert changed(text, with_source(0, "import z")) == "import z\n\n# %%\ny\n"
    assert changed(text, lambda row: row.insert(0, Cell(CODE, "a"))) == "# %%\na\n\n# %%\nimport x\n\n# %%\ny\n"


def test_magics_stay_as_the_file_has_them():
    assert changed("# %%\n%time x\n", with_source(0, "%time y\n# z")) == "# %%\n%time y\n# z\n"
    header = "# ---\n# jupyter:\n#   jupytext:\n#     comment_magics: false\n# ---\n\n"
    assert changed(f"{header}# %%\nx\n", with_source(0, "%time y")) == f"{header}# %%\n%time y\n"
    assert changed("# %%\nx\n", with_source(0, "%time y")) == "# %%\n# %time y\n"


def test_code_that_begins_a_string_without_end_is_commented_and_for_the_notebook_only():
    assert write([Cell(CODE, 'x = """'), Cell(CODE, '"""')], "python") == (
        '# %% active="ipynb"\n# x = """\n\n# %% active="ipynb"\n# """\n'
    )


def test_a_notebook_is_written_with_titles_types_tags_and_ids():
    row = [
        Cell(MARKDOWN, "# A\n\ntext", "a"),
        Cell(CODE, "%%R\nf(x)", "b", {"tags": ["t"], "title": "Load"}),
        Cell(RAW, "end", "c", {"a b": 1}),
        Cell(CODE, "", "not an id"),
    ]
    assert write(row, "python", header="#!/usr/bin/env python\n") == (
        "#!/usr/bin/env python\n"
        "\n"
        '# %% [markdown] id="a"\n# # A\n#\n# text\n'
        "\n"
        '# %% Load id="b" tags=["t"] language="R"\n# f(x)\n'
        "\n"
        '# %% [raw] {"id": "c", "a b": 1}\n# end\n'
        "\n"
        "# %%\n"
    )


def test_an_empty_notebook_is_an_empty_script():
    assert write([], "python") == ""
