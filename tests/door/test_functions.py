"""Calls of notebooks through the door: a GET runs something, so only the user's own wish counts."""

from __future__ import annotations

import pytest

from pyramid_notebook.addresses import classify

from .sites import JSON
from .test_origin import FOREIGN_NAVIGATIONS, OWN_NAVIGATIONS, send

CALL = "/notebook/alice/restified/reports/a.ipynb?n=1"
RUN = "/notebook/alice/restified/reports/a.ipynb/-/runs/x"


@pytest.mark.parametrize("target", [CALL, RUN])
@pytest.mark.parametrize("fields", [*FOREIGN_NAVIGATIONS, {}], ids=str)
def test_a_foreign_page_makes_no_browser_call_a_notebook(site, alices, target, fields):
    assert send(site, "GET", target, fields).status == 403
    assert alices.requests == []


@pytest.mark.parametrize("fields", OWN_NAVIGATIONS, ids=str)
def test_a_page_of_the_site_and_the_user_themselves_may_call_one(site, alices, fields):
    assert send(site, "GET", CALL, fields).status == 200
    assert len(alices.requests) == 1


def test_a_call_of_the_user_opens_the_way_for_no_foreign_page(site, alices):
    """What the door decided a moment ago is kept for what only reads."""
    assert send(site, "GET", CALL, {"Sec-Fetch-Site": "none"}).status == 200
    assert send(site, "GET", CALL, {"Sec-Fetch-Site": "cross-site"}).status == 403
    assert len(alices.requests) == 1


def test_a_program_needs_no_page(site, alices):
    fields = {**JSON, **site.token("alice", "run").fields}
    assert site.ask("GET", CALL, fields).status == 200


def test_a_stranger_calls_nothing(site, alices):
    assert site.ask("GET", CALL, JSON).status == 401
    assert alices.requests == []


def test_a_token_for_some_notebooks_reaches_their_runs_and_no_others(site, alices):
    token = site.token("alice", "run:reports/*.ipynb").fields
    assert site.ask("GET", CALL, {**JSON, **token}).status == 200
    assert site.ask("GET", RUN, {**JSON, **token}).status == 200
    for other in ("b.ipynb", "b.ipynb/-/runs/x", "b.ipynb/-/reports/a.ipynb", "-/"):
        assert site.ask("GET", f"/notebook/alice/restified/{other}", {**JSON, **token}).status == 403


@pytest.mark.parametrize(
    ("below", "notebook"),
    [
        ("restified/a.ipynb", "a.ipynb"),
        ("restified/a.ipynb/-/runs/x", "a.ipynb"),
        ("restified/a%20b.ipynb/-/runs", "a b.ipynb"),
        ("restified/a.ipynb/-/b.ipynb", "a.ipynb"),
        ("restified/a.ipynb/b.ipynb", "a.ipynb/b.ipynb"),
        ("restified/-/openapi.json", "-/openapi.json"),
    ],
)
def test_which_notebook_an_address_names(below, notebook):
    assert classify(below).notebook == notebook
