"""The example notebooks that come with papermill, run by it and as functions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import papermill
import pytest
from jupyter_client.kernelspec import NoSuchKernel
from papermill.exceptions import PapermillException

from .callers import Caller

FOLDER = Path(papermill.__file__).parent / "tests" / "notebooks"
EXAMPLES = {
    path.relative_to(FOLDER).as_posix(): json.loads(path.read_text(encoding="utf-8"))
    for path in sorted(FOLDER.rglob("*.ipynb"))
}
WITH_PARAMETERS = [
    name
    for name, notebook in EXAMPLES.items()
    if any("parameters" in cell["metadata"].get("tags", ()) for cell in notebook["cells"])
]
#: What each is called with.
VALUES: dict[str, dict[str, Any]] = {
    "nb_version_4.4.ipynb": {"var": 7},
    "report_mode_test.ipynb": {"a": 40, "b": 2},
    "result_no_exec.ipynb": {"foo": 2, "bar": 'a "quoted" \\ text'},
    "s3/s3_in/s3-simple_notebook.ipynb": {"msg": "Hello"},
    "simple_execute.ipynb": {"msg": {"deep": [1, None, True, 1.5]}},
}
#: The Python of the one does not compile, and the other is for a language that papermill does not know.
BROKEN = {"complex_parameters.ipynb": "line 14: invalid syntax", "notimplemented_translator.ipynb": "no kernel"}


def outputs(notebook: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """Return what all cells but those that papermill adds have told, text in one piece."""
    told = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code" and "injected-parameters" not in cell["metadata"].get("tags", ()):
            told.append([{**one, "text": "".join(one.get("text", ""))} for one in cell["outputs"]])
            for one in told[-1]:
                one.pop("execution_count", None)
    return told


def test_all_examples_with_parameters_are_known() -> None:
    assert sorted([*VALUES, *BROKEN]) == WITH_PARAMETERS


@pytest.mark.parametrize("has_values", [False, True], ids=["defaults", "values"])
@pytest.mark.parametrize("name", VALUES)
def test_an_example_tells_what_it_tells_papermill(caller: Caller, tmp_path: Path, name: str, has_values: bool) -> None:
    values = VALUES[name] if has_values else {}
    result = tmp_path / "result.ipynb"
    papermill.execute_notebook(FOLDER / name, result, values, kernel_name="python3", progress_bar=False)
    caller.write_notebook(Path(name).name, EXAMPLES[name])
    executed = caller.post(Path(name).name, values, Accept="application/x-ipynb+json")
    assert executed.status == 200, executed.body
    assert outputs(executed.json) == outputs(json.loads(result.read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", BROKEN)
def test_an_example_that_papermill_cannot_run_is_an_error_in_words(caller: Caller, tmp_path: Path, name: str) -> None:
    with pytest.raises((PapermillException, NoSuchKernel)):
        papermill.execute_notebook(FOLDER / name, tmp_path / "result.ipynb", {"msg": "x"}, progress_bar=False)
    caller.write_notebook(name, EXAMPLES[name])
    answer = caller.post(name, {})
    assert (answer.status, answer.reason) == (409, "not-a-function")
    assert BROKEN[name] in answer.json["detail"]
