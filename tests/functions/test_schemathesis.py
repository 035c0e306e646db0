"""Schemathesis, which makes calls of what an OpenAPI document says, and looks whether the answers are as it says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings

from pyramid_notebook.files import private_folder
from pyramid_notebook.functions.problems import CONTENT_TYPE
from pyramid_notebook.layout import UserFolder
from pyramid_notebook.scopes import Grant, Scope
from pyramid_notebook.settings import Settings
from pyramid_notebook.tokens.database import open_store

from ..running import Site, demo_site
from .callers import code, markdown, notebook

USER = "admin"
#: Reasons of the errors that are the notebook's own fault.
OF_THE_NOTEBOOK = {"notebook-failed", "result"}
PARAMETERS = {
    "numbers": "import datetime\nwhole: int\npart: float = 0.5\nflag: bool = False",
    "texts": "name: str\ngreeting = 'Hello'  # how it begins",
    "lists": "some: list[int]\nwords: list[str] = ['a']",
    "enums": "from enum import Enum\nclass Hue(Enum):\n    RED = 1\n    GREEN = 'g'\nhue: Hue = Hue.RED",
    "optional": "from typing import Optional\nlimit: Optional[int] = None\nname: str | None = None",
    "literals": "from typing import Literal\nkind: Literal['mean', 'sum', 3]",
    "dates": "from datetime import date, datetime, time\nday: date\nmoment: datetime = None\nhour: time = time(8)",
    "dicts": "options: dict[str, int] = {}\nanything = {'a': [1, None]}",
    "untyped": "a = 1\nb = 2.5\nc = 'text'\nd = None\ne = [1, 'x']",
    "folder/with space & ü": "pair: tuple[int, str] = (1, 'a')\nmany: set[int] = {1}",
}
#: Notebooks may fail; and what is wrong as JSON may be right as a text of a query.
EXCLUDED = [schemathesis.checks.not_a_server_error, schemathesis.checks.negative_data_rejection]
RESPONSE = (
    "from pyramid_notebook.functions.values.response import Response\n"
    "Response({'rows': rows}, status=201 if rows else 200)"
)


def write(folder: Path, path: str, *cells: dict[str, Any]) -> None:
    place = folder / path
    place.parent.mkdir(exist_ok=True)
    place.write_text(json.dumps(notebook(*cells)))


@pytest.fixture(scope="module")
def site() -> Iterator[tuple[Site, str]]:
    """A site whose user has functions, and a token to call them."""
    with demo_site(static=False) as running:
        with closing(open_store(Settings(notebook_folder=str(running.folder / "notebooks")))) as store:
            _, token = store.create(USER, "schemathesis", [Grant(Scope.RUN)], 3600)
        folder = UserFolder(running.folder / "notebooks" / USER)
        for path in (folder.path, folder.work):
            private_folder(path)
        told = "repr(sorted((name, value) for name, value in globals().items() if isinstance(value, (int, str))))"
        for name, source in PARAMETERS.items():
            write(folder.work, f"{name}.ipynb", markdown(f"# {name}"), code(source, "parameters"), code(told, "return"))
        write(folder.work, "response.ipynb", code("rows: int = 0", "parameters"), code(RESPONSE, "return"))
        failing = code("if rows > 3:\n    raise KeyError(rows)\nrows / 0 if rows else float('nan')", "return")
        write(folder.work, "failing.ipynb", code("rows: int", "parameters"), failing)
        yield running, token


@pytest.fixture(scope="module")
def api(site: tuple[Site, str]) -> Any:
    """The document that the site has for the user's functions."""
    running, token = site
    url = f"{running.url}/notebook/{USER}/restified/-/openapi.json"
    return schemathesis.openapi.from_url(url, headers={"Authorization": f"Bearer {token}"})


def test_all_answers_are_as_the_document_says_and_only_notebooks_fail(api: Any, site: tuple[Site, str]) -> None:
    operations = [found.ok() for found in api.get_all_operations()]
    assert len(operations) == 2 * (len(PARAMETERS) + 2)
    headers = {"Authorization": f"Bearer {site[1]}"}
    statuses = set()
    for operation in operations:
        for mode in schemathesis.GenerationMode:

            @given(operation.as_strategy(generation_mode=mode))
            @settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
            def check(case: Any) -> None:
                response = case.call(headers=headers)
                statuses.add(response.status_code)
                case.validate_response(response, excluded_checks=EXCLUDED, headers=headers)
                if response.status_code >= 500:
                    assert response.headers["content-type"] == [CONTENT_TYPE], response.text
                    assert response.json()["type"].rpartition(":")[2] in OF_THE_NOTEBOOK, response.text

            check()
    assert statuses >= {200, 201, 422, 500}
