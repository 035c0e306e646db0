"""Notebooks as functions of Python programs: ``PythonModel`` and ``KernelModel``."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import pandas
import psutil
import pytest

from pyramid_notebook import KernelModel, PythonModel
from pyramid_notebook.errors import (
    BadParameters,
    BadResult,
    CallDied,
    CallError,
    CallTimeout,
    NoNotebook,
    NotAFunction,
    NotebookFailed,
)
from pyramid_notebook.functions import Response
from tests.conftest import RunPython
from tests.running import wait_until

from .callers import code, markdown, notebook

Model = type[PythonModel] | type[KernelModel]
PARAMETERS = "a: int = 3\nb = 2.5"


@pytest.fixture(params=[PythonModel, KernelModel])
def model(request: pytest.FixtureRequest) -> Model:
    return request.param


@pytest.fixture
def no_kernel_left() -> Iterator[None]:
    """What the test starts ends with it; what others have started in this process goes on."""
    before = set(kernels())
    yield
    wait_until(lambda: not set(kernels()) - before, "all kernels have ended")


def kernels() -> list[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    return [process for process in children if process.status() != psutil.STATUS_ZOMBIE]


def save(path: Path, *cells: dict[str, Any], **options: Any) -> Path:
    path.write_text(json.dumps(notebook(*cells, **options)))
    return path


# both


@pytest.mark.usefixtures("no_kernel_left")
def test_the_parameters_go_in_and_the_value_of_the_return_cell_comes_back(model: Model, folder: Path) -> None:
    path = save(
        folder / "model.ipynb",
        markdown("# Product"),
        code(PARAMETERS, "parameters"),
        code("raise RuntimeError('only for people')", "skip"),
        code("product = a * b"),
        code("told = {'product': product}\ntold", "return"),
        code("1 / 0"),
    )
    product = model(path)
    assert product.execute({"a": 4}) == {"product": 10.0}
    assert product(b=1) == {"product": 3}
    assert product.execute() == {"product": 7.5}
    assert [parameter.name for parameter in product.signature.parameters] == ["a", "b"]
    assert repr(product) == f"<{model.__name__} model.ipynb(a, b)>"


def test_without_a_return_cell_the_value_is_none(model: Model) -> None:
    assert model(notebook(code("5"))).execute() is None


def test_an_error_names_the_cell_and_has_the_notebooks_traceback(model: Model) -> None:
    failing = model(notebook(markdown("text"), code("def f():\n    return 1 / 0"), code("f()"), code("5", "return")))
    with pytest.raises(NotebookFailed, match=r"^Cell 3 failed: ZeroDivisionError: division by zero$") as caught:
        failing()
    assert (caught.value.name, caught.value.cell) == ("ZeroDivisionError", 2)
    assert "return" in "\n".join(caught.value.traceback)


def test_an_error_of_the_return_cell_is_an_error(model: Model) -> None:
    with pytest.raises(NotebookFailed, match="NameError: name 'missing' is not defined"):
        model(notebook(code("missing", "return")))()


def test_leaving_by_exit_is_no_success(model: Model) -> None:
    with pytest.raises(NotebookFailed, match="SystemExit"):
        model(notebook(code("exit()"), code("5", "return")))()


def test_all_wrong_parameters_are_told_at_once_before_anything_runs(model: Model) -> None:
    wrong = model(notebook(code("print('ran')\nn: int", "parameters"), code("n", "return")))
    with pytest.raises(BadParameters) as caught:
        wrong.execute({"n": "many", "m": 1})
    assert [(fault.name, fault.code) for fault in caught.value.faults] == [("n", "int_parsing"), ("m", "unknown")]
    with pytest.raises(BadParameters, match="n: Required, and not given"):
        wrong()


def test_the_name_of_a_parameter_is_never_code(model: Model) -> None:
    with pytest.raises(BadParameters, match="Unknown"):
        model(notebook(code("a = 1", "parameters"), code("a", "return"))).execute({"a=1; print('ran'); a": 2})


def test_values_have_the_types_of_the_signature_and_no_member_of_an_enum_is_a_text(model: Model) -> None:
    typed = model(
        notebook(
            code(
                "from enum import Enum\nfrom datetime import date\nclass Size(Enum):\n    SMALL = 's'\n    LARGE = 'l'"
            ),
            code("day: date\nsize: Size = Size.SMALL\ncount: int = 1\nwords: list[str] = []", "parameters"),
            code("[day.year, type(size).__name__, size.name, count + 1, words]", "return"),
        )
    )
    assert typed(day="2026-01-02", size="l", count="4", words=["a"]) == [2026, "Size", "LARGE", 5, ["a"]]
    assert typed(day=date(2025, 1, 1), words=("b",)) == [2025, "Size", "SMALL", 2, ["b"]]


def test_members_of_the_callers_own_enum_and_numbers_of_numpy_are_taken(model: Model) -> None:
    class Size(Enum):
        LARGE = "l"

    sizes = model(
        notebook(
            code("from enum import Enum\nclass Size(Enum):\n    SMALL = 's'\n    LARGE = 'l'"),
            code("size: Size = Size.SMALL\nn = 1", "parameters"),
            code("[size.value, n]", "return"),
        )
    )
    assert sizes(size=Size.LARGE, n=pandas.Series([7]).max()) == ["l", 7]


def test_magics_and_several_statements_work_also_in_the_return_cell(model: Model) -> None:
    magic = model(
        notebook(code("%precision 3\nfolder = %pwd"), code("here = !echo yes\nx = 1\n%time x + 1\nhere[0]", "return"))
    )
    assert magic() == "yes"


def test_functions_of_the_notebook_see_its_globals_its_imports_and_themselves(model: Model) -> None:
    sums = model(
        notebook(
            code("import math\nlimit = 5"),
            code("def factorial(n):\n    return math.prod([n, factorial(n - 1)]) if n > 1 else 1"),
            code("[factorial(n) for n in range(limit) if n < limit]", "return"),
        )
    )
    assert sums() == [1, 1, 2, 6, 24]


def test_variables_may_have_any_name(model: Model) -> None:
    named = model(
        notebook(
            code("self = 1\ncell = 2\norder = 3\nshell = 4\nvalue = 5"),
            code("[self, cell, order, shell, value]", "return"),
        )
    )
    assert named() == [1, 2, 3, 4, 5]


def test_cells_may_wait_for_what_runs_in_the_event_loop_of_other_cells(model: Model) -> None:
    waiting = model(
        notebook(
            code("import asyncio\ntask = asyncio.create_task(asyncio.sleep(0.01, 'slept'))\nawait asyncio.sleep(0)"),
            code("await task", "return"),
        )
    )
    assert waiting() == "slept"


def test_it_works_where_an_event_loop_runs(model: Model) -> None:
    waiting = model(notebook(code("import asyncio"), code("x = await asyncio.sleep(0.01, 7)\nx", "return")))

    async def caller() -> Any:
        return waiting()

    assert asyncio.run(caller()) == 7


def test_what_is_printed_is_printed_by_the_caller(model: Model, capsys: pytest.CaptureFixture[str]) -> None:
    model(notebook(code("import sys\nprint('out')\nprint('err', file=sys.stderr)")))()
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("out\n", "err\n")


def test_a_call_that_takes_too_long_is_ended(model: Model) -> None:
    slow = model(
        notebook(code("import time\ntry:\n    time.sleep(60)\nexcept Exception:\n    pass"), code("5", "return"))
    )
    with pytest.raises(CallTimeout, match=r"^The call took longer than 2 seconds, and was ended\.$"):
        slow.execute(timeout=2)


@pytest.mark.usefixtures("no_kernel_left")
def test_a_notebook_that_calls_itself_without_end_is_stopped(
    model: Model, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if model is KernelModel:
        monkeypatch.setenv("PYRAMID_NOTEBOOK_CALL_DEPTH", "18")  # as in a kernel that calls have led to
    path = folder / "self.ipynb"
    name = model.__name__
    save(path, code(f"from pyramid_notebook import {name}\n{name}({str(path)!r})()", "return"))
    with pytest.raises(CallError, match="one calls itself without end"):
        model(path)()


def test_a_notebook_that_was_saved_again_is_read_again(model: Model, folder: Path) -> None:
    path = save(folder / "model.ipynb", code("1", "return"))
    changing = model(path)
    assert changing() == 1
    save(path, code("x = 2", "parameters"), code("x", "return"))
    assert changing(x=30) == 30


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"nbformat": 3}', "no JSON"])
def test_what_is_no_notebook_is_told_when_the_model_is_made(model: Model, folder: Path, text: str) -> None:
    path = folder / "model.ipynb"
    path.write_text(text)
    with pytest.raises(NotAFunction):
        model(path)


def test_a_file_that_is_not_there_is_told_when_the_model_is_made(model: Model, folder: Path) -> None:
    with pytest.raises(NoNotebook, match="No such file"):
        model(folder / "none.ipynb")


def test_cells_without_tags_and_the_traces_of_papermill_do_no_harm(model: Model) -> None:
    papermill = notebook(
        {**code("x = 1", "parameters")},
        {"cell_type": "code", "metadata": {}, "source": "y = 1", "outputs": [], "execution_count": None},
        code("x = 1000", "injected-parameters"),
        code("x + y", "return"),
    )
    papermill["metadata"]["papermill"] = {"parameters": {"x": 1000}}
    assert model(papermill).execute({"x": 5}) == 6


# in this process


def test_nothing_is_left_of_a_call_for_the_next_one(folder: Path) -> None:
    counting = PythonModel(
        notebook(
            code("n = globals().get('n', 0) + 1\nn"),
            code("[n, _ if n > 1 else None, len(Out), 'before' in globals()]", "return"),
            code("before = True"),
        )
    )
    assert [counting(), counting()] == [[1, None, 1, False]] * 2


def test_the_value_is_the_very_object_and_its_functions_live_on() -> None:
    frame = pandas.DataFrame({"a": [1, 2]})
    same = PythonModel(notebook(code("table = None", "parameters"), code("table", "return")))
    assert same(table=frame) is frame
    made = PythonModel(notebook(code("base = 40\ndef add(n):\n    return base + n"), code("add", "return")))
    first, second = made(), made()
    assert (first(2), second(2), first is second) == (42, 42, False)


def test_classes_of_a_notebook_can_be_pickled_while_it_runs() -> None:
    pickling = PythonModel(
        notebook(
            code("from __future__ import annotations"),
            code("import pickle\nfrom pydantic import BaseModel\nclass Item(BaseModel):\n    next: Item | None = None"),
            code("pickle.loads(pickle.dumps(Item(next=Item()))).next.next is None", "return"),
        )
    )
    assert pickling() is True


def test_globals_of_the_caller_can_be_passed_in() -> None:
    rated = PythonModel(
        notebook(
            code("amount = 10", "parameters"),
            code("def paid():\n    return amount * rate + fee"),
            code("paid()", "return"),
        ),
        globals={"rate": Decimal("0.5"), "fee": 0},
    )
    assert rated() == Decimal(5)
    assert rated.execute({"amount": 4}, globals={"fee": 1}) == Decimal(3)


def test_the_program_around_keeps_what_is_its_own() -> None:
    main, hook = sys.modules["__main__"], sys.displayhook
    modules = set(sys.modules)
    PythonModel(notebook(code("x = 1\nx"), code("x", "return"))).execute(timeout=30)
    assert (sys.modules["__main__"], sys.displayhook) == (main, hook)
    assert not [name for name in set(sys.modules) - modules if name.startswith("pyramid_notebook_function")]


@pytest.mark.parametrize("outer", [0.0, 500.0])
def test_the_program_around_keeps_its_own_alarm(outer: float) -> None:
    handler, (left, again) = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)
    begun = time.monotonic()
    try:
        signal.setitimer(signal.ITIMER_REAL, outer)
        PythonModel(notebook(code("x = 1\nx"), code("x", "return"))).execute(timeout=30)
        assert signal.getsignal(signal.SIGALRM) is handler
        spent = time.monotonic() - begun
        assert max(outer - spent - 1, 0) <= signal.getitimer(signal.ITIMER_REAL)[0] <= outer
    finally:
        # The alarm of pytest-timeout, which watches this very test.
        signal.setitimer(signal.ITIMER_REAL, left and max(left - (time.monotonic() - begun), 1), again)


def test_a_shorter_deadline_around_a_longer_one_counts() -> None:
    inner = PythonModel(notebook(code("import time\ntime.sleep(60)")))
    outer = PythonModel(notebook(code("inner.execute(timeout=50)")), globals={"inner": inner})
    with pytest.raises(CallTimeout, match="1 seconds"):
        outer.execute(timeout=1)


def test_a_deadline_within_another_leaves_that_as_it_was() -> None:
    quick = PythonModel(notebook(code("5", "return")))
    outer = PythonModel(
        notebook(code("import time\nassert quick.execute(timeout=1) == 5\ntime.sleep(60)")), globals={"quick": quick}
    )
    with pytest.raises(CallTimeout, match="2 seconds"):
        outer.execute(timeout=2)


def test_a_coroutine_that_takes_too_long_is_ended_too() -> None:
    slow = PythonModel(notebook(code("import asyncio\nawait asyncio.sleep(60)")))

    async def caller() -> None:
        slow.execute(timeout=1)

    with pytest.raises(CallTimeout):
        slow.execute(timeout=1)
    with pytest.raises(CallTimeout):
        asyncio.run(caller())


def test_another_thread_cannot_have_a_deadline_and_is_told_what_can() -> None:
    quick = PythonModel(notebook(code("5", "return")))
    with ThreadPoolExecutor(1) as pool, pytest.raises(CallError, match="Use KernelModel instead"):
        pool.submit(quick.execute, timeout=5).result()


def test_threads_call_side_by_side_and_each_gets_its_own_value() -> None:
    barrier = threading.Barrier(4, timeout=30)
    meeting = PythonModel(
        notebook(code("n = 0", "parameters"), code("barrier.wait()\nn"), code("barrier.wait()\nn * n", "return")),
        globals={"barrier": barrier},
    )
    hook = sys.displayhook
    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(lambda n: meeting(n=n), range(8))) == [n * n for n in range(8)]
    assert sys.displayhook is hook


def test_a_notebook_can_call_others_side_by_side() -> None:
    square = PythonModel(notebook(code("n = 0", "parameters"), code("n * n", "return")))
    pooled = PythonModel(
        notebook(
            code("from concurrent.futures import ThreadPoolExecutor"),
            code(
                "with ThreadPoolExecutor(2) as pool:\n    all = list(pool.map(lambda n: square(n=n), range(4)))\nall",
                "return",
            ),
        ),
        globals={"square": square},
    )
    assert pooled() == [0, 1, 4, 9]


def test_a_notebook_of_another_language_is_refused() -> None:
    with pytest.raises(NotAFunction, match=r"is a notebook of bash\. Use KernelModel\."):
        PythonModel(notebook(code("echo"), kernel="bash", language="bash"))


def test_a_plain_program_can_call_notebooks_and_keeps_its_main_module(run_python: RunPython) -> None:
    source = """
import pickle, sys
from pyramid_notebook import PythonModel
class Own: pass
model = PythonModel({"nbformat": 4, "metadata": {}, "cells": [
    {"cell_type": "code", "metadata": {}, "source": "display('shown')"},
    {"cell_type": "code", "metadata": {"tags": ["return"]}, "source": "get_ipython() is not None"}]})
assert "IPython" not in sys.modules
print(model(), pickle.loads(pickle.dumps(Own())).__class__ is Own)
"""
    done = run_python(source)
    assert (done.stdout, done.stderr) == ("shown\nTrue True\n", "")


# in a kernel


@pytest.mark.usefixtures("no_kernel_left")
def test_values_come_back_as_json_tables_as_records_and_nothing_as_its_repr_or_cut() -> None:
    told = KernelModel(
        notebook(
            code("import datetime, decimal, numpy, pandas"),
            code("what = 'list'", "parameters"),
            code("{'list': list(range(2000)), 'number': numpy.int64(6), 'text': 'foo', 'bytes': b'\\0x',"
                 " 'table': pandas.DataFrame({'day': [datetime.date(2026, 1, 2)], 'n': [1]}),"
                 " 'nan': [float('nan')], 'set': object()}[what]", "return"),
        ),
        nan="null",
    )  # fmt: skip
    assert told() == list(range(2000))
    assert told(what="number") == 6
    assert told(what="text") == "foo"
    assert told(what="bytes") == b"\0x"
    assert told(what="table") == [{"day": "2026-01-02", "n": 1}]
    assert told(what="nan") == [None]
    with pytest.raises(BadResult, match="of the type object"):
        told(what="set")


def test_a_response_says_more_than_a_value_and_a_figure_is_one() -> None:
    refused = KernelModel(
        notebook(
            code("from pyramid_notebook.functions import Response"),
            code("Response({'no': 1}, status=404, headers={'X-Reason': 'none'})", "return"),
        )
    )()
    assert isinstance(refused, Response)
    assert (refused.value, refused.status, refused.headers) == ({"no": 1}, 404, {"x-reason": "none"})
    figure = KernelModel(
        notebook(
            code("import matplotlib.pyplot as plt\nfigure, axes = plt.subplots()\naxes.plot([1, 2])"),
            code("figure", "return"),
        )
    )()
    assert (figure.content_type, figure.value[:4]) == ("image/png", b"\x89PNG")


def test_the_kernel_works_in_the_folder_of_the_notebook(folder: Path) -> None:
    (folder / "helper.py").write_text("ANSWER = 42")
    path = save(folder / "model.ipynb", code("import os, helper"), code("[os.getcwd(), helper.ANSWER]", "return"))
    assert KernelModel(path)() == [str(folder.resolve()), 42]


def test_each_call_has_a_process_of_its_own() -> None:
    where = KernelModel(notebook(code("import os"), code("os.getpid()", "return")))
    assert len({where(), where(), psutil.Process().pid}) == 3


def test_nothing_is_printed_where_that_is_not_wanted_and_events_come_in_the_callers_thread(
    capsys: pytest.CaptureFixture[str],
) -> None:
    events: list[tuple[threading.Thread, Any]] = []
    telling = KernelModel(
        notebook(code("print('hello')"), code("5", "return")),
        quiet=True,
        on_event=lambda event: events.append((threading.current_thread(), dict(event))),
    )
    assert telling() == 5
    assert capsys.readouterr() == ("", "")
    assert {thread for thread, _ in events} == {threading.current_thread()}
    told = [event for _, event in events]
    assert [event["number"] for event in told if event["event"] == "cell"] == [1, 2]
    assert {"event": "stream", "name": "stdout", "text": "hello\n"} in told


@pytest.mark.usefixtures("no_kernel_left")
def test_a_kernel_ends_also_when_it_is_interrupted_or_told_about_an_error() -> None:
    for error in (KeyboardInterrupt, RuntimeError):

        def stop(event: Any, error: Any = error) -> None:
            raise error

        forever = KernelModel(notebook(code("import subprocess\nsubprocess.run(['sleep', '600'])")), on_event=stop)
        with pytest.raises(error):
            forever()


@pytest.mark.usefixtures("no_kernel_left")
@pytest.mark.parametrize(("death", "told"), [("os._exit(3)", "code 3"), ("os.kill(os.getpid(), 11)", "SIGSEGV")])
def test_a_kernel_that_dies_is_an_error_and_nobody_waits_for_it(death: str, told: str) -> None:
    with pytest.raises(CallDied, match=told):
        KernelModel(notebook(code(f"import os\n{death}"), code("5", "return"))).execute(timeout=60)


def test_what_a_kernel_has_started_ends_with_it(folder: Path) -> None:
    starting = KernelModel(
        notebook(code("import subprocess\nchild = subprocess.Popen(['sleep', '600'])"), code("child.pid", "return"))
    )
    pid = starting()
    wait_until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie", "the child has ended")


def test_a_kernel_that_does_not_exist_is_told(folder: Path) -> None:
    with pytest.raises(NotAFunction, match="There is no kernel 'cobol' here"):
        KernelModel(notebook(code("5", "return")), "cobol")
    with pytest.raises(NotAFunction, match="There is no kernel 'cobol' here"):
        KernelModel(notebook(code("5", "return"), kernel="cobol", language="cobol"))()


@pytest.fixture
def bash(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = folder / "data" / "kernels" / "bash"
    place.mkdir(parents=True)
    argv = [sys.executable, "-m", "bash_kernel", "-f", "{connection_file}"]
    (place / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Bash", "language": "bash"}))
    monkeypatch.setenv("JUPYTER_PATH", str(folder / "data"))


@pytest.mark.usefixtures("bash", "no_kernel_left")
def test_a_notebook_of_another_language_gets_its_parameters_and_returns_what_it_prints(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cells = (
        code("count=2 # how many\nname='a b'", "parameters"),
        code("echo working"),
        code("""printf '{"count": %s, "name": "%s"}' "$((count * 2))" "$name\"""", "return"),
    )
    shell = KernelModel(notebook(*cells, kernel="bash", language="bash"))
    assert [parameter.description for parameter in shell.signature.parameters] == ["how many", ""]
    assert shell(count=21, name="$(echo x); 'y'") == {"count": 42, "name": "$(echo x); 'y'"}
    assert capsys.readouterr().out.startswith("working\n")
    with pytest.raises(BadParameters, match="count: Input should be a valid integer"):
        shell(count="; rm -rf x")
    unnamed = notebook(*cells)
    del unnamed["metadata"]["kernelspec"], unnamed["metadata"]["language_info"]
    assert KernelModel(unnamed, "bash", quiet=True)() == {"count": 4, "name": "a b"}


def test_a_kernel_of_python_without_this_package_does_what_it_can(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = folder / "data" / "kernels" / "other"
    place.mkdir(parents=True)
    blocking = "import sys, ipykernel.kernelapp as k; sys.modules['pyramid_notebook'] = None; k.launch_new_instance()"
    spec = {
        "argv": [sys.executable, "-c", blocking, "-f", "{connection_file}"],
        "display_name": "O",
        "language": "python",
    }
    (place / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(folder / "data"))
    other = KernelModel(
        notebook(
            code("from datetime import date\nday = date(2026, 1, 2)\nn = 3", "parameters"),
            code("{'year': day.year, 'n': n}", "return"),
            kernel="other",
        )
    )
    assert other(day="2025-05-05", n=4) == {"year": 2025, "n": 4}
    with pytest.raises(NotebookFailed, match="Cell 1 failed: ZeroDivisionError"):
        KernelModel(notebook(code("1 / 0"), kernel="other"))()
