"""What a kernel is asked beside running code."""

from __future__ import annotations

import re

import pytest

from .clients import error_of, post
from .conftest import Opened


def test_completions_have_types_and_places(session: Opened) -> None:
    answer = post(session.server, "complete", session=session.id, code="x = prin", cursor=8, wait=30)
    assert {"text": "print", "start": 4, "end": 8, "type": "function"} in answer["matches"]
    assert (answer["cursor_start"], answer["cursor_end"]) == (4, 8)


def test_the_cursor_is_counted_in_code_points(session: Opened) -> None:
    code = "'\N{GRINNING FACE}'; impor"
    answer = post(session.server, "complete", session=session.id, code=code, cursor=len(code), wait=30)
    (match,) = [match for match in answer["matches"] if match["text"] == "import"]
    assert code[match["start"] : match["end"]] == "impor"


def test_the_names_in_an_object_have_types_and_nothing_of_it_is_run(session: Opened) -> None:
    session.run(
        "ran = []\nclass Thing:\n    number = 1\n    Inner = int\n    def method(self): pass\n"
        "    @property\n    def costly(self): ran.append(1)\n    def __getattr__(self, name): ran.append(name)\n"
        "thing = Thing()\nthing.own = thing"
    )
    code = "print(thing.own."
    answer = post(session.server, "complete", session=session.id, code=code, cursor=len(code))
    assert {match["text"]: match["type"] for match in answer["matches"]} == {
        "Inner": "class",
        "costly": "property",
        "method": "function",
        "number": "instance",
        "own": "instance",
    }
    assert {(match["start"], match["end"]) for match in answer["matches"]} == {(len(code), len(code))}
    assert session.run("ran")[2]["data"] == {"text/plain": "[]"}


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("import os.pa", "path"),
        ("'abc'.upp", "upper"),
        ("[1].appe", "append"),
        ("os.path.absp", "abspath"),
        ("x = 1; os.path.spli", "split"),
        ("no_such_name_here = 'a'\nno_such_name_here.upp", "upper"),
    ],
)
def test_other_names_are_completed_by_the_kernel(session: Opened, code: str, wanted: str) -> None:
    session.run("import os")
    answer = post(session.server, "complete", session=session.id, code=code, cursor=len(code), wait=30)
    texts = [match["text"].rpartition(".")[2] for match in answer["matches"]]
    assert wanted in texts


def test_what_a_name_is_can_be_asked(session: Opened) -> None:
    session.run('def double(x):\n    """Twice."""\n    return 2 * x')
    found = post(session.server, "inspect", session=session.id, code="double", cursor=6)
    assert found["found"]
    assert "Twice." in found["data"]["text/plain"]
    source = post(session.server, "inspect", session=session.id, code="double", cursor=3, detail=1)
    assert "return 2 * x" in re.sub(r"\x1b\[[\d;]*m", "", source["data"]["text/plain"])
    nothing = {"found": False, "data": {}}
    assert post(session.server, "inspect", session=session.id, code="nothing_here", cursor=3) == nothing


@pytest.mark.parametrize(
    ("code", "status", "indent"),
    [("1", "complete", ""), ("def f():", "incomplete", "    "), ("1 +", "invalid", ""), ("'''", "incomplete", "")],
)
def test_whether_code_is_complete_can_be_asked(session: Opened, code: str, status: str, indent: str) -> None:
    answer = post(session.server, "is_complete", session=session.id, code=code)
    assert answer == {"status": status, "indent": indent}


def test_the_history_has_what_ran(session: Opened) -> None:
    for code in ("first_input = 1", "second_input = 2", "first_input = 1"):
        session.run(code)
    found = post(session.server, "history", session=session.id, limit=3)
    assert [one["code"] for one in found] == ["first_input = 1", "second_input = 2", "first_input = 1"]
    assert [one["line"] for one in found] == sorted(one["line"] for one in found)


def test_the_history_is_searched(session: Opened) -> None:
    session.run("wanted_input = 1")
    session.run("wanted_input = 1")
    session.run("other = 1")
    found = post(session.server, "history", session=session.id, pattern="wanted*", unique=True)
    assert [one["code"] for one in found] == ["wanted_input = 1"]


def test_variables_are_listed_and_not_changed(session: Opened) -> None:
    session.run(
        "import os\nnumber, text, _hidden = 1, 'x' * 1000, 2\nitems = {'a': 1}\nclass Broken:\n"
        "    def __len__(self): raise RuntimeError\n    def __repr__(self): raise RuntimeError\nbroken = Broken()"
    )
    found = {one["name"]: one for one in post(session.server, "variables", session=session.id)}
    assert found["number"] == {"name": "number", "type": "int", "repr": "1"}
    assert (found["text"]["size"], len(found["text"]["repr"])) == (1000, 103)
    assert (found["items"]["type"], found["items"]["size"]) == ("dict", 1)
    assert found["broken"]["type"] == "Broken"
    assert not {"_hidden", "os", "In", "Out", "look", "shell"} & found.keys()


def test_so_many_variables_are_listed_as_were_asked_for(session: Opened) -> None:
    session.run("for number in range(30): globals()[f'many_{number}'] = number")
    assert len(post(session.server, "variables", session=session.id, limit=7)) == 7


def test_looking_around_is_told_to_nobody_and_counts_for_nothing(session: Opened) -> None:
    last = session.run("1")[-1]
    post(session.server, "variables", session=session.id)
    post(session.server, "doctest", session=session.id, text=">>> print('x')\nx\n")
    first = session.run("2")[0]
    assert first["seq"] == last["seq"] + 1
    assert session.run("3")[-1]["count"] == last["count"] + 2


def test_the_examples_of_a_docstring_are_run(session: Opened) -> None:
    session.run("def half(x):\n    '''\n    >>> half(4)\n    2.0\n    >>> half(5)\n    2\n    '''\n    return x / 2")
    found = post(session.server, "doctest", session=session.id, name="half")
    failure = found["failures"][0]
    assert (found["attempted"], found["failed"]) == (2, 1)
    assert (failure["source"], failure["want"], failure["got"]) == ("half(5)\n", "2\n", "2.5\n")


def test_the_examples_of_a_text_use_what_is_defined_and_define_nothing(session: Opened) -> None:
    session.run("known = 3")
    text = "Some words.\n\n>>> made = known + 1\n>>> made\n4\n>>> 1/0\n"
    found = post(session.server, "doctest", session=session.id, text=text)
    assert (found["attempted"], found["failed"]) == (3, 1)
    assert found["failures"][0]["line"] == 6
    assert "made" not in [one["name"] for one in post(session.server, "variables", session=session.id)]


@pytest.mark.parametrize("params", [{}, {"text": "", "name": "x"}, {"name": "no_such_name"}, {"text": ">>>x"}])
def test_examples_that_cannot_be_found_are_a_fault(session: Opened, params: dict[str, str]) -> None:
    assert error_of(session.server, "doctest", session=session.id, **params)["code"] == -32602


def test_examples_that_take_too_long_are_not_waited_for(session: Opened) -> None:
    text = ">>> import time; time.sleep(3)\n"
    error = error_of(session.server, "doctest", session=session.id, text=text, timeout=0.2)
    assert error["data"]["reason"] == "time-out"
    session.socket.call("interrupt", session=session.id)
    assert session.run("1")[-1]["status"] == "ok"


def test_a_busy_kernel_is_told_and_what_ends_it_works(session: Opened) -> None:
    execution = session.socket.call("execute", session=session.id, code="import time; time.sleep(60)")["execution"]
    session.socket.until("begin", execution=execution)
    for method, params in (("complete", {"code": "x", "cursor": 1}), ("history", {}), ("variables", {})):
        error = error_of(session.server, method, session=session.id, wait=0, **params)
        assert (error["code"], error["data"]["reason"]) == (-32003, "kernel-busy")
    session.socket.call("interrupt", session=session.id)
    session.socket.until("end", execution=execution)


def test_a_busy_kernel_is_waited_for_if_asked(session: Opened) -> None:
    execution = session.socket.call("execute", session=session.id, code="import time; time.sleep(0.5)")["execution"]
    session.socket.until("begin", execution=execution)
    assert post(session.server, "is_complete", session=session.id, code="1", wait=30)["status"] == "complete"
