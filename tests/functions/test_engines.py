"""What every engine does alike: forks of the zygote, and fresh kernels. Real processes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import pytest
from jupyter_client.kernelspec import KernelSpecManager

from pyramid_notebook.errors import (
    BadResult,
    CallCancelled,
    CallDied,
    CallTimeout,
    NotebookFailed,
    ResultTooLarge,
)
from pyramid_notebook.files import private_folder, write_private
from pyramid_notebook.functions.engines import Engines
from pyramid_notebook.functions.library import Library
from pyramid_notebook.functions.options import FunctionOptions
from pyramid_notebook.functions.protocol import Event, Result
from pyramid_notebook.functions.runs import Run
from pyramid_notebook.functions.service import Asked, Functions
from pyramid_notebook.functions.values.formats import negotiate
from tests.running import wait_until

from .callers import code, markdown, notebook

SECONDS = 120


@dataclass
class User:
    """Somebody with a folder of notebooks, and an engine."""

    folder: Path
    functions: Functions
    runner: asyncio.Runner
    events: list[Event] = field(default_factory=list)

    def save(self, *cells: dict[str, Any], name: str = "f.ipynb") -> None:
        (self.folder / name).write_text(json.dumps(notebook(*cells)))

    async def start(self, name: str = "f.ipynb", *, wanted: str = "json", seconds: float = 60, **params: Any) -> Run:
        function = await self.functions.library.find(name)
        values = function.signature.bind(params)
        asked = Asked(function=function, values=values, formats=negotiate("", wanted), timeout=seconds)
        return self.functions.start(asked)

    def result(self, *cells: dict[str, Any], wanted: str = "json", seconds: float = 60, **params: Any) -> Result:
        """Save a notebook, and call it."""
        if cells:
            self.save(*cells)

        async def call() -> Result:
            run = await self.start(wanted=wanted, seconds=seconds, **params)
            await run.over()
            self.events = [event async for _number, event in run.events()]
            return run.outcome()

        return self.runner.run(call())

    def value(self, *cells: dict[str, Any], **options: Any) -> Any:
        return json.loads(self.result(*cells, **options).body)

    @property
    def printed(self) -> str:
        return "".join(event["text"] for event in self.events if event["event"] == "stream")


@pytest.fixture(scope="module", params=[True, False], ids=["zygote", "kernel"])
def user(request: pytest.FixtureRequest) -> Iterator[User]:
    options = FunctionOptions(zygote=request.param, timeout=SECONDS, result_bytes=200_000)
    before = set(processes())
    with TemporaryDirectory(prefix="pnb-test-") as path, asyncio.Runner() as runner:
        folder = Path(path).resolve()
        private_folder(folder / ".kernels")
        specs = KernelSpecManager(kernel_dirs=[str(folder / ".kernels"), *KernelSpecManager().kernel_dirs])
        made = Functions(Library(folder, folder / ".kernels"), options, Engines(specs, options))
        yield User(folder, made, runner)
        runner.run(made.close())
    wait_until(lambda: not set(processes()) - before, "the engine has ended all that it had started")


def processes() -> list[psutil.Process]:
    """Return what this process has started, and what those have."""
    return [child for child in psutil.Process().children(recursive=True) if child.status() != psutil.STATUS_ZOMBIE]


ADD = (
    markdown("# Add"),
    code("a: int = 3\nb = 2.5", "parameters"),
    code("1 / 0", "skip"),
    code("import time\nprint('adding')\nc = a + b"),
    code("{'sum': c}", "return"),
    code("1 / 0"),
)


def test_the_value_is_json_and_what_was_printed_and_how_far_it_is_is_told(user: User) -> None:
    result = user.result(*ADD, a=4)
    assert (result.status, result.content_type, json.loads(result.body)) == (200, "application/json", {"sum": 6.5})
    assert user.printed == "adding\n"
    told = [(event["cell"], event["number"], event["of"]) for event in user.events if event["event"] == "cell"]
    assert told == [(1, 1, 3), (3, 2, 3), (4, 3, 3)]


def test_each_call_has_a_process_and_a_namespace_of_its_own(user: User) -> None:
    cells = (code("import os\nn = globals().get('n', 0) + 1"), code("[os.getpid(), n, __name__]", "return"))
    first, second = user.value(*cells), user.value(*cells)
    assert first[0] != second[0]
    assert os.getpid() not in (first[0], second[0])
    assert first[1:] == second[1:] == [1, "__main__"]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("list(range(2000))", list(range(2000))),
        ("'text'", "text"),
        ("None", None),
        ("__import__('numpy').arange(3)", [0, 1, 2]),
        ("__import__('datetime').date(2026, 1, 2)", "2026-01-02"),
        ("__import__('pandas').DataFrame({'a': [1, 2]})", [{"a": 1}, {"a": 2}]),
        ("5;", 5),
        ("x = 5", None),
        ("%time 6", 6),
        ("await __import__('asyncio').sleep(0.01, 7)", 7),
    ],
)
def test_values_are_told_strictly_whatever_their_class(user: User, expression: str, value: Any) -> None:
    assert user.value(code(expression, "return")) == value


def test_a_value_without_a_word_in_json_is_an_error(user: User) -> None:
    with pytest.raises(BadResult, match=r"nan=null"):
        user.result(code("float('nan')", "return"))
    with pytest.raises(BadResult, match="of the type object"):
        user.result(code("object()", "return"))


def test_a_value_that_is_too_large_is_an_error_and_never_cut(user: User) -> None:
    with pytest.raises(ResultTooLarge):
        user.result(code("'x' * 300_000", "return"))


def test_parameters_are_bound_as_values_of_their_types(user: User) -> None:
    cells = (
        code("from enum import Enum\nclass Size(Enum):\n    S = 's'\n    L = 'l'"),
        code("from datetime import date\nday = date(2026, 1, 2)\nsize: Size = Size.S\ntext = ''", "parameters"),
        code("twice: list[int] = []\nd = day.year", "parameters"),
        code("[day.month, size is Size.L, text, twice, d]", "return"),
    )
    given = {"day": "2025-05-06", "size": "l", "text": "'; 1/0 #\n\"", "twice": [1, 2]}
    assert user.value(*cells, **given) == [5, True, given["text"], [1, 2], 2025]


def test_an_error_is_told_with_its_cell_and_traceback(user: User) -> None:
    with pytest.raises(NotebookFailed) as caught:
        user.result(
            markdown("text"), code("def f():\n    raise ValueError('too\\nbad')"), code("f()"), code("5", "return")
        )
    error = caught.value
    assert (error.name, error.value, error.cell) == ("ValueError", "too\nbad", 2)
    assert "raise ValueError" in re.sub(r"\x1b\[[\d;]*m", "", "".join(error.traceback))


@pytest.mark.parametrize(
    ("source", "name"),
    [("x =", "SyntaxError"), ("exit()", "SystemExit"), ("%no_such", "UsageError"), ("input()", "StdinNot")],
)
def test_other_ways_to_fail_are_errors_too(user: User, source: str, name: str) -> None:
    with pytest.raises(NotebookFailed) as caught:
        user.result(code(source), code("5", "return"))
    assert caught.value.name.startswith(name)


def test_a_figure_is_a_png_or_an_svg_with_what_the_cells_before_have_drawn(user: User) -> None:
    cells = (
        code("import matplotlib.pyplot as plt\nfigure, axes = plt.subplots()"),
        code("axes.set_title('T')"),
        code("figure", "return"),
    )
    png = user.result(*cells, wanted="png")
    assert (png.content_type, png.body[:4]) == ("image/png", b"\x89PNG")
    svg = user.result(*cells, wanted="svg")
    assert b"<svg" in svg.body
    assert b"<!-- T -->" in svg.body


def test_a_table_is_csv_html_and_parquet(user: User) -> None:
    cells = (code("import pandas"), code("pandas.DataFrame({'a': [1, 2], 'b': ['x', 'y']})", "return"))
    assert user.result(*cells, wanted="csv").body.split() == [b"a,b", b"1,x", b"2,y"]
    assert b"<table" in user.result(wanted="html").body
    assert user.result(wanted="parquet").body[:4] == b"PAR1"


def test_a_response_says_status_type_and_fields(user: User) -> None:
    result = user.result(
        code("from pyramid_notebook.functions.values.response import Response"),
        code("Response('# hi', status=404, content_type='text/markdown', headers={'X-A': '1'})", "return"),
    )
    assert (result.status, result.content_type, result.body) == (404, "text/markdown; charset=utf-8", b"# hi")
    assert dict(result.fields)["x-a"] == "1"
    assert dict(result.fields)["x-content-type-options"] == "nosniff"


def test_a_file_that_a_cell_has_left_open_is_written(user: User) -> None:
    assert user.value(code("file = open('left.txt', 'w')\nfile.write('all')"), code("5", "return")) == 5
    assert (user.folder / "left.txt").read_text() == "all"


def test_the_folder_of_the_notebook_is_the_working_folder_and_has_its_modules(user: User) -> None:
    (user.folder / "beside_it.py").write_text("X = 1")
    assert user.value(code("import os, beside_it"), code("[os.getcwd(), beside_it.X]", "return")) == [
        str(user.folder),
        1,
    ]


def test_the_executed_notebook_has_the_outputs_of_the_cells_that_ran(user: User) -> None:
    result = user.result(
        code("n = 1", "parameters"),
        code("print('one'); display('two')\n'three'"),
        code("1 / 0", "skip"),
        code("import matplotlib.pyplot as plt\nplt.plot([1, 2]);"),
        code("n + 1", "return"),
        wanted="ipynb",
        n=5,
    )
    assert result.content_type == "application/x-ipynb+json"
    cells = json.loads(result.body)["cells"]
    assert [cell["execution_count"] for cell in cells] == [1, 2, None, 3, 4]
    stream, shown, last = cells[1]["outputs"]
    assert (stream["output_type"], stream["text"]) == ("stream", "one\n")
    assert (shown["output_type"], shown["data"]["text/plain"]) == ("display_data", "'two'")
    assert (last["output_type"], last["data"]["text/plain"]) == ("execute_result", "'three'")
    assert cells[2]["outputs"] == []
    assert cells[4]["outputs"][0]["data"]["text/plain"] == "6"
    assert [list(output["data"]) for output in cells[3]["outputs"]] == [["text/plain", "image/png"]]


def test_what_other_programs_print_is_told_too(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_CURRENT_TEST")  # a kernel that finds this does not look at its descriptors
    user.result(code("import os\n_ = os.system('echo from a shell')\n!echo from a magic"), code("5", "return"))
    assert sorted(user.printed.splitlines()) == ["from a magic", "from a shell"]


def test_a_notebook_that_prints_without_end_is_cut_with_a_word(user: User) -> None:
    user.result(code("for _ in range(30):\n    print('x' * 50_000)"), code("5", "return"))
    full = [event["text"] for event in user.events if event["event"] == "stream"]
    assert sum(map(len, full)) <= 1_000_100


#: A cell that never ends, and tells which processes are its own.
HANGS = """
import os, pathlib, subprocess
child = subprocess.Popen(["sleep", "600"])
pathlib.Path("unfinished").write_text(f"{os.getpid()} {child.pid}")
pathlib.Path("unfinished").rename("started")
child.wait()
"""


def are_gone(place: Path) -> bool:
    return not any(psutil.pid_exists(int(pid)) for pid in place.read_text().split())


def test_a_call_that_takes_too_long_is_ended_with_all_that_it_has_started(user: User) -> None:
    begun = time.monotonic()
    with pytest.raises(CallTimeout, match="longer than 3 seconds"):
        user.result(code(HANGS), seconds=3)
    assert time.monotonic() - begun < 10
    wait_until(lambda: are_gone(user.folder / "started"), "the processes of the call are gone")
    (user.folder / "started").unlink()


def test_a_call_that_is_cancelled_is_ended(user: User) -> None:
    user.save(code(HANGS))
    place = user.folder / "started"

    async def cancelled() -> Run:
        run = await user.start()
        assert run.task
        await asyncio.to_thread(wait_until, place.exists, "the notebook runs")
        run.task.cancel()
        await run.over()
        return run

    run = user.runner.run(cancelled())
    assert isinstance(run.error, CallCancelled)
    wait_until(lambda: are_gone(place), "the processes of the call are gone")
    place.unlink()


@pytest.mark.parametrize(("death", "told"), [("os._exit(3)", "code 3"), ("os.kill(os.getpid(), 11)", "SIGSEGV")])
def test_a_process_that_dies_is_an_error_and_the_next_call_works(user: User, death: str, told: str) -> None:
    with pytest.raises(CallDied, match=told):
        user.result(code(f"import os\n{death}"), code("5", "return"))
    assert user.value(code("5", "return")) == 5


def test_memory_has_a_limit(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user.functions, "options", replace(user.functions.options, memory=300_000_000))
    with pytest.raises(NotebookFailed, match="MemoryError"):
        user.result(code("x = bytearray(1_000_000_000)"), code("5", "return"))
    assert user.value(code("x = bytearray(10_000_000)"), code("len(x)", "return")) == 10_000_000


def test_a_startup_script_runs_once_before_the_first_cell(user: User) -> None:
    folder = user.folder / ".kernels" / "context"
    private_folder(folder)
    argv = [sys.executable, "-m", "pyramid_notebook.server.kernel", "-f", "{connection_file}"]
    spec = {"argv": [*argv, "--startup={resource_dir}/startup.py"], "display_name": "Context", "language": "python"}
    write_private(folder / "kernel.json", json.dumps(spec))
    write_private(folder / "startup.py", "runs = globals().get('runs', 0) + 1\ndef helper():\n    return runs")
    made = notebook(code("helper()", "return"), kernel="context")
    (user.folder / "f.ipynb").write_text(json.dumps(made))
    assert user.value() == 1
