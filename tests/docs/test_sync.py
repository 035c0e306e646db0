"""The pages about editor sync, against a real demo site: all examples are run, in their order, with a real token."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
import requests

import pyramid_notebook
from pyramid_notebook.errors import NotebookError, SyncError
from pyramid_notebook.sync import ancestors, exchange, finding, handlers, matching
from pyramid_notebook.sync.client import state
from pyramid_notebook.sync.matching import Rule
from pyramid_notebook.sync.merge import ConflictKind
from pyramid_notebook.sync.percent.languages import LANGUAGES, language_of_file
from pyramid_notebook.sync.requests import SyncRequest, What
from tests.running import Site, demo_site

from .blocks import ROOT, table
from .readers import Reader, signed_in

REFERENCE = "docs/reference/sync.md"
HOW_TO = "docs/how-to/editor-sync.md"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with demo_site() as site:
        yield site


@pytest.fixture
def reader(site: Site, folder: Path) -> Reader:
    """A reader who is signed in with the scope of the pages about sync."""
    return signed_in(site, folder, "sync")


def test_all_examples_of_the_reference_get_the_answers_that_it_shows(reader):
    reader.follow(REFERENCE)


def test_all_commands_of_the_guide_do_and_print_what_it_says(reader):
    reader.follow(HOW_TO)


def test_the_exit_codes_are_those_of_the_guide(reader):
    def code(*arguments: str, **environment: str) -> int:
        return reader.laptop.run(*arguments, **environment)[0]

    mine, theirs = reader.laptop.home / "codes.py", reader.laptop.home / "theirs.py"
    mine.write_text("# %%\na = 0\n")
    found = {code("sync", "codes.py"), code("sync"), code("pair", "codes.py")}
    theirs.write_text("# %%\na = 1\n")
    assert code("sync", "theirs.py", "--notebook", "codes.ipynb", "--force") == 0
    mine.write_text("# %%\n0 / 0\n")
    found |= {code("sync", "codes.py"), code("run-all", "codes.py", "--force")}
    with reader.laptop.start("watch", "codes.py") as watching:
        watching.read_until("Watching")
        watching.interrupt()
        found.add(watching.end()[0])
    assert sorted(found) == [int(number) for number, _meaning in table(HOW_TO, "code")]


def test_the_command_says_that_no_page_is_open_where_it_should_show_a_cell(reader):
    (reader.laptop.home / "shown.py").write_text("# %%\na = 0\n")
    assert reader.laptop.run("pair", "shown.py")[0] == 0
    for arguments in (("--line", "2"), ("--filename", "shown.py", "--linenumber", "2")):
        given = arguments if "--filename" in arguments else ("shown.py", *arguments)
        assert reader.laptop.run("focus", *given) == (1, "", "pyramid-notebook: No page has this notebook open.\n")


EVENTFUL = """
from IPython.display import Markdown, clear_output, display
print("printed")
handle = display(Markdown("*first*"), display_id=True)
handle.update(Markdown("*second*"))
clear_output()
0 / 0
"""


def test_the_events_are_those_of_the_reference(reader):
    token = (reader.laptop.home / "notebook-token").read_text().strip()
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    address = f"{reader.site.url}/notebook/user/sync"
    text = f"# %%\n{EVENTFUL}"
    values = {"file": "events.py", "text": text}
    assert requests.post(f"{address}/pair", json=values, headers=headers, timeout=60).status_code == 200
    answer = requests.post(f"{address}/run", json=values | {"notebook": "events.ipynb"}, headers=headers, timeout=60)
    names = re.findall("^event: (.*)$", answer.text, re.MULTILINE)
    data = [json.loads(line) for line in re.findall("^data: (.*)$", answer.text, re.MULTILINE)]
    told = {row[0].strip("`"): row[1] for row in table(REFERENCE, "event")}
    assert set(names) == set(told)
    for name, sent in zip(names, data, strict=True):
        if name != "sync":
            assert all(f"`{key}`" in told[name] for key in sent), (name, sent)
    assert [sent["data"] for name, sent in zip(names, data, strict=True) if name == "display"][-1] == {
        "text/markdown": "*second*",
        "text/plain": "<IPython.core.display.Markdown object>",
    }


def first(page: str, head: str) -> list[str]:
    """Return the first column of a table."""
    return [row[0].strip("`") for row in table(page, head)]


def test_the_rules_fields_cells_and_conflicts_are_all_that_there_are():
    assert first(HOW_TO, "rule") == list(Rule)
    named = [name.strip("`") for row in table(REFERENCE, "value of `what`") for name in row[0].split(", ")]
    assert sorted(named) == sorted(What)
    assert first(REFERENCE, "kind") == list(ConflictKind)
    assert set(first(REFERENCE, "field")) == {item.name for item in fields(SyncRequest)}


def kin(error: type[NotebookError]) -> list[type[NotebookError]]:
    return [found for below in error.__subclasses__() for found in (below, *kin(below))]


def test_the_errors_are_all_that_there_are():
    told = {(row[0], row[1].strip("`")) for row in table(REFERENCE, "status")}
    others = {("500", "error"), ("any", "jupyter")}
    assert told == {(str(error.status), error.reason) for error in kin(SyncError)} | others


def test_the_addresses_are_all_that_there_are():
    patterns = [pattern for pattern, *_ in handlers.sync_handlers(None)]
    verbs = {verb for pattern in patterns for verb in re.findall(r"[a-z]+", pattern.removeprefix("sync"))} | {"sync"}
    heads = re.findall("^## (.*)$", (ROOT / REFERENCE).read_text(), re.MULTILINE)
    assert verbs <= {verb for head in heads for verb in head.split(", ")}


def test_the_limits_are_the_real_ones():
    reference, guide = (" ".join((ROOT / page).read_text().split()) for page in (REFERENCE, HOW_TO))
    for number in (handlers.MOST_BYTES, exchange.MOST_CELLS):
        assert f"{number:,}" in reference
    told = [most for _limit, most in table(HOW_TO, "limit")]
    assert told == [
        f"{handlers.MOST_BYTES // 10**6} MB",
        f"{exchange.MOST_CELLS:,}",
        f"{finding.MOST_ENTRIES:,}",
        f"{ancestors.MOST_FILES}, or {ancestors.MOST_BYTES // 10**6} MB",
        f"{state.MOST}",
    ]
    for page in (reference, guide):
        assert f"the last {ancestors.MOST_FILES} versions, up to {ancestors.MOST_BYTES // 10**6} MB" in page
    assert f"names up to {matching.CANDIDATES}" in reference


def test_the_languages_are_as_many_as_the_guide_says():
    sentence = re.compile(r"The suffix tells the language:\n(.*?) and those of (\d+) more", re.DOTALL)
    [(line, more)] = sentence.findall((ROOT / HOW_TO).read_text())
    languages = {language_of_file(f"x{suffix}").name for suffix in re.findall(r"`(\.\w+)`", line)}
    assert len(languages) + int(more) == len(LANGUAGES)


def test_what_the_guide_quotes_is_what_the_program_says():
    source = "".join(path.read_text() for path in Path(pyramid_notebook.__file__).parent.rglob("*.py"))
    source = re.sub(r'"\s+f?"', "", source)  # sentences over two lines
    source += "".join(source.replace("{other} lacks", f"{other} lacks") for other in ("the file", "the notebook"))
    rows = table(HOW_TO, "what you see")
    assert len(rows) > 20
    for row in rows:
        for quoted in re.findall("`([^`]+)`", row[0]):
            assert quoted in source, quoted
