"""What is typed for the console itself."""

from __future__ import annotations

import pytest

from pyramid_notebook.console.questions import Question, is_leaving, question_of, seems_complete


@pytest.mark.parametrize(
    ("line", "question"),
    [
        ("len?", Question("len", 0)),
        ("len??", Question("len", 1)),
        ("?len", Question("len", 0)),
        ("?? os.path ", Question("os.path", 1)),
        ("%timeit?", Question("%timeit", 0)),
        ("%%time??", Question("%%time", 1)),
        ("rows[0].name?", None),
        ("rows[0]?", Question("rows[0]", 0)),
        ("len", None),
        ("?len?", None),
        ("a + b?", None),
        ("x = 'why?'", None),
        ("???len", None),
        ("*int*?", None),
        ("", None),
    ],
)
def test_a_question_names_one_thing(line, question):
    assert question_of(line) == question


@pytest.mark.parametrize("line", ["exit", " quit ", "exit()", "quit()"])
def test_the_words_that_end_ipython_end_the_console(line):
    assert is_leaving(line)


@pytest.mark.parametrize("line", ["exit(1)", "exiting", "x = exit", ""])
def test_other_words_do_not(line):
    assert not is_leaving(line)


@pytest.mark.parametrize(
    ("text", "is_whole"),
    [
        ("1 + 1", True),
        ("f(", False),
        ("for x in y:", False),
        ("@wraps", False),
        ("x = 1 \\", False),
        ("%%time", False),
        ("for x in y:\n    print(x)", False),
        ("for x in y:\n    print(x)\n", True),
        ("for x in y:\n    print(x)\n    ", True),
    ],
)
def test_code_of_several_lines_ends_with_an_empty_one(text, is_whole):
    assert seems_complete(text) is is_whole
