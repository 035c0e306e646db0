"""What came of an execution."""

from __future__ import annotations

import pytest

from pyramid_notebook.client.events import Event, outcome_of
from pyramid_notebook.errors import NotebookFailed


def said(kind, **values):
    return Event(kind, values)


def test_output_and_results_are_apart():
    outcome = outcome_of(
        [
            said("stream", name="stdout", text="a"),
            said("stream", name="stderr", text="!"),
            said("result", count=3, data={"text/plain": "1"}),
            said("stream", name="stdout", text="b"),
            said("result", count=3, data={"text/plain": ["4\n", "2"]}),
            said("end", status="ok", count=3),
        ]
    )
    assert (outcome.stdout, outcome.stderr, outcome.result) == ("ab", "!", "4\n2")
    assert [item["text/plain"] for item in outcome.results] == ["1", "4\n2"]
    assert outcome.raise_for_error() is outcome


def test_an_exception_is_raised_where_it_is_asked_for():
    outcome = outcome_of(
        [
            said("error", ename="ZeroDivisionError", evalue="division by zero", traceback=["a", "b"]),
            said("end", status="error", count=2),
        ]
    )
    with pytest.raises(NotebookFailed, match="Cell 2 failed: ZeroDivisionError: division by zero") as failure:
        outcome.raise_for_error()
    assert failure.value.traceback == ("a", "b")


def test_what_was_not_run_is_an_error_as_well():
    with pytest.raises(NotebookFailed, match="aborted"):
        outcome_of([said("end", status="aborted", count=None)]).raise_for_error()
