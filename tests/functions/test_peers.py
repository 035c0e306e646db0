"""What kernel gateway and papermill do with their examples, done here by notebooks of our own."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from .callers import Answer, Caller, code

RESPONSE = "from pyramid_notebook.functions.values.response import Response\n"
PEOPLE = "people = ['Ada', 'Grace', 'Edsger']"
#: Papermill's examples: what the cell with parameters says, what a call gives, and what the last cell prints.
PAPERMILL = [
    ("msg = None", "print(msg)", {}, "None\n"),
    ("msg = None", "print(msg)", {"msg": "Hello"}, "Hello\n"),
    ("msg = None", "print(msg)", {"msg": [1, {"a": None, "b": [True, 1.5]}]}, "[1, {'a': None, 'b': [True, 1.5]}]\n"),
    ("a = 1\nb = 1", "def add(x, y):\n    return x + y\nprint(add(a, b))", {"b": 41}, "42\n"),
    ("# Parameters\nvar = 1", "print(var)", {"var": 7}, "7\n"),
    ("foo = 1\nbar = 'hello'", "print(foo, bar)", {"bar": 'a "quoted" \\ text'}, '1 a "quoted" \\ text\n'),
    ("folder = '..'", "!echo {folder}/notebooks", {"folder": "/srv"}, "/srv/notebooks\r\n"),
]


def answer_of(caller: Caller, name: str, *cells: dict[str, Any], **values: Any) -> Answer:
    return caller.post(caller.write(f"{name}.ipynb", *cells), values)


def test_a_text_with_a_parameter(caller: Caller) -> None:
    cells = code("person = 'world'", "parameters"), code("f'hello {person}'", "return")
    assert answer_of(caller, "hello", *cells).json == "hello world"
    assert answer_of(caller, "hello", *cells, person="Ada").json == "hello Ada"
    assert caller.get("hello.ipynb", {"person": "Ada"}, Accept="text/plain").body == b"hello Ada"


def test_a_name_that_is_given_several_times(caller: Caller) -> None:
    path = caller.write("several.ipynb", code("person: list[str]", "parameters"), code("', '.join(person)", "return"))
    assert caller.get(path, [("person", "Ada"), ("person", "Grace")]).json == "Ada, Grace"
    assert caller.get(path, [("person", "Ada")]).json == "Ada"


def test_what_an_earlier_cell_made(caller: Caller) -> None:
    assert answer_of(caller, "people", code(PEOPLE), code("people", "return")).json == ["Ada", "Grace", "Edsger"]


def test_a_change_is_seen_by_its_own_call_only(caller: Caller) -> None:
    cells = code(PEOPLE), code("new: str", "parameters"), code("people.append(new)\npeople", "return")
    for name in ("Barbara", "Donald"):
        assert answer_of(caller, "append", *cells, new=name).json == ["Ada", "Grace", "Edsger", name]


@pytest.mark.parametrize("index", [0, 2])
def test_a_place_in_a_list_is_a_number(caller: Caller, index: int) -> None:
    cells = code(PEOPLE), code("index: int", "parameters"), code("people.remove(people[index])\npeople", "return")
    told = ["Ada", "Grace", "Edsger"]
    assert answer_of(caller, "remove", *cells, index=index).json == told[:index] + told[index + 1 :]


def test_code_that_is_no_python_is_an_error_and_not_a_text(caller: Caller) -> None:
    answer = answer_of(caller, "broken", code("this is no Python", "return"))
    assert (answer.status, answer.json["exception"]) == (500, "SyntaxError")


def test_what_is_printed_is_no_part_of_the_answer(caller: Caller) -> None:
    printing = "import sys\nprint('to stdout')\nprint('to stderr', file=sys.stderr)"
    assert answer_of(caller, "printing", code(printing), code("1 + 1", "return")).json == 2


def test_several_cells_make_one_answer(caller: Caller) -> None:
    assert answer_of(caller, "multi", code("x = 1"), code("f'x is {x}'", "return")).json == "x is 1"


def test_an_answer_with_a_status_and_no_body(caller: Caller) -> None:
    answer = answer_of(caller, "no-content", code(RESPONSE), code("Response(status=204)", "return"))
    assert (answer.status, answer.body) == (204, b"")


def test_an_answer_with_a_tag(caller: Caller) -> None:
    returned = "Response({'hello': 'world'}, headers={'ETag': '\"1234567890\"'})"
    answer = answer_of(caller, "tagged", code(RESPONSE), code(returned, "return"))
    assert (answer.headers["ETag"], answer.json) == ('"1234567890"', {"hello": "world"})


def test_whoever_has_the_newest_version_gets_304(caller: Caller) -> None:
    person = "import hashlib, json\nperson = {1: {'name': 'Ada', 'age': 36}}[number]"
    tag = "tag = hashlib.sha256(json.dumps(person).encode()).hexdigest()"
    returned = "Response(person, headers={'ETag': f'\"{tag}\"'})"
    cells = code("number: int", "parameters"), code(f"{RESPONSE}{person}\n{tag}"), code(returned, "return")
    path = caller.write("person.ipynb", *cells)
    known = hashlib.sha256(b'{"name": "Ada", "age": 36}').hexdigest()
    first = caller.get(path, {"number": 1}, If_None_Match='"another"')
    assert (first.json, first.headers["ETag"]) == ({"name": "Ada", "age": 36}, f'"{known}"')
    second = caller.get(path, {"number": 1}, If_None_Match=f'"{known}"')
    assert (second.status, second.body) == (304, b"")
    assert caller.get(path, {"number": 2}).json["exception"] == "KeyError"


@pytest.mark.parametrize(("pattern", "found"), [(None, ["Alice", "Bob"]), ("^A", ["Alice"]), ("z", [])])
def test_contacts_are_found_by_an_optional_pattern(caller: Caller, pattern: str | None, found: list[str]) -> None:
    contacts = "import re\ncontacts = [{'name': 'Alice'}, {'name': 'Bob'}]"
    returned = "[one['name'] for one in contacts if pattern is None or re.search(pattern, one['name'])]"
    cells = code(contacts), code("pattern: str | None = None", "parameters"), code(returned, "return")
    assert answer_of(caller, "contacts", *cells, pattern=pattern).json == found


def test_a_notebook_with_an_odd_name(caller: Caller) -> None:
    path = "odd%20name#of a notebook?.ipynb"
    caller.write(path, code("name = 'Test'", "parameters"), code("name", "return"))
    assert caller.get(path, {"name": "other"}).json == "other"


def test_longer_addresses_do_not_hide_shorter_ones(caller: Caller) -> None:
    for path in ("test/test/test.ipynb", "test/test.ipynb", "test.ipynb"):
        caller.write(path, code(repr(path), "return"))
    for path in ("test.ipynb", "test/test/test.ipynb", "test/test.ipynb"):
        assert caller.get(path).json == path


@pytest.mark.parametrize(("parameters", "last", "values", "printed"), PAPERMILL)
def test_the_executed_notebook_has_the_outputs_that_papermill_gets(
    caller: Caller, parameters: str, last: str, values: dict[str, Any], printed: str
) -> None:
    path = caller.write("papermill.ipynb", code(parameters, "parameters"), code(last))
    executed = caller.post(path, values, Accept="application/x-ipynb+json")
    assert executed.status == 200, executed.body
    outputs = executed.json["cells"][-1]["outputs"]
    assert [(one["output_type"], one["name"]) for one in outputs] == [("stream", "stdout")]
    assert "".join(outputs[0]["text"]) == printed


def test_what_papermill_has_injected_before_are_the_defaults_as_when_papermill_runs_it_again(caller: Caller) -> None:
    injected = code("msg = 'of an earlier run'", "injected-parameters")
    cells = code("msg = None", "parameters"), injected, code("msg", "return")
    assert answer_of(caller, "injected", *cells, msg="new").json == "new"
    assert answer_of(caller, "injected", *cells).json == "of an earlier run"
