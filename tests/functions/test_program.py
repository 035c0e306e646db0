"""What of a notebook is a function."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_notebook.errors import NotAFunction
from pyramid_notebook.functions.program import Cell, Program, Role


def code(source, *tags):
    return {"cell_type": "code", "metadata": {"tags": list(tags)}, "source": source}


def text(source, *tags):
    return {"cell_type": "markdown", "metadata": {"tags": list(tags)}, "source": source}


def notebook(*cells, **metadata):
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": list(cells)}


def program(*cells, **metadata):
    return Program.of(notebook(*cells, **metadata))


def test_the_cells_run_in_their_order_until_the_first_that_returns():
    made = program(code("a = 1", "parameters"), code("b = 2"), code("a", "return"), code("c"), code("b", "return"))
    assert made.cells == (
        Cell(0, "a = 1", Role.PARAMETERS),
        Cell(1, "b = 2", Role.CODE),
        Cell(2, "a", Role.RETURN),
    )
    assert made.has_value


def test_a_notebook_without_a_return_cell_has_no_value():
    assert not program(code("a")).has_value
    assert not program().has_value


def test_cells_with_the_tag_skip_never_run_whatever_other_tags_they_have():
    made = program(code("a", "skip"), code("b", "skip", "return"), code("c", "skip", "parameters"), code("d"))
    assert [cell.source for cell in made.cells] == ["d"]


def test_what_papermill_injected_are_parameters_as_well():
    made = program(code("a = 1", "parameters"), code("a = 2", "injected-parameters"), code("a", "return"))
    assert made.parameter_sources == ("a = 1", "a = 2")


def test_raw_and_markdown_cells_do_not_run_and_cells_keep_their_numbers():
    made = program(text("x"), {"cell_type": "raw", "metadata": {}, "source": "x"}, code("a"))
    assert made.cells == (Cell(2, "a", Role.CODE),)


def test_a_source_may_be_lines():
    assert program(code(["a = 1\n", "b = 2"])).cells[0].source == "a = 1\nb = 2"


@pytest.mark.parametrize("source", [None, 5, [None], ["a", 5], {"a": 1}])
def test_a_source_that_is_no_text_is_refused_rather_than_run_as_its_repr(source):
    with pytest.raises(NotAFunction, match="no text"):
        program(code(source))


def test_a_cell_without_metadata_or_tags_is_code():
    cells = [{"cell_type": "code", "source": "a"}, {"cell_type": "code", "source": "b", "metadata": {"tags": None}}]
    assert [cell.role for cell in program(*cells).cells] == [Role.CODE, Role.CODE]


def test_a_cell_cannot_have_parameters_and_return():
    with pytest.raises(NotAFunction, match="Cell 2 has both tags"):
        program(code("a"), code("b", "parameters", "return"))


def test_the_snapshot_is_what_runs_before_the_mark():
    assert program(code("a"), code("x", "skip"), code("b"), code("c", "snapshot"), code("d")).snapshot == 2
    assert program(code("a"), text("here", "snapshot"), code("b")).snapshot == 1
    assert program(code("a", "snapshot")).snapshot == 0
    assert program(code("a"), code("n = 1", "parameters", "snapshot")).snapshot == 1


def test_the_first_of_several_marks_counts():
    assert program(code("a"), code("b", "snapshot"), code("c", "snapshot")).snapshot == 1


def test_parameters_before_the_mark_are_refused():
    with pytest.raises(NotAFunction, match="snapshot must come before the parameters"):
        program(code("a", "parameters"), code("b", "snapshot"))


def test_the_title_is_the_first_heading_and_the_description_all_text_before_the_code():
    made = program(text("Hello\n# Title #\nx"), text("y"), text("secret", "skip"), code("a"), text("# later"))
    assert (made.title, made.description) == ("Title", "Hello\n# Title #\nx\n\ny")


def test_text_with_the_tag_parameters_belongs_to_the_description_wherever_it_stands():
    assert program(code("a"), text("what n is", "parameters")).description == "what n is"


@pytest.mark.parametrize(
    ("source", "title"),
    [
        ("## A  ", "A"),
        ("#tag\n# B", "B"),
        ("#\n# ##\n# C", "C"),
        ("```\n# code\n```\n# D", "D"),
        ("~~~~\n# code\n~~~\n```\n# code\n~~~~\n# E", "E"),
        ("# C#", "C#"),
        ("# #1", "#1"),
        ("    # code", ""),
        ("# a" + " " * 100_000 + "x", "a" + " " * 100_000 + "x"),
    ],
)
def test_headings_are_those_of_markdown(source, title):
    assert program(text(source)).title == title


def test_the_language_is_that_of_the_metadata_and_python_without():
    assert program(language_info={"name": "R"}, kernelspec={"name": "ir", "language": "r"}).language == "r"
    assert program(kernelspec={"name": "ir", "language": "R"}).kernel_name == "ir"
    assert program(kernelspec={"name": "ir", "language": "R"}).language == "r"
    assert program().language == "python"


def test_options_are_what_the_metadata_says():
    assert program(pyramid_notebook={"cache": 5}).options == {"cache": 5}
    assert program(pyramid_notebook="no").options == {}


def test_the_sources_of_parameters_and_what_is_before_them_are_told():
    made = program(code("i"), code("a", "parameters"), code("j"), code("b", "parameters"), code("k"))
    assert made.parameter_sources == ("a", "b")
    assert made.earlier_sources == ("i", "j")
    assert program(code("i")).earlier_sources == ()


def test_the_digest_changes_with_code_and_roles_and_not_with_text():
    first = program(text("x"), code("a"), code("b", "return"))
    assert first.digest == program(text("y"), code("a"), code("b", "return")).digest
    assert first.digest != program(text("x"), code("a2"), code("b", "return")).digest
    assert first.digest != program(text("x"), code("a"), code("b")).digest


@pytest.mark.parametrize(
    "content",
    [
        *({}, [], None, 5, {"nbformat": 3, "metadata": {}, "cells": []}, {"nbformat": 4, "cells": []}),
        *({"nbformat": 4, "metadata": {}, "cells": {}}, {"nbformat": 4, "metadata": {}, "cells": [5]}),
    ],
)
def test_what_is_no_notebook_is_refused(content):
    with pytest.raises(NotAFunction):
        Program.of(content)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
tags = st.lists(st.sampled_from(["parameters", "skip", "return", "snapshot", "x"]) | json_values, max_size=3)
cells = st.fixed_dictionaries(
    {"cell_type": st.sampled_from(["code", "code", "markdown", "raw"]) | json_values},
    optional={"source": st.text() | json_values, "metadata": st.fixed_dictionaries({"tags": tags}) | json_values},
)


@given(st.lists(cells, max_size=6), st.dictionaries(st.sampled_from(["kernelspec", "language_info"]), json_values))
def test_any_json_is_a_function_or_is_refused(content, metadata):
    try:
        made = Program.of(notebook(*content, **metadata))
    except NotAFunction:
        return
    assert len(made.digest) == 64
    assert made.snapshot <= len(made.cells)
    assert all(cell.role is not Role.RETURN for cell in made.cells[:-1])
    json.dumps([made.title, made.description, made.language, made.kernel_name])
