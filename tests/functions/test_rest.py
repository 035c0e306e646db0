"""Notebooks as functions over HTTP, at a real user server."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from pyramid_notebook.files import private_folder
from pyramid_notebook.functions.options import FunctionOptions
from tests.running import wait_until

from .callers import Caller, code, markdown, notebook

OPTIONS = FunctionOptions(timeout=20, result_bytes=100_000, at_once=2, queue=2)


@pytest.fixture(scope="module")
def add(caller: Caller) -> str:
    return caller.write(
        "sums/add.ipynb",
        markdown("# Sums\n\nAdds numbers."),
        code("a: int\nb = 2  # the second one\nmore: list[int] = []", "parameters"),
        code("print('adding')"),
        code("1/0", "skip"),
        code("result = a + b + sum(more)\n{'sum': result}", "return"),
        code("1/0"),
    )


def test_the_value_of_the_return_cell_comes_back_as_json(caller: Caller, add: str) -> None:
    answer = caller.get(add, {"a": 40})
    assert (answer.status, answer.type, answer.json) == (200, "application/json", {"sum": 42})
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"


def test_repeated_names_in_a_query_are_a_list(caller: Caller, add: str) -> None:
    assert caller.get(add, [("a", 1), ("more", 10), ("more", 20)]).json == {"sum": 33}


@pytest.mark.parametrize(
    "kind", ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"]
)
def test_a_json_object_holds_the_parameters(caller: Caller, add: str, kind: str) -> None:
    assert caller.post(add, {"a": 1, "more": [5]}, Content_Type=kind).json == {"sum": 8}


def test_json_in_another_charset_is_understood(caller: Caller) -> None:
    path = caller.write("echo.ipynb", code("text = ''", "parameters"), code("text", "return"))
    body = json.dumps({"text": "Grüße"}, ensure_ascii=False).encode("utf-16")
    assert caller.post(path, body, Content_Type="application/json; charset=utf-16").json == "Grüße"


def test_all_faults_of_a_call_are_told_at_once(caller: Caller, add: str) -> None:
    answer = caller.get(add, {"b": "x", "c": 1})
    assert (answer.status, answer.reason) == (422, "parameters")
    assert {fault["parameter"]: fault["code"] for fault in answer.json["errors"]} == {
        "a": "missing", "b": "int_parsing", "c": "unknown"
    }  # fmt: skip


@pytest.mark.parametrize("name", ["a=1;import os", "__builtins__", "print", "self", "token", "a\n"])
def test_only_declared_names_can_be_bound(caller: Caller, add: str, name: str) -> None:
    assert caller.get(add, {"a": 1, name: "1"}).status == 422


def test_a_value_is_never_source(caller: Caller) -> None:
    path = caller.write("text.ipynb", code("text = ''", "parameters"), code("text", "return"))
    evil = "'); __import__('os').abort() #\n\\"
    assert caller.get(path, {"text": evil}).json == evil


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"[1]", "application/json", 400),
        (b"{", "application/json", 400),
        (b'{"a": NaN}', "application/json", 400),
        (b'{"a": "\xff"}', "application/json", 400),
        (b'{"a": 1}', "application/json; charset=none", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"a=1", "application/x-www-form-urlencoded", 415),
        (b'{"a": 1}', "text/plain", 415),
        (b"", "application/json", 422),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(caller: Caller, add: str, body: bytes, kind: str, status: int) -> None:
    answer = caller.post(add, body, Content_Type=kind)
    assert (answer.status, answer.type) == (status, "application/problem+json")


@pytest.mark.parametrize("charset", ["punycode", "unicode_escape", "idna", "utf-7", "zlib", "hex"])
def test_only_usual_charsets_are_taken(caller: Caller, add: str, charset: str) -> None:
    assert caller.post(add, b'{"a": 1}', Content_Type=f"application/json; charset={charset}").status == 400


def test_a_body_that_is_too_long_is_refused(caller: Caller, add: str) -> None:
    answer = caller.post(add, b'{"a": "' + b"x" * 20_000_001 + b'"}')
    assert (answer.status, answer.reason) == (413, "too-large")


def test_parameters_in_the_query_of_a_post_are_refused(caller: Caller, add: str) -> None:
    assert caller.ask("POST", f"restified/{add}?a=1", b"{}", Content_Type="application/json").status == 400


@pytest.mark.parametrize(
    "path",
    [
        "none.ipynb",
        "../alice/work/sums/add.ipynb",
        "sums",
        ".hidden.ipynb",
        "sums/.x/a.ipynb",
        "sums//add.ipynb",
        "a\0.ipynb",
    ],
)
def test_what_is_no_notebook_of_the_user_is_404(caller: Caller, add: str, path: str) -> None:
    answer = caller.get(path)
    assert (answer.status, answer.reason) == (404, "notebook")


def test_what_the_door_takes_for_something_below_another_notebook_is_none(caller: Caller) -> None:
    path = caller.write("a.ipynb/-/b.ipynb", code("1", "return"))
    assert caller.get(path).status == 404


def test_a_link_out_of_the_folder_leads_nowhere(caller: Caller) -> None:
    outside = caller.daemon.folder.path / "outside.ipynb"
    outside.write_text("{}")
    (caller.daemon.folder.work / "link.ipynb").symlink_to(outside)
    assert caller.get("link.ipynb").status == 404


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"nbformat": 3, "cells": []}', '{"nbformat": 4, "cells": [1], "metadata": {}}']
)
def test_a_file_that_is_no_notebook_says_so(caller: Caller, text: str) -> None:
    (caller.daemon.folder.work / "broken.ipynb").write_text(text)
    answer = caller.get("broken.ipynb")
    assert (answer.status, answer.reason) == (409, "not-a-function")


def test_a_notebook_that_changed_is_read_anew(caller: Caller) -> None:
    path = caller.write("changing.ipynb", code("1", "return"))
    assert caller.get(path).json == 1
    caller.write(path, code("'another one'", "return"))
    assert caller.get(path).json == "another one"


@pytest.mark.parametrize(
    ("below", "methods"),
    [("-/runs", "GET, OPTIONS"), ("-/runs/x", "GET, DELETE, OPTIONS"), ("-/runs/x/result", "GET, OPTIONS")],
)
def test_options_of_what_lies_below_a_notebook_tell_the_methods(
    caller: Caller, add: str, below: str, methods: str
) -> None:
    answer = caller.ask("OPTIONS", f"restified/{add}/{below}")
    assert (answer.status, answer.headers["Allow"], answer.body) == (204, methods, b"")


def test_options_tell_the_schema(caller: Caller, add: str) -> None:
    answer = caller.ask("OPTIONS", f"restified/{add}")
    assert answer.status == 200
    assert answer.headers["Allow"] == "GET, HEAD, POST, OPTIONS"
    assert (answer.json["title"], answer.json["parameters"]["required"]) == ("Sums", ["a"])
    assert answer.json["parameters"]["properties"]["b"]["description"] == "the second one"


def test_head_checks_the_parameters_and_runs_nothing(caller: Caller) -> None:
    path = caller.write("effect.ipynb", code("n = 1", "parameters"), code("open('effect', 'w').write('x')", "return"))
    assert (caller.ask("HEAD", f"restified/{path}?n=2").status, caller.ask("HEAD", f"restified/{path}?n=x").status) == (
        200, 422,
    )  # fmt: skip
    assert not (caller.daemon.folder.work / "effect").exists()


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_other_methods_are_405(caller: Caller, add: str, method: str) -> None:
    answer = caller.ask(method, f"restified/{add}")
    assert (answer.status, answer.reason, answer.headers["Allow"]) == (405, "refused", "GET, HEAD, POST, OPTIONS")


def test_an_exception_is_500_and_its_traceback_the_owners(caller: Caller, owner: Caller) -> None:
    path = caller.write(
        "failing.ipynb", code("secret = 'in the code'"), code("def f():\n    1/0\nf()"), code("5", "return")
    )
    answer = caller.get(path)
    assert (answer.status, answer.reason) == (500, "notebook-failed")
    assert (answer.json["exception"], answer.json["cell"]) == ("ZeroDivisionError", 1)
    assert "traceback" not in answer.json
    traceback = re.sub("\x1b\\[[0-9;]*m", "", "".join(owner.get(path).json["traceback"]))
    assert "1/0" in traceback


def test_leaving_by_exit_is_no_success(caller: Caller) -> None:
    assert caller.get(caller.write("exit.ipynb", code("raise SystemExit(0)"), code("5", "return"))).status == 500


def test_a_notebook_without_a_value_returns_null(caller: Caller) -> None:
    assert caller.get(caller.write("nothing.ipynb", code("5"))).json is None


def test_each_call_has_a_process_and_a_namespace_of_its_own(caller: Caller) -> None:
    path = caller.write(
        "own.ipynb",
        code("import os, random\nseen = 'counter' in globals()\ncounter = 1\nopen('/dev/null').close()"),
        code("[os.getpid(), seen, random.random()]", "return"),
    )
    calls = [caller.get(path).json for _ in range(5)]
    assert len({pid for pid, _, _ in calls}) == len({drawn for _, _, drawn in calls}) == 5
    assert not any(seen for _, seen, _ in calls)


def test_the_working_folder_is_that_of_the_notebook(caller: Caller) -> None:
    path = caller.write("deep/down/where.ipynb", code("import os"), code("os.getcwd()", "return"))
    assert caller.get(path).json == str(caller.daemon.folder.work / "deep/down")


def test_a_call_finds_neither_the_secret_nor_open_files(caller: Caller) -> None:
    path = caller.write(
        "environment.ipynb",
        code(
            "import os\n"
            "names = [f'/proc/self/fd/{one}' for one in os.listdir('/proc/self/fd')]\n"
            "found = [os.readlink(name) for name in names if os.path.exists(name)]"
        ),
        code("[dict(os.environ), found]", "return"),
    )
    environment, files = caller.get(path).json
    assert caller.daemon.record.secret not in str(environment)
    assert not [file for file in files if "work" in file or "runtime" in file or file.endswith("/s")], files


@pytest.mark.parametrize(
    ("source", "wanted", "kind"),
    [
        ("import pandas as pd\npd.DataFrame({'a': [1]})", "csv", "text/csv; charset=utf-8"),
        ("import pandas as pd\npd.DataFrame({'a': [1]})", "parquet", "application/vnd.apache.parquet"),
        (
            "import matplotlib\nmatplotlib.use('agg')\nfrom matplotlib.figure import Figure\nFigure()",
            "png",
            "image/png",
        ),
        ("'text'", "text", "text/plain; charset=utf-8"),
        ("1", "ipynb", "application/x-ipynb+json"),
    ],
)
def test_a_result_comes_in_the_form_that_is_asked_for(caller: Caller, source: str, wanted: str, kind: str) -> None:
    path = caller.write(f"form-{wanted}.ipynb", code(source, "return"))
    answer = caller.get(path, {"format": wanted})
    assert (answer.status, answer.type) == (200, kind), answer.body
    by_accept = caller.get(path, Accept=kind.partition(";")[0])
    assert (by_accept.status, by_accept.type) == (200, kind)


def test_html_runs_no_script_in_the_sites_origin(caller: Caller) -> None:
    path = caller.write(
        "html.ipynb", code("class T:\n    def _repr_html_(self): return '<script>1</script>'\nT()", "return")
    )
    answer = caller.get(path, {"format": "html"})
    assert answer.type == "text/html; charset=utf-8"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "allow-scripts" not in answer.headers["Content-Security-Policy"]


def test_a_response_sets_status_type_and_fields(caller: Caller) -> None:
    path = caller.write(
        "response.ipynb",
        code("from pyramid_notebook.functions.values.response import Response"),
        code("Response({'a': 1}, status=201, headers={'X-Rows': '3'})", "return"),
    )
    answer = caller.get(path)
    assert (answer.status, answer.headers["X-Rows"], answer.json) == (201, "3", {"a": 1})


@pytest.mark.parametrize("name", ["Set-Cookie", "X-Accel-Redirect", "Location", "Access-Control-Allow-Origin"])
def test_a_response_cannot_set_what_concerns_the_site(caller: Caller, name: str) -> None:
    path = caller.write(
        "headers.ipynb",
        code("from pyramid_notebook.functions.values.response import Response"),
        code(f"Response(1, headers={{{name!r}: 'x'}})", "return"),
    )
    answer = caller.get(path)
    assert answer.status == 500
    assert name not in answer.headers


def test_nan_is_a_clear_error_unless_it_is_asked_for(caller: Caller) -> None:
    path = caller.write("nan.ipynb", code("{'a': [1.0, float('nan')]}", "return"))
    refused = caller.get(path)
    assert (refused.status, refused.reason) == (500, "result")
    assert "$.a[1]" in refused.json["detail"]
    assert caller.get(path, {"nan": "null"}).json == {"a": [1.0, None]}


def test_a_result_that_is_too_large_is_an_error_and_not_cut(caller: Caller) -> None:
    answer = caller.get(caller.write("large.ipynb", code("list(range(100_000))", "return")))
    assert (answer.status, answer.reason) == (500, "result-too-large")


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("Response('x' * 200_000, content_type='text/plain')", ""),
        ("Response(b'x' * 200_000)", ""),
        ("print('x' * 200_000)", "ipynb"),
    ],
)
def test_no_form_of_a_result_is_longer_than_the_limit(caller: Caller, source: str, wanted: str) -> None:
    cells = code("from pyramid_notebook.functions import Response"), code(source, "return")
    answer = caller.get(caller.write("long.ipynb", *cells), {"format": wanted} if wanted else ())
    assert (answer.status, answer.reason) == (500, "result-too-large")


def test_files_with_odd_names_and_contents_do_not_hide_the_others(caller: Caller, add: str) -> None:
    folder = os.fsencode(caller.daemon.folder.work)
    for number, kernel in enumerate(["a\0b", "\ud800", "a" * 5000, "../x"]):
        caller.write(f"odd-{number}.ipynb", code("1", "return"), kernel=kernel)
    Path(os.fsdecode(folder + b"/caf\xe9.ipynb")).write_text(json.dumps(notebook(code("1", "return"))))
    assert f"/restified/{add}" in caller.ask("GET", "restified/-/openapi.json").json["paths"]


def test_a_parameter_named_format_is_the_notebooks(caller: Caller) -> None:
    path = caller.write("format.ipynb", code("format = 'short'", "parameters"), code("format", "return"))
    assert caller.get(path, {"format": "long"}).json == "long"


def test_a_kept_result_tells_its_age_and_is_kept_for_the_same_call_only(caller: Caller) -> None:
    path = caller.write("cached.ipynb", code("n = 1", "parameters"), code("import os\nos.getpid()", "return"), cache=60)
    first, second = caller.get(path, {"n": 1}), caller.get(path, {"n": 1})
    assert (second.json, second.headers["Age"]) == (first.json, "0")
    assert "Age" not in first.headers
    assert caller.get(path, {"n": 2}).json != first.json
    caller.write(path, code("n = 1", "parameters"), code("'changed'", "return"), cache=60)
    assert caller.get(path, {"n": 1}).json == "changed"


def test_the_startup_script_of_a_notebook_context_runs_before_the_first_cell(caller: Caller) -> None:
    caller.daemon.open_context(startup="given_by_site = 'models'", title="Shop")
    kernels = caller.daemon.folder.runtime / "data" / "kernels"
    name = next(place.name for place in kernels.iterdir() if "models" in (place / "startup.py").read_text())
    path = caller.write("models.ipynb", code("given_by_site", "return"), kernel=name)
    assert caller.get(path).json == "models"


def test_a_dead_process_is_an_error_and_the_next_call_works(caller: Caller) -> None:
    path = caller.write(
        "dying.ipynb",
        code("how = 9", "parameters"),
        code("import os\nif how: os.kill(os.getpid(), how)"),
        code("'alive'", "return"),
    )
    answer = caller.get(path)
    assert (answer.status, answer.reason) == (500, "died")
    assert caller.get(path, {"how": 0}).json == "alive"


def test_a_notebook_may_have_fewer_calls_at_once_than_there_are_places(caller: Caller) -> None:
    path = caller.write("alone.ipynb", code("import time\ntime.sleep(30)"), calls=1)
    other = caller.write("other.ipynb", code("5"))
    first, second = (caller.get(path, Prefer="respond-async").json["id"] for _ in range(2))
    states = lambda: [  # noqa: E731
        caller.ask("GET", f"restified/{path}/-/runs/{run}").json["state"] for run in (first, second)
    ]
    wait_until(lambda: states() == ["running", "waiting"], "one runs and the other waits")
    assert caller.get(other).status == 200
    for run in (second, first):
        caller.ask("DELETE", f"restified/{path}/-/runs/{run}")


def test_what_a_caller_got_is_not_kept(caller: Caller) -> None:
    path = caller.write("once.ipynb", code("1", "return"))
    assert caller.get(path).json == 1
    (run,) = caller.ask("GET", f"restified/{path}/-/runs").json["runs"]
    assert caller.ask("GET", f"restified/{path}/-/runs/{run['id']}/result").status == 404


def test_a_post_of_a_page_needs_the_pages_token(owner: Caller, add: str) -> None:
    answer = owner.post(add, {"a": 1}, X_XSRFToken="another")
    assert (answer.status, answer.reason) == (403, "refused")


def test_openapi_describes_the_functions(caller: Caller, add: str) -> None:
    document: Any = caller.ask("GET", "restified/-/openapi.json").json
    assert document["openapi"] == "3.1.0"
    assert document["paths"][f"/restified/{add}"]["get"]["summary"] == "Sums"


def test_the_overview_is_a_page_that_runs_no_foreign_script(owner: Caller) -> None:
    page = owner.ask("GET", "restified/-/")
    assert (page.status, page.type) == (200, "text/html; charset=utf-8")
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    for name in ("functions.js", "functions.css"):
        assert owner.ask("GET", f"restified/-/{name}").status == 200
    assert owner.ask("GET", "restified/-/other.js").status == 404


def test_calls_beyond_the_queue_are_told_to_come_again(caller: Caller) -> None:
    path = caller.write("slow.ipynb", code("import time\ntime.sleep(30)"))
    other = caller.write("other.ipynb", code("5"))
    runs = [caller.get(path, Prefer="respond-async").json["id"] for _ in range(3)]
    answer = caller.get(path)
    assert (answer.status, answer.reason, answer.headers["Retry-After"]) == (429, "too-many-calls", "1")
    for name in runs:
        assert caller.ask("DELETE", f"restified/{path}/-/runs/{name}").status == 204
    wait_until(lambda: caller.get(other).status == 200, "there is room again")


def test_a_notebook_of_another_language_has_parameters_as_well(caller: Caller) -> None:
    kernel = private_folder(caller.daemon.folder.runtime / "data" / "kernels" / "bash")
    command = [sys.executable, "-m", "bash_kernel", "-f", "{connection_file}"]
    spec = {"argv": command, "display_name": "Bash", "language": "bash"}
    (kernel / "kernel.json").write_text(json.dumps(spec))
    cells = code("name='nobody'", "parameters"), code('echo "hello $name"', "return")
    path = caller.write("hello.ipynb", *cells, kernel="bash", language="bash")
    evil = "'; rm -rf x; $(id) `id`"
    assert caller.get(path, {"name": evil}).json == f"hello {evil}"
    assert caller.get(path, {"other": 1}).status == 422
