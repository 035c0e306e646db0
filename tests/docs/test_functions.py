"""The page about functions, against a real demo site: all examples are run, and the tables are the program's."""

from __future__ import annotations

import ast
import json
import re
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from pyramid_notebook import addresses, settings
from pyramid_notebook.errors import BadRequest, CallError, NoNotebook, NotebookError, SettingsError, TooLarge
from pyramid_notebook.functions import Response, program
from pyramid_notebook.functions.handlers import MOST_BYTES, CallHandler
from pyramid_notebook.functions.runs import Run, State
from pyramid_notebook.functions.signature.annotations import KNOWN
from pyramid_notebook.functions.values.formats import FORMATS, NAN_POLICIES
from pyramid_notebook.functions.values.response import check_fields
from tests.functions.callers import code, notebook
from tests.running import Site, demo_site

from .blocks import ROOT, block, shell, table
from .readers import Reader, signed_in
from .test_sync import kin

PAGE = "docs/reference/functions.md"
PROGRAMS = "docs/how-to/programs.md"
#: Where the functions of the user server are found, wherever their modules lie.
FUNCTIONS = ROOT / "pyramid_notebook" / "functions"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with demo_site() as site:
        yield site


@pytest.fixture
def reader(site: Site, folder: Path) -> Reader:
    """A reader whose token may make notebooks and call them."""
    return signed_in(site, folder, "sync run")


def fields(reader: Reader) -> dict[str, str]:
    return {"Authorization": f"Bearer {(reader.laptop.home / 'notebook-token').read_text().strip()}"}


def test_all_examples_get_the_answers_that_the_page_shows(reader: Reader) -> None:
    reader.follow(PAGE)


def test_the_line_of_the_readme_calls_a_notebook(reader: Reader) -> None:
    work = reader.site.manager.folder("user").work
    work.mkdir(parents=True, exist_ok=True)
    cells = code("a: int\nb: int", "parameters"), code("a + b", "return")
    (work / "sum.ipynb").write_text(json.dumps(notebook(*cells)))
    assert reader.type(reader.here(shell("README.md", "restified")), may_fail=False) == "42"


def test_the_metadata_of_the_page_keep_a_result_and_end_a_call(reader: Reader) -> None:
    work = reader.site.manager.folder("user").work
    work.mkdir(parents=True, exist_ok=True)
    options = json.loads(block(PAGE, "metadata.json"))
    value = code("import os, time\ntime.sleep(seconds)\nos.getpid()", "return")
    made = notebook(code("seconds = 0", "parameters"), value)
    made["metadata"] |= options
    (work / "kept.ipynb").write_text(json.dumps(made))
    address = f"{reader.site.url}/notebook/user/restified/kept.ipynb"
    first, second = (requests.get(address, headers=fields(reader), timeout=60) for _ in range(2))
    assert (second.text, second.headers["Age"]) == (first.text, "0")
    late = requests.get(address, params={"seconds": 50}, headers=fields(reader), timeout=60)
    assert (late.status_code, f"{options['pyramid_notebook']['timeout']} seconds" in late.text) == (504, True)


def first(head: str) -> list[str]:
    """Return the names in the first column of a table."""
    return [name for row in table(PAGE, head) for name in re.findall("`([^`]+)`", row[0])]


def test_the_formats_are_all_that_there_are() -> None:
    rows = [[cell.strip("`") for cell in row] for row in table(PAGE, "format")]
    assert rows == [[form.name, form.media_type, form.purpose] for form in FORMATS.values()]
    for policy in set(NAN_POLICIES) - {"error"}:
        assert f"`nan={policy}`" in (ROOT / PAGE).read_text()


def test_the_errors_are_all_that_there_are() -> None:
    errors: list[type[NotebookError]] = [CallError, *kin(CallError), BadRequest, NoNotebook, TooLarge, SettingsError]
    told = {(row[0], row[1].strip("`")) for row in table(PAGE, "status")}
    assert told == {(str(error.status), error.reason) for error in errors} | {("any", "refused")}


def test_the_tags_types_and_methods_are_all_that_there_are() -> None:
    assert set(first("tag")) == {program.PARAMETERS, program.SKIP, program.RETURN, program.SNAPSHOT}
    known = set(re.findall(r"[A-Za-z]+", KNOWN.partition(" classes")[0])) - {"with", "and"}
    assert known | {"frozenset"} == set(first("type")) - {"None"} | {"Field"}
    assert all(name.lower() in vars(CallHandler) for name in first("method"))


def test_the_fields_of_a_response_are_all_that_there_are() -> None:
    rows = {row[0].strip("`"): row[1] for row in table(PAGE, "argument")}
    assert list(rows) == list(typing.get_type_hints(Response))
    for name in re.findall("`([A-Z][A-Za-z-]+[a-z])`", rows["headers"]):
        assert check_fields([(name, "x")]), name


def test_the_states_and_events_of_a_run_are_all_that_there_are() -> None:
    rows = {name: row[1] for row in table(PAGE, "field of a state") for name in re.findall("`([^`]+)`", row[0])}
    run = Run("x.ipynb", error=NotebookError("x"))
    assert set(run.to_dict(is_owner=True)) | {"result"} == set(rows)
    assert set(run.to_dict(is_owner=True)) - set(run.to_dict(is_owner=False)) == {"by", "output", "notes"}
    assert set(re.findall("`([^`]+)`", rows["state"])) == set(State)
    told = set(first("event"))
    made = {
        str(value.value)
        for path in FUNCTIONS.rglob("*.py")
        if "client" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Dict)
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant) and key.value == "event" and isinstance(value, ast.Constant)
    }
    assert made - {"output", "clear"} == told  # these are for the executed notebook


def test_the_limits_are_the_real_ones() -> None:
    known = settings.Settings.from_mapping({"pyramid_notebook.notebook_folder": "/x"})
    for _limit, default, name, _beyond in table(PAGE, "limit"):
        value = getattr(known, name.strip("`"))
        assert default in (str(value), f"{value}, any", "none" if value == "" else ""), name
    assert f"{MOST_BYTES:,} bytes" in (ROOT / PAGE).read_text()
    assert known.proxy_timeout > known.function_timeout


def test_the_keys_of_the_metadata_are_those_that_are_read() -> None:
    told = {row[0].strip("`") for row in table(PAGE, "key")}
    assert told == set(json.loads(block(PAGE, "metadata.json"))["pyramid_notebook"])
    source = "".join(path.read_text() for path in FUNCTIONS.rglob("*.py"))
    assert set(re.findall(r'program\.options\.get\("(\w+)"\)', source)) == told


def test_each_row_of_the_doors_table_is_told() -> None:
    told = {row[0].strip("`") for row in table(PROGRAMS, "path begins with")}
    assert {row.segment for row in addresses.TABLE if row.segment} <= told
