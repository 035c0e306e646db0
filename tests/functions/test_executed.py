"""Executed notebooks hold what a page would show."""

from __future__ import annotations

import json
from typing import Any

import nbformat

from pyramid_notebook.functions.executed import Outputs
from pyramid_notebook.functions.program import Program

from .callers import Caller, code, markdown, notebook


def stream(text: str) -> dict[str, Any]:
    return {"event": "output", "output": {"output_type": "stream", "name": "stdout", "text": text}}


def shown(outputs: Outputs) -> list[str]:
    content = notebook(code("x"))
    (cell,) = json.loads(outputs.notebook(content, Program.of(content)).body)["cells"]
    return [output["text"] for output in cell["outputs"]]


def test_texts_of_one_stream_are_one_output_and_cleared_ones_are_gone() -> None:
    outputs = Outputs()
    outputs.take({"event": "cell", "cell": 0, "number": 1, "of": 1})
    for event in (stream("a"), stream("b")):
        outputs.take(event)
    assert shown(outputs) == ["ab"]
    outputs.take({"event": "clear", "wait": True})
    assert shown(outputs) == ["ab"]
    outputs.take(stream("c"))
    assert shown(outputs) == ["c"]
    outputs.take({"event": "clear", "wait": False})
    assert shown(outputs) == []


def test_the_executed_notebook_is_valid_and_shows_what_ran(caller: Caller) -> None:
    path = caller.write(
        "shows.ipynb",
        markdown("# Title"),
        code("n = 1", "parameters"),
        code(
            "from IPython.display import display, clear_output\n"
            "print('gone')\nclear_output(wait=True)\nprint('printed')\n"
            "handle = display(n, display_id=True)\nhandle.update(n + 1)"
        ),
        code("0/0", "skip"),
        code("n * 10", "return"),
    )
    answer = caller.get(path, {"n": 4, "format": "ipynb"})
    assert answer.status == 200, answer.body
    executed = nbformat.reads(answer.body.decode(), as_version=4)
    nbformat.validate(executed)
    _, _, middle, skipped, last = executed.cells
    assert [output.get("text") or output["data"]["text/plain"] for output in middle.outputs] == ["printed\n", "5"]
    assert (skipped.outputs, skipped.execution_count) == ([], None)
    assert last.outputs[0]["data"]["text/plain"] == "40"
