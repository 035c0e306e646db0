"""Notebooks that a site publishes, and calls from its own code: a real site, and a real user server of nobody."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationError
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED, Allowed, Denied

from pyramid_notebook import NotebookManager, Settings
from pyramid_notebook.errors import (
    BadParameters,
    BadResult,
    CallError,
    CallTimeout,
    NoNotebook,
    NoRun,
    NotAcceptable,
    NotAFunction,
    NotebookError,
    NotebookFailed,
    TooManyCalls,
)
from pyramid_notebook.files import private_folder
from pyramid_notebook.functions.problems import problem, raised
from pyramid_notebook.proxy.upstream import ask as ask_server
from tests.door.sites import Answer, Policy, ask, served

from .callers import code, notebook

SESSION = {"Cookie": "session=1"}
NOTEBOOKS = {
    "sums/add.ipynb": (code("a: int\nmore: list[int] = []", "parameters"), code("{'sum': a + sum(more)}", "return")),
    "bad.ipynb": (code("1/0"),),
    "page.ipynb": (
        code("from pyramid_notebook.functions.values.response import Response"),
        code("Response('<script>x</script>', content_type='text/html', headers={'X-Mine': '1'})", "return"),
    ),
    "day.ipynb": (code("import datetime\nd: datetime.date\nx = 0.5", "parameters"), code("[d, x]", "return")),
    "bytes.ipynb": (
        code("from pyramid_notebook.functions.values.response import Response"),
        code("Response(b'\\x00', content_type='application/octet-stream')", "return"),
    ),
    "slow.ipynb": (code("import time\ntime.sleep(60)"),),
    "whose.ipynb": (code("user", "return"),),
    "refuses.ipynb": (
        code("from pyramid_notebook.functions.values.response import Response"),
        code("Response({'type': 'x'}, status=409)", "return"),
    ),
}


class Rules(Policy):
    """Who is called ``stranger`` may not do what the others may."""

    def permits(self, request: Any, context: object, permission: str) -> Any:
        name = self.identity(request)
        return (Allowed if name and name != "stranger" and permission in self.granted else Denied)("as the test says")


class Shop:
    """A site that publishes notebooks."""

    def __init__(self, port: int, manager: NotebookManager, introspector: Any) -> None:
        self.port, self.manager, self.introspector = port, manager, introspector

    def ask(
        self,
        method: str,
        target: str,
        fields: Mapping[str, str] | None = None,
        *,
        user: str = "alice",
        values: Any = None,
    ) -> Answer:
        """Ask as a program of a user does, which sends nothing by itself."""
        body = None if values is None else values if isinstance(values, bytes) else json.dumps(values).encode()
        given = {"X-User": user, **({"Content-Type": "application/json"} if body else {}), **(fields or {})}
        return ask(self.port, method, target, given, body)


def site_context(request: Any) -> dict[str, str]:
    return {"startup": f"user = {request.notebook_user!r}\n"}


def indirect(request: Any) -> Response:
    return Response(json_body=request.notebooks.call("functions", "sums/add.ipynb", {"a": 1, "more": [2]}))


def main(folder: Path, policy: Policy | None) -> Configurator:
    settings = {"notebook_folder": str(folder), "function_timeout": 20, "start_timeout": 60}
    config = Configurator(settings={f"pyramid_notebook.{name}": value for name, value in settings.items()})
    if policy:
        config.set_security_policy(policy)
    config.include("pyramid_notebook")
    config.set_notebook_context(site_context)
    for path in NOTEBOOKS:
        config.add_notebook_function(Path(path).stem, path, permission="sell")
    config.add_notebook_function("closed", "sums/add.ipynb", permission="buy")
    config.add_notebook_function("open", "sums/add.ipynb", permission=NO_PERMISSION_REQUIRED, pattern="/sum")
    config.add_notebook_function("missing", "missing.ipynb", permission="sell")
    config.add_route("indirect", "/indirect")
    config.add_view(indirect, route_name="indirect")
    return config


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with tempfile.TemporaryDirectory(prefix="pnb-test-", ignore_cleanup_errors=True) as place:
        folder = Path(place, "notebooks")
        manager = NotebookManager(Settings(notebook_folder=str(folder)))
        work = manager.folder("functions").work
        private_folder(work)
        for path, cells in NOTEBOOKS.items():
            private_folder((work / path).parent)
            (work / path).write_text(json.dumps(notebook(*cells)))
        config = main(folder, Rules("sell", "shell"))
        try:
            with served(config.make_wsgi_app()) as port:
                yield Shop(port, manager, config.registry.introspector)
        finally:
            for record in manager.servers():
                manager.stop(record.user)


def reason(answer: Answer) -> str:
    assert answer.headers["Content-Type"] == "application/problem+json"
    return str(json.loads(answer.text)["type"].rpartition(":")[2])


def test_whoever_has_the_permission_gets_a_value_and_the_server_is_started_for_it(shop: Shop) -> None:
    shop.manager.stop("functions")
    answer = shop.ask("GET", "/functions/add?a=1&more=2&more=3")
    assert (answer.status, json.loads(answer.text)) == (200, {"sum": 6})
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers
    assert shop.manager.find("functions")
    answer = shop.ask("POST", "/functions/add", values={"a": 40, "more": [2]})
    assert (answer.status, json.loads(answer.text)) == (200, {"sum": 42})


def test_the_server_is_started_for_its_user_and_not_for_the_caller(shop: Shop) -> None:
    record = shop.manager.find("functions")
    if record is None:
        shop.ask("GET", "/functions/add?a=1")
    folder = shop.manager.folder("functions")
    startups = [path.read_text() for path in folder.path.rglob("startup.py")]
    assert any("user = 'functions'" in text for text in startups)
    assert not any("alice" in text for text in startups)


@pytest.mark.parametrize("user", ["", "stranger"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
def test_others_get_what_the_site_answers_them(shop: Shop, method: str, user: str) -> None:
    assert shop.ask(method, "/functions/add?a=1", user=user).status == 403


def test_a_permission_that_nobody_has_closes_a_function(shop: Shop) -> None:
    assert shop.ask("GET", "/functions/closed?a=1").status == 403


def test_a_function_can_be_for_everybody_and_have_another_address(shop: Shop) -> None:
    assert json.loads(shop.ask("GET", "/sum?a=1", user="").text) == {"sum": 1}


def test_without_a_policy_nobody_may_call(folder: Path) -> None:
    with served(main(folder / "notebooks", None).make_wsgi_app()) as port:
        answer = ask(port, "GET", "/functions/add?a=1", {})
    assert answer.status == 403


def test_faults_of_parameters_are_told(shop: Shop) -> None:
    answer = shop.ask("GET", "/functions/add?a=x&b=1")
    assert (answer.status, reason(answer)) == (422, "parameters")
    assert [fault["parameter"] for fault in json.loads(answer.text)["errors"]] == ["a", "b"]


def test_a_failing_notebook_keeps_its_traceback_to_itself(shop: Shop) -> None:
    answer = shop.ask("GET", "/functions/bad")
    assert (answer.status, reason(answer)) == (500, "notebook-failed")
    told = json.loads(answer.text)
    assert (told["exception"], told["cell"]) == ("ZeroDivisionError", 0)
    assert "traceback" not in told


def test_a_notebook_that_is_not_there_is_told(shop: Shop) -> None:
    answer = shop.ask("GET", "/functions/missing")
    assert (answer.status, reason(answer)) == (404, "notebook")


def test_the_schema_and_a_check_need_no_run(shop: Shop) -> None:
    answer = shop.ask("OPTIONS", "/functions/add")
    assert json.loads(answer.text)["parameters"]["required"] == ["a"]
    assert answer.headers["Allow"] == "GET, HEAD, POST, OPTIONS"
    assert shop.ask("HEAD", "/functions/add?a=1").status == 200
    assert shop.ask("HEAD", "/functions/add?a=x").status == 422
    assert shop.ask("HEAD", "/functions/add?a=1&format=csv").status == 200
    assert shop.ask("HEAD", "/functions/bad").status == 200


def test_other_methods_are_refused(shop: Shop) -> None:
    answer = shop.ask("PUT", "/functions/add")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, POST, OPTIONS")


def test_nothing_goes_on_after_the_answer(shop: Shop) -> None:
    answer = shop.ask("GET", "/functions/add?a=1", {"Prefer": "respond-async", "X-Notebook-Webhook": "https://x/"})
    assert (answer.status, json.loads(answer.text)) == (200, {"sum": 1})
    assert "Location" not in answer.headers


@pytest.mark.parametrize(
    "target",
    [
        "/functions/add/-/runs",
        "/functions/add/../bad",
        "/functions/sums/add.ipynb",
        "/functions/%2e%2e/restified/bad.ipynb",
        "/functions/-/openapi.json",
    ],
)
def test_nothing_but_the_notebook_itself_can_be_reached(shop: Shop, target: str) -> None:
    assert shop.ask("GET", target).status == 404


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Referer": "https://evil.example/"}, 403),
        ({}, 403),
        ({"Authorization": "Basic YTpi"}, 403),
        ({"Authorization": "Bearer of-the-site"}, 200),
        ({"Authorization": "ApiKey of-the-site"}, 200),
    ],
)
def test_a_session_has_to_come_from_a_page_of_the_site(shop: Shop, fields: dict[str, str], status: int) -> None:
    assert shop.ask("GET", "/functions/add?a=1", SESSION | fields).status == status


@pytest.mark.parametrize(
    ("origin", "status"), [("http://localhost:{port}", 200), ("https://evil.example", 403), ("null", 403), ("", 403)]
)
def test_a_post_with_a_session_tells_its_origin(shop: Shop, origin: str, status: int) -> None:
    fields = {"Origin": origin.format(port=shop.port)} if origin else {}
    assert shop.ask("POST", "/functions/add", SESSION | fields, values={"a": 1}).status == status


def test_a_foreign_page_is_refused_whomever_it_finds_signed_in(shop: Shop) -> None:
    assert shop.ask("GET", "/sum?a=1", {"Sec-Fetch-Site": "cross-site"}, user="").status == 403
    assert shop.ask("POST", "/sum", {"Origin": "https://evil.example"}, user="", values={"a": 1}).status == 403


def test_a_token_does_not_belong_into_the_address(shop: Shop) -> None:
    answer = shop.ask("GET", f"/functions/add?a=pnb_{'x' * 43}")
    assert (answer.status, reason(answer)) == (400, "invalid_request")


def test_a_document_runs_nothing_in_the_origin_of_the_site(shop: Shop) -> None:
    answer = shop.ask("GET", "/functions/page")
    assert (answer.status, answer.text) == (200, "<script>x</script>")
    assert answer.headers["Content-Security-Policy"].startswith("sandbox;")
    assert answer.headers["X-Mine"] == "1"


def test_a_body_that_is_too_long_is_refused(shop: Shop) -> None:
    answer = shop.ask("POST", "/functions/add", values=b" " * 20_000_001)
    assert (answer.status, reason(answer)) == (413, "too-large")


@pytest.mark.parametrize("path", ["x.py", "/x.ipynb", "../x.ipynb", "a//x.ipynb", "x.ipynb/-/runs/x.ipynb", ".ipynb"])
def test_what_is_no_notebook_cannot_be_published(path: str) -> None:
    config = Configurator(settings={"pyramid_notebook.notebook_folder": "/nowhere"})
    config.include("pyramid_notebook")
    with pytest.raises(ConfigurationError, match="not the path of a notebook"):
        config.add_notebook_function("x", path, permission="sell")


def test_functions_are_told_to_who_looks_into_the_configuration(shop: Shop) -> None:
    found = shop.introspector.get("notebook functions", "add")
    assert (found["path"], found["user"], found["permission"]) == ("sums/add.ipynb", "functions", "sell")


# From the site's own code


def test_a_view_calls_a_notebook(shop: Shop) -> None:
    assert json.loads(shop.ask("GET", "/indirect").text) == {"sum": 3}


def test_a_call_starts_the_server_and_no_kernel(shop: Shop) -> None:
    shop.manager.stop("functions")
    assert shop.manager.call("functions", "sums/add.ipynb", {"a": 1}) == {"sum": 1}
    record = shop.manager.find("functions")
    assert record
    assert ask_server(record, "GET", f"{record.base_url}api/kernels", timeout=30) == (200, [])


def test_a_user_who_never_had_a_server_can_be_called(shop: Shop) -> None:
    work = shop.manager.folder("new user").work
    private_folder(work)
    (work / "one.ipynb").write_text(json.dumps(notebook(code("1", "return"))))
    try:
        assert shop.manager.call("new user", "one.ipynb") == 1
        record = shop.manager.find("new user")
        assert record
        assert record.base_url.startswith("/notebook/new")
    finally:
        shop.manager.stop("new user")


def test_dates_and_decimals_are_parameters(shop: Shop) -> None:
    values = {"d": date(2026, 2, 3), "x": Decimal("0.25")}
    assert shop.manager.call("functions", "day.ipynb", values) == ["2026-02-03", 0.25]
    with pytest.raises(TypeError, match="object is nothing"):
        shop.manager.call("functions", "day.ipynb", {"d": object()})


def test_bytes_are_returned_as_they_are(shop: Shop) -> None:
    assert shop.manager.call("functions", "bytes.ipynb") == b"\0"


def test_what_goes_wrong_has_its_class(shop: Shop) -> None:
    with pytest.raises(BadParameters) as misfit:
        shop.manager.call("functions", "sums/add.ipynb", {"b": 1})
    assert [(fault.name, fault.code) for fault in misfit.value.faults] == [("a", "missing"), ("b", "unknown")]
    with pytest.raises(NotebookFailed, match="Cell 1 failed: ZeroDivisionError") as failed:
        shop.manager.call("functions", "bad.ipynb")
    assert failed.value.name == "ZeroDivisionError"
    with pytest.raises(NoNotebook):
        shop.manager.call("functions", "missing.ipynb")
    with pytest.raises(NoNotebook):
        shop.manager.call("functions", "../alice/x.ipynb")
    with pytest.raises(CallError, match="status 409"):
        shop.manager.call("functions", "refuses.ipynb")


def test_a_call_that_takes_too_long_is_given_up(shop: Shop) -> None:
    with pytest.raises(CallTimeout, match=r"0\.5 seconds"):
        shop.manager.call("functions", "slow.ipynb", timeout=0.5)


@pytest.mark.parametrize("kind", [NotAFunction, CallTimeout, BadResult, NotAcceptable, TooManyCalls, NoRun, NoNotebook])
def test_an_error_comes_back_from_its_problem_details(kind: type[NotebookError]) -> None:
    back = raised(problem(kind("Why."), is_owner=True))
    assert (type(back), str(back)) == (kind, "Why.")


@pytest.mark.parametrize(
    "told", [{}, {"type": 5}, {"type": "urn:pyramid-notebook:problem:parameters", "errors": [5, {}]}]
)
def test_problem_details_that_make_no_sense_are_an_error_all_the_same(told: dict[str, Any]) -> None:
    assert isinstance(raised(told), CallError)
