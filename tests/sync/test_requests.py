"""What an editor asks for is read strictly."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_notebook.errors import BadRequest
from pyramid_notebook.sync.headers import header_of
from pyramid_notebook.sync.percent import parse
from pyramid_notebook.sync.percent.languages import language_of
from pyramid_notebook.sync.requests import SyncRequest, What

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=8), values, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(["file", "text", "notebook", "mapping", "rev", "line", "what", "force", "cell", "x"])


@given(st.binary() | st.dictionaries(FIELDS, JSON).map(lambda values: json.dumps(values).encode()))
def test_any_body_is_a_request_or_refused_in_words(body: bytes) -> None:
    try:
        request = SyncRequest.from_json(body)
    except BadRequest as error:
        assert str(error)
    else:
        assert request.file or request.notebook


def test_a_whole_request_is_read() -> None:
    values = {
        "file": "a.py",
        "text": "é",
        "notebook": "a.ipynb",
        "mapping": {"/home": "x"},
        "rev": "1",
        "force": True,
        "take": True,
        "what": "line",
        "line": 3,
        "wait": False,
    }
    request = SyncRequest.from_json(json.dumps(values).encode())
    assert {name: getattr(request, name) for name in values} == values
    assert request.what is What.LINE


def test_what_is_null_is_not_said() -> None:
    assert SyncRequest.from_json(b'{"file": "a.py", "text": null, "rev": null}') == SyncRequest(file="a.py")


@given(
    st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1).map(
        lambda name: name.strip() or "x"
    )
)
def test_the_header_of_a_new_script_is_read_as_it_was_meant(name: str) -> None:
    metadata = {"kernelspec": {"name": "python3", "display_name": name, "language": "python"}}
    header = header_of(metadata, "folder/other.ipynb", "/home/me/file.py", language_of("python"))
    script = parse(f"{header}\n# %%\na = 1\n")
    assert (script.kernel_name, script.notebook) == ("python3", "folder/other.ipynb")
    assert [cell.cell.source for cell in script.cells] == ["a = 1"]


@pytest.mark.parametrize("language", ["python", "R", "julia", "javascript", "sql", "matlab", "c++"])
def test_a_header_is_in_the_comments_of_its_language(language: str) -> None:
    metadata = {"kernelspec": {"name": "k", "display_name": "K", "language": language}}
    header = header_of(metadata, "a.ipynb", "a.x", language_of(language))
    assert header.startswith(f"{language_of(language).comment} ---")
    assert parse(header, language).kernel_name == "k"


def test_a_notebook_that_says_nothing_gets_no_header() -> None:
    assert header_of({}, "a.ipynb", "/x/a.py", language_of("python")) == ""
