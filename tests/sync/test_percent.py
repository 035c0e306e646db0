import json
import time
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pyramid_notebook.sync.cells import Cell, CellType
from pyramid_notebook.sync.percent import parse
from pyramid_notebook.sync.percent.languages import LANGUAGES, language_of

from .odd_lines import ODD_LINES

CODE, MARKDOWN, RAW = CellType.CODE, CellType.MARKDOWN, CellType.RAW

SCRIPT = """\
#!/usr/bin/env python
# ---
# jupyter:
#   kernelspec:
#     language: python
#     name: 'python3'
# ---

# %% [markdown]
# # Title

# %%
import this

x = 1


# %% id="end" tags=["slow"]
y = 2
"""


def sources(text, language="python"):
    return [found.cell.source for found in parse(text, language).cells]


lines = st.sampled_from(ODD_LINES) | st.tuples(st.sampled_from(ODD_LINES), st.text(max_size=6)).map("".join)
ends = st.sampled_from(["\n", "\n", "\n", "\r\n", "\r", ""])
texts = st.lists(st.tuples(lines, ends).map("".join)).map("".join) | st.text()
languages = st.sampled_from(LANGUAGES)


@given(texts, languages)
@example("\ufeff# %%\r\nx\r\n\r\n# %%", language_of("python"))
@example("\r\n\r", language_of("R"))
@example("", language_of("sql"))
@example("\ufeff", language_of("go"))
def test_any_text_is_a_script_and_is_given_back_to_the_byte(text, language):
    assert str(parse(text, language)) == text


@given(texts, languages)
def test_cells_follow_each_other_and_every_line_is_somebodys(text, language):
    script = parse(text, language)
    cells = [found for found in script.cells if found.text]
    for above, below in pairwise(cells):
        assert above.first_line <= above.last_line == below.first_line - 1
    for number, found in enumerate(script.cells):
        assert not found.cell.source.endswith("\n") and "\r" not in found.cell.source
        assert script.cell_at(found.first_line) == script.cell_at(found.last_line) == number
        json.dumps(found.cell.metadata, allow_nan=False)
        json.dumps(found.cell.metadata, ensure_ascii=False).encode()


@given(texts, languages)
def test_line_ends_and_a_byte_order_mark_change_no_cell(text, language):
    plain = text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
    cells = [(found.cell, found.first_line, found.last_line) for found in parse(plain, language).cells]
    for other in (plain.replace("\n", "\r\n"), plain.replace("\n", "\r"), f"\ufeff{plain}"):
        assert [(found.cell, found.first_line, found.last_line) for found in parse(other, language).cells] == cells


def test_the_header_says_which_kernel_the_file_is_for():
    script = parse(SCRIPT)
    assert (script.kernel_name, script.kernel_language, script.newline) == ("python3", "python", "\n")
    assert script.header == SCRIPT[: SCRIPT.index("# %%")]
    assert parse(SCRIPT.replace("\n", "\r\n")).newline == "\r\n"


@pytest.mark.parametrize(
    "text",
    [
        "# ---\n# jupyter:\n#   notebook: work/rain.ipynb\n# ---\n# %%\n1\n",
        "# jupyter: notebook: work/rain.ipynb\n\n# %%\n1\n",
        '# ---\n# jupyter:\n#   a: 1\n# ---\n\n# jupyter: notebook = "work/rain.ipynb"\n# %%\n1\n',
    ],
)
def test_the_header_may_name_the_notebook(text):
    script = parse(text)
    assert script.notebook == "work/rain.ipynb"
    assert [found.cell for found in script.cells] == [Cell(CODE, "1")]


def test_what_a_header_says_to_others_is_the_first_cell_of_the_notebook():
    script = parse("# ---\n# title: Rain\n# jupyter:\n#   a: b\n# author: me\n# ---\n\n# %%\n1\n")
    assert [found.cell for found in script.cells] == [Cell(RAW, "---\ntitle: Rain\nauthor: me\n---"), Cell(CODE, "1")]
    assert script.header_without_front_matter == "# ---\n# jupyter:\n#   a: b\n# ---\n"
    assert [script.cell_at(line) for line in (1, 7, 8)] == [0, 0, 1]


def test_a_cell_knows_its_lines():
    assert [(found.first_line, found.last_line) for found in parse(SCRIPT).cells] == [(9, 11), (12, 17), (18, 19)]


@pytest.mark.parametrize(
    ("line", "index"),
    [(1, 0), (7, 0), (8, 0), (9, 0), (11, 0), (12, 1), (14, 1), (17, 1), (18, 2), (19, 2), (20, 2), (10**9, 2)],
)
def test_a_line_belongs_to_the_cell_that_an_editor_shows_around_it(line, index):
    assert parse(SCRIPT).cell_at(line) == index


def test_lines_are_counted_from_1():
    assert parse(SCRIPT).cell_at(0) is None
    assert parse(SCRIPT).cell_at(-1) is None


@pytest.mark.parametrize("text", ["", "\n\n", "#!/bin/sh\n", "# ---\n# jupyter:\n#   a: b\n# ---\n"])
def test_a_script_without_cells_has_none_at_any_line(text):
    assert parse(text).cells == ()
    assert parse(text).cell_at(1) is None


def test_text_without_a_marker_is_one_cell():
    assert sources("\nimport x\n\n\ny\n") == ["import x\n\n\ny"]


def test_a_marker_names_title_type_id_and_metadata():
    [found] = parse('# %% A title [markdown] id="ab-1" tags=["a", "b"] x={"y": [1, null]}\n# text\n').cells
    assert found.cell == Cell(MARKDOWN, "text", "ab-1", {"title": "A title", "tags": ["a", "b"], "x": {"y": [1, None]}})


@pytest.mark.parametrize("cell_id", ["", "a b", "ü", "a" * 65, 1, None, ["a"]])
def test_what_cannot_be_an_id_stays_metadata(cell_id):
    [found] = parse(f"# %% id={json.dumps(cell_id)}\n").cells
    assert found.cell == Cell(CODE, "", "", {"id": cell_id})


@pytest.mark.parametrize(
    "options",
    [
        "a=NaN",
        "a=1e999",
        "a=-Infinity",
        r'a="\ud800"',
        "a=99999999999999999999",
        "{1, 2}",
        "a=" + "[" * 3000,
        "a=" * 5000,
    ],
)
def test_values_that_no_notebook_can_hold_are_kept_as_text(options):
    [found] = parse(f"# %% Title {options}\n").cells
    assert found.cell.metadata == {"title": "Title", "incorrectly_encoded_metadata": options}


def test_long_options_take_linear_time():
    start = time.process_time()
    for options in (
        "a=b=" * 100_000,
        "a=1 " * 100_000,
        "{" * 100_000,
        "a " * 100_000,
        "%" * 100_000,
        " =" * 100_000,
        "x=1" + " a" * 100_000,
    ):
        parse(f"# %% {options}\n")
    assert time.process_time() - start < 5


def test_magics_are_no_comments_in_the_notebook():
    text = "# %%\n# %time f()\nif x:\n    # !ls -l \\\n    #   *.csv\n# y?\n# files = !ls\n# # %who\n"
    assert sources(text) == ["%time f()\nif x:\n    !ls -l \\\n      *.csv\ny?\nfiles = !ls\n# %who"]


def test_a_magic_in_a_string_is_text():
    assert sources('# %%\nx = """\n# %time\n"""\n# %who\n') == ['x = """\n# %time\n"""\n%who']


def test_a_header_can_say_that_magics_are_not_commented():
    header = "# ---\n# jupyter:\n#   jupytext:\n#     comment_magics: false\n# ---\n"
    assert sources(f"{header}# %%\n# %time\n%who\n") == ["# %time\n%who"]


def test_a_cell_in_another_language_begins_with_its_magic():
    assert sources('# %% language="R" magic_args="-i x"\n# f(x)\n#\n# g(x)\n') == ["%%R -i x\nf(x)\n\ng(x)"]
    assert sources('// %% language="python"\n// x\n', "csharp") == ["#!python\nx"]


ATTACKS = {
    "markers": "# %%\n",
    "fences": "# %% [markdown]\n# ```x\n",
    "longer fences": "".join(f"# %% [markdown]\n# {'`' * (3 + number % 300)}x\n" for number in range(300)),
    "quotes": '"""\n\\',
    "escaped quotes": '\\"""\n',
    "comments": "# " * 50,
    "blanks": " \t",
    "blank lines": "\n",
    "backslashes": "# %time \\\n",
    "question marks": "# ?????",
    "here-documents": "<<A\nB\n",
    "brackets": "[[--[[[=[",
    "block comments": "/*(*{-<##=",
    "header": "# ---\n#\n",
    "carriage returns": "\r",
    "dollars": "$a$",
    "long lines": "x" * 1000 + "'",
}


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("language", ["python", "R", "bash", "ocaml", "sql", "lua", "rust", "ruby"])
def test_no_text_takes_more_than_linear_time(name, language):
    unit = ATTACKS[name].replace("# ", f"{language_of(language).comment} ")
    text = unit * (200_000 // len(unit))
    start = time.process_time()
    parse(text, language)
    assert time.process_time() - start < 3


@pytest.mark.parametrize(
    "begin", ["# %%", "# jupyter: notebook: a", "# %time", "# ls", "# -*- coding", "# x = ", "# ?", "#!"]
)
@pytest.mark.parametrize("more", [" ", " a", "# ", "a", "=", '"', "\\", " -", "[", "'" * 3, "?"])
@pytest.mark.parametrize("language", ["python", "R", "ocaml"])
def test_no_line_takes_more_than_linear_time(begin, more, language):
    text = f"{begin}{more * 100_000}\n{begin}{more * 100_000} x\n".replace("# ", f"{language_of(language).comment} ")
    start = time.process_time()
    script = parse(text, language)
    assert time.process_time() - start < 3
    assert script.text == text


def test_two_thousand_cells_are_read_quickly():
    text = "".join(f'# %% id="c{number}"\n' + "x = f('text')  # why\n" * 8 + "\n" for number in range(2_000))
    spent = []
    for _ in range(5):
        start = time.process_time()
        assert len(parse(text).cells) == 2_000
        spent.append(time.process_time() - start)
    assert min(spent) < 0.18  # three times what it takes


def test_an_unknown_language_is_named_in_the_error():
    with pytest.raises(LookupError, match="brainfuck"):
        parse("", "brainfuck")
