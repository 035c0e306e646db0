"""Cells in this process, without a zygote."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from pyramid_notebook.errors import NotebookFailed
from pyramid_notebook.functions.cells import run
from pyramid_notebook.functions.models.borrowed import borrowed_shell
from pyramid_notebook.functions.program import Cell, Role
from pyramid_notebook.functions.protocol import EnumMember, Order

from .calling import order


def value(*sources: str, namespace: dict[str, Any] | None = None, **options: Any) -> Any:
    with borrowed_shell(namespace or {}) as shell:
        return run(order(*sources, **options), shell, lambda event: None)


def failure(*sources: str, **options: Any) -> NotebookFailed:
    with pytest.raises(NotebookFailed) as caught:
        value(*sources, **options)
    return caught.value


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("1 + 1", 2),
        ("1 + 1;", 2),
        ("a = 4\nb = 5\na * b", 20),
        ("a = 4", None),
        ("for i in range(3):\n    i", None),
        ("%time 3 * 4", 12),
        ("%%time\na = 3\na * 5", 15),
        ("%%capture\n7", None),
        ("import asyncio\nawait asyncio.sleep(0)\nawait asyncio.sleep(0, 'late')", "late"),
        ("x = !echo one; echo two\nlist(x)", ["one", "two"]),
        ("get_ipython().run_cell('5')\n'outer'", "outer"),
        ("for i in range(2):\n    get_ipython().run_cell('5')", None),
        ("'%d' % 3", "3"),
        ("# only a comment", None),
        ("", None),
        ("  3", 3),
    ],
)
def test_a_return_cell_has_the_value_of_its_last_expression(source: str, expected: object):
    assert value(source) == expected


def test_a_notebook_without_a_return_cell_has_no_value():
    with borrowed_shell({}) as shell:
        what = Order(cells=(Cell(0, "3", Role.CODE),), values={}, names=(), folder="/")
        assert run(what, shell, lambda event: None) is None


def test_functions_of_a_notebook_see_its_names_and_themselves():
    assert value("import math\nk = 2\ndef f(n): return 1 if n < 1 else k * f(n - 1) + math.floor(0.5)", "f(3)") == 8
    assert value("k = 2", "[k + i for i in range(2)]") == [2, 3]


def test_nothing_leaks_from_one_call_to_the_next():
    assert value("left = 1", "left") == 1
    assert failure("left").name == "NameError"
    assert value("dict(Out)") == {}


def test_functions_of_a_notebook_live_on_after_the_call():
    function = value("k = 20", "lambda: k + 1")
    value("k = 5", "k")
    assert function() == 21


def test_names_of_the_notebook_never_clash_with_ours():
    names = ("self", "cell", "emit", "shell", "order", "value", "names", "run", "error", "result")
    code = "; ".join(f"{name} = {number}" for number, name in enumerate(names))
    assert value(code, "def f(): return self, emit", "f() + (value, error, result)") == (0, 2, 5, 8, 9)


def test_the_caller_s_names_are_there():
    assert value("mine * 2", namespace={"mine": 21}) == 42


def test_parameters_are_bound_after_their_cell_and_before_the_next():
    told = value("double = a * 2", "[a, b, double]", parameters="a: int = 1\nb = a + 1", values={"a": 5})
    assert told == [5, 2, 10]


def test_each_cell_of_parameters_binds_its_own():
    cells = tuple(Cell(n, s, Role.PARAMETERS) for n, s in enumerate(("a = 1", "b = a")))
    what = Order(
        cells=(*cells, Cell(2, "a, b", Role.RETURN)), values={"a": 3, "b": 4}, names=(("a",), ("b",)), folder="/"
    )
    with borrowed_shell({}) as shell:
        assert run(what, shell, lambda event: None) == (3, 4)


def test_members_of_an_enumeration_are_those_of_the_notebook():
    parameters = "import enum\nclass Color(enum.Enum):\n    RED = 1\n    BLUE = 2\nc = Color.RED\nmany = []"
    given = {"c": EnumMember("Color", "BLUE"), "many": [EnumMember("Color", "RED")]}
    assert value("[c is Color.BLUE, many[0] is Color.RED]", parameters=parameters, values=given) == [True, True]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("1/0", "ZeroDivisionError"),
        ("def", "SyntaxError"),
        ("if True:\nx", "IndentationError"),
        ("break", "SyntaxError"),
        ("exit()", "SystemExit"),
        ("exit", "SystemExit"),
        ("import sys; sys.exit(0)", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise MemoryError", "MemoryError"),
        ("raise BaseException('x')", "BaseException"),
        ("raise ExceptionGroup('x', [ValueError()])", "ExceptionGroup"),
        ("def f(): f()\nf()", "RecursionError"),
        ("%no_such_magic", "UsageError"),
        ("%%time\n1/0", "ZeroDivisionError"),
        ("%%capture\n1/0", "ZeroDivisionError"),
        ("%run /no/such/file.py", "Exception"),
        ("await missing()", "NameError"),
        ("class E(Exception):\n    def __str__(self): 1/0\nraise E", "E"),
    ],
)
def test_what_goes_wrong_in_a_cell_is_a_failure_and_never_a_value(source: str, name: str):
    error = failure("ok = 1", source, "'done'")
    assert (error.name, error.cell) == (name, 1)


def test_a_failure_names_its_cell_and_has_its_traceback():
    error = failure("x = 1", "def f():\n    return 1 / 0\nf()", "2")
    assert str(error) == "Cell 2 failed: ZeroDivisionError: division by zero"
    assert "return 1 / 0" in _plain(error)


def test_leaving_by_exit_says_what_to_do():
    assert "tag return" in str(failure("import sys", "sys.exit(0)"))


def test_an_error_while_something_is_displayed_is_none_of_the_cell():
    shown = "class Bad:\n    def _repr_html_(self): raise ValueError('x')"
    with borrowed_shell({}) as shell:
        assert run(order(shown, "display(Bad())", "5", outputs=True), shell, lambda event: None) == 5


def test_an_error_that_the_notebook_handles_is_none():
    assert value("try:\n    1/0\nexcept ZeroDivisionError:\n    y = 3", "y") == 3


def test_cells_are_told_before_they_run():
    events: list[Any] = []
    with borrowed_shell({}) as shell:
        run(order("3", "4", "5"), shell, events.append)
    assert events == [{"event": "cell", "cell": n, "number": n + 1, "of": 3} for n in range(3)]


def test_a_loop_that_runs_already_is_no_obstacle():
    import asyncio

    async def within() -> Any:
        return value("import asyncio", "await asyncio.sleep(0, 8)")

    assert asyncio.run(within()) == 8


def test_the_modules_of_this_process_stay_as_they_are():
    main = sys.modules["__main__"]
    value("__name__")
    assert sys.modules["__main__"] is main


def test_a_notebook_can_call_another_one():
    inner = {"inner": lambda x: value("x + 1", namespace={"x": x})}
    assert value("x = 5", "inner(x) + x", namespace=inner) == 11


def _plain(error: NotebookFailed) -> str:
    import re

    return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error.traceback))
