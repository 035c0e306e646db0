"""Cells that are plain Python run without IPython; nobody can tell the difference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pyramid_notebook.errors import NotebookFailed

from .calling import Calls, calls


@pytest.fixture(scope="module")
def shared() -> Iterator[Calls]:
    with calls() as made:
        yield made


def ways(made: Calls, *sources: str) -> list[bool]:
    """For each cell but the first and the last whether it ran without IPython."""
    watch = (
        "shell = get_ipython()\nways = []\ndef watched(source, run=shell.run_plain):\n"
        "    ways.append(None)\n    number = len(ways) - 1\n    ways[number] = run(source)\n    return ways[number]\n"
        "shell.run_plain = watched"
    )
    found: list[Any] = made.value(watch, *sources, "ways")
    return found[: len(sources)]


@pytest.mark.parametrize(
    ("source", "is_plain"),
    [
        ("x = 1", True),
        ("x = 1\nx", True),
        ("def f():\n    '''\n%time\n'''\n    return '%d' % 3", True),
        ("a, b = 5, 3\nc = (a\n%b)", True),
        ("", True),
        ("# nothing", True),
        ("lists = [1]\nlists", True),
        ("%time 1", False),
        ("!true", False),
        ("x = !true", False),
        ("  x = 1", False),
        ("import asyncio\nawait asyncio.sleep(0)", False),
        ("pwd", False),
        ("In [1]: y = 3", False),
        (">>> y = 3", False),
        ("print?", False),
    ],
)
def test_ipython_runs_what_only_it_understands(shared: Calls, source: str, is_plain: bool):
    assert ways(shared, source) == [is_plain]


@pytest.mark.parametrize(
    "changed",
    [
        "get_ipython().input_transformers_post.append(lambda lines: [line.replace('cat', '3') for line in lines])",
        "get_ipython().input_transformers_cleanup.append(lambda lines: [line.replace('cat', '3') for line in lines])",
        "import ast\nclass T(ast.NodeTransformer):\n    def visit_Name(self, node):\n"
        "        return ast.Constant(3) if node.id == 'cat' else node\nget_ipython().ast_transformers.append(T())",
    ],
)
def test_a_notebook_that_changes_its_cells_gets_what_it_wants(shared: Calls, changed: str):
    assert shared.value(changed, "y = cat", "y\n") == 3


def test_what_a_notebook_asks_ipython_for_happens(shared: Calls):
    seen = "seen = []\nget_ipython().events.register('{}', lambda *_: seen.append(1))"
    assert shared.value(seen.format("post_run_cell"), "a = 1", "b = 2", "len(seen)") == 2
    assert shared.value(seen.format("post_execute"), "a = 1", "b = 2", "len(seen)") == 3
    assert shared.value(seen.format("pre_execute"), "a = 1", "b = 2", "len(seen)") == 3
    custom = "def h(self, *a, **k): handled.append(1)\nhandled = []\nget_ipython().set_custom_exc((KeyError,), h)"
    with pytest.raises(NotebookFailed, match="KeyError"):
        shared.value(custom, "{}[1]", "1")


def test_names_and_values_are_where_ipython_has_them(shared: Calls):
    assert shared.value("5", "_ + 1") == 6
    assert shared.value("x = 3", "%who_ls") == ["x"]
    assert shared.value("from __future__ import annotations", "def f(x: no_such_name): pass", "1") == 1
    assert shared.value("__name__ == '__main__' and get_ipython() is not None") is True
    assert shared.value("import sys", "sys.displayhook is get_ipython().displayhook") is True
    assert shared.value("import inspect\ndef f():\n    return 1", "inspect.getsource(f)") == "def f():\n    return 1\n"
    assert shared.value("import pickle\nclass A: pass", "type(pickle.loads(pickle.dumps(A()))) is A") is True


def test_a_magic_name_that_is_a_variable_is_one(shared: Calls):
    assert shared.value("time = 5", "time") == 5


@pytest.mark.parametrize("end", ["", "\n%time 1"])
def test_a_traceback_is_the_same_in_both_ways(shared: Calls, end: str):
    with pytest.raises(NotebookFailed) as caught:
        shared.value("def f():\n    return 1 / 0", f"x = 1\nf(){end}", "1")
    text = "".join(caught.value.traceback)
    assert (caught.value.name, caught.value.cell) == ("ZeroDivisionError", 1)
    assert "plain.py" not in text
    assert "interactiveshell.py" not in text
    assert "return" in text
    assert text.count("In[") == 2
