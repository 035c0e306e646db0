"""Processes of calls, forked from a real zygote: what they are, what they may do, and what is left of them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyramid_notebook.errors import CallDied, CallError, CallTimeout, NotebookFailed, ResultTooLarge

from .calling import Calls, calls, calls_of, come_true, is_gone, open_files, order, wait_for

GRANDCHILD = """
import os, time
if not os.fork():
    os.setsid()
    if not os.fork():
        open(FILE, "w").write(str(os.getpid()))
        time.sleep(600)
    os._exit(0)
while not (os.path.exists(FILE) and open(FILE).read()):
    time.sleep(0.001)
"""


@pytest.fixture(scope="module")
def shared() -> Iterator[Calls]:
    with calls(environment={**os.environ}) as made:
        yield made


def nothing_runs(made: Calls) -> bool:
    return not calls_of(made.zygote)


def test_each_call_has_a_process_and_a_namespace_of_its_own(shared: Calls):
    first = shared.value("left = 1", "import os", "os.getpid()")
    second = shared.value("import os", "['left' in globals(), os.getpid(), dict(Out), os.getppid()]")
    assert first != second[1]
    assert second[0] is False
    assert second[2:] == [{}, shared.zygote]


def test_a_call_changes_nothing_for_the_next(shared: Calls, folder: Path):
    shared.value("import os, json", "os.chdir('/usr'); os.environ['LEFT'] = '1'; json.left = 1; os.umask(0)")
    source = "[os.getcwd(), 'LEFT' in os.environ, hasattr(json, 'left')]"
    told = shared.value("import os, json", source, folder=str(folder))
    assert told == [str(folder), False, False]


def test_modules_beside_the_notebook_can_be_imported(shared: Calls, folder: Path):
    (folder / "beside.py").write_text("value = 5")
    assert shared.value("import beside", "beside.value", folder=str(folder)) == 5


def test_generators_of_random_numbers_differ():
    source = "[random.random(), float(numpy.random.rand()), uuid.uuid4().hex]"
    with calls("numpy", "numpy.random") as made:
        first, second = (made.value("import random, numpy, uuid", source) for _ in range(2))
    assert not set(first) & set(second)


def test_a_process_has_no_descriptors_but_its_own(shared: Calls):
    listed = "paths = [path for path in Path('/proc/self/fd').iterdir() if path.is_symlink()]"
    found = shared.value("from pathlib import Path", listed, "{path.name: str(path.readlink()) for path in paths}")
    kinds = sorted(target.partition(":")[0] for target in found.values() if not target.startswith("/proc/"))
    files = [kind for kind in kinds if kind.startswith("/memfd")]
    assert found["0"] == "/dev/null"
    assert [kind for kind in kinds if kind not in files] == ["/dev/null", "pipe", "socket"]
    assert {found["1"], found["2"]} == {f"/memfd:{name} (deleted)" for name in ("stdout", "stderr")}
    assert len(files) <= 4


def test_a_program_that_a_cell_starts_inherits_none_of_them(shared: Calls):
    source = "import subprocess\nsubprocess.run(['ls', '/proc/self/fd'], capture_output=True, text=True).stdout.split()"
    assert shared.value(source) == ["0", "1", "2", "3"]


def test_the_environment_has_no_secret(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DATABASE_PASSWORD", "s3cret")
    monkeypatch.setenv("JUPYTER_TOKEN", "s3cret")
    with calls() as made:
        told = made.value("import os", "dict(os.environ)")
        initial = Path(f"/proc/{made.zygote}/environ").read_bytes()
    assert "s3cret" not in str(told)
    assert b"s3cret" not in initial
    assert told["OMP_NUM_THREADS"] == "1"
    assert told["PATH"] == os.environ["PATH"]


def test_a_process_leads_a_session_and_can_make_an_event_loop(shared: Calls):
    assert shared.value("import os", "os.getsid(0) == os.getpgrp() == os.getpid()") is True
    assert shared.value("import asyncio", "await asyncio.sleep(0, 'slept')") == "slept"
    assert shared.value("import asyncio\nasync def f(): return 7", "asyncio.run(f())") == 7
    assert shared.value("import threading\nt = threading.Thread(target=lambda: None); t.start(); t.join()", "1") == 1


def test_nobody_can_be_asked(shared: Calls):
    with pytest.raises(NotebookFailed, match="parameter"):
        shared.value("input('name?')", "1")


def test_files_that_were_not_closed_are_complete(shared: Calls, folder: Path):
    shared.value(f"f = open('{folder}/out.txt', 'w')\nf.write('x' * 100)", "1")
    assert (folder / "out.txt").read_text() == "x" * 100


def test_what_is_printed_is_told_in_its_order(shared: Calls):
    shared.value(
        "import os, sys\nprint('one')\nprint('two', file=sys.stderr)",
        "os.write(1, b'three\\n')\nos.system('echo four >&2')",
        "os.system('echo five')",
        "sys.stdout.buffer.write(b'six\\n')",
    )
    assert shared.text() == "one\nthree\nfive\nsix\n"
    assert shared.text("stderr") == "two\nfour\n"


def test_many_small_prints_are_few_events(shared: Calls):
    shared.value("for i in range(2000):\n    print(i)", "1")
    events = [event for event in shared.events if event["event"] == "stream"]
    assert shared.text() == "".join(f"{i}\n" for i in range(2000))
    assert len(events) < 20


@pytest.mark.parametrize(
    "flood",
    [
        "for _ in range(1000):\n    print('x' * 100_000)",
        "import os\nfor _ in range(1000):\n    os.write(1, b'x' * 100_000)",
        "import subprocess\nsubprocess.run('yes | head -c 100000000', shell=True)",
    ],
)
def test_a_flood_is_cut_and_says_so(shared: Calls, flood: str):
    assert shared.value(flood, "5") == 5
    assert 1_000_000 < len(shared.text()) < 1_001_000
    assert "left out" in shared.text()


def test_outputs_are_told_where_they_are_wanted(shared: Calls):
    shared.events.clear()
    what = order("3", "display({'a': 1})\nprint('p')", "4;", outputs=True)
    shared.runner.run(shared.engine.run(what, timeout=20, on_event=shared.events.append))
    outputs = [event["output"] for event in shared.events if event["event"] == "output"]
    assert [output["output_type"] for output in outputs] == ["execute_result", "display_data", "stream"]
    assert outputs[0]["data"] == {"text/plain": "3"}


def test_more_outputs_than_an_answer_may_have_are_an_error(shared: Calls):
    what = order("for i in range(100): display('x' * 1000)", "1", outputs=True, most_bytes=50_000)
    with pytest.raises(ResultTooLarge):
        shared.runner.run(shared.engine.run(what, timeout=20, on_event=lambda event: None))


def test_nothing_is_formatted_that_nobody_wants(shared: Calls):
    shown = "class Slow:\n    def _repr_html_(self): raise SystemError\n    def __repr__(self): raise SystemError"
    assert shared.value(shown, "display(Slow())\nSlow()", "5") == 5
    assert shared.text("stderr") == ""


def test_a_failure_has_the_traceback_of_its_cell(shared: Calls):
    with pytest.raises(NotebookFailed) as caught:
        shared.value("x = 1", "def f():\n    return 1 / 0\nf()", "2")
    assert (caught.value.name, caught.value.cell) == ("ZeroDivisionError", 1)
    assert "In[2]" in "".join(caught.value.traceback).replace("\x1b[39m", "").replace("\x1b[49m", "")


def test_too_much_memory_is_a_failure_that_says_so(shared: Calls):
    with pytest.raises(NotebookFailed, match="MemoryError"):
        shared.value("x = bytearray(3 << 30)", "1", memory=1 << 30)
    with pytest.raises(NotebookFailed, match="MemoryError"):
        shared.value("x = []\nwhile True:\n    x.append('a' * 1000 + str(len(x)))", "1", memory=200 << 20)
    assert shared.value("len(bytearray(100 << 20))", memory=1 << 30) == 100 << 20


def test_a_deadline_ends_a_call_in_time_and_all_that_it_started(shared: Calls, folder: Path):
    file = f"FILE = '{folder}/pid'"
    begin = time.monotonic()
    with pytest.raises(CallTimeout):
        shared.value(file, GRANDCHILD, "while True: pass", seconds=0.5)
    assert time.monotonic() - begin < 0.6
    assert nothing_or_wait(shared, int((folder / "pid").read_text()))


def test_what_a_good_call_leaves_running_is_ended(shared: Calls, folder: Path):
    assert shared.value(f"FILE = '{folder}/pid'", GRANDCHILD, "os.system('sleep 600 &')\n5") == 5
    assert nothing_or_wait(shared, int((folder / "pid").read_text()))


def nothing_or_wait(made: Calls, pid: int) -> bool:
    return bool(wait_for(lambda: is_gone(pid) and nothing_runs(made), "something still runs"))


def test_what_another_call_has_started_goes_on(shared: Calls, folder: Path):
    async def both() -> Any:
        import asyncio

        long = asyncio.ensure_future(
            shared.run(
                order(
                    f"FILE = '{folder}/pid'",
                    GRANDCHILD,
                    "import os.path",
                    f"GO = '{folder}/go'",
                    "while not os.path.exists(GO): time.sleep(0.005)",
                    "os.path.exists(f'/proc/{open(FILE).read()}')",
                )
            )
        )
        await come_true(lambda: (folder / "pid").exists() and (folder / "pid").read_text())
        for _ in range(3):
            await shared.run(order("1"))
        (folder / "go").touch()
        return await long

    assert shared.runner.run(both()) is True


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "killed"),
        ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
        ("import os; os._exit(0)", "code 0"),
        ("import os; os._exit(3)", "code 3"),
        ("import os; os.abort()", "SIGABRT"),
    ],
)
def test_a_process_that_dies_is_an_error_that_says_how(shared: Calls, source: str, text: str):
    with pytest.raises(CallDied, match=text):
        shared.value(source, "1")
    assert shared.value("1") == 1


def test_what_a_crash_wrote_is_told(shared: Calls):
    with pytest.raises(CallDied):
        shared.value("import ctypes\nctypes.string_at(0)", "1")
    assert "Segmentation fault" in shared.text("stderr")


def test_a_fork_that_a_notebook_makes_answers_nothing(shared: Calls):
    assert shared.value("import os\npid = os.fork()", "print('both')", "os.getpid()") not in (None, 0)
    assert shared.value(
        "import multiprocessing as m\ndef f(x): return x * x",
        "with m.get_context('fork').Pool(2) as pool: r = pool.map(f, range(5))",
        "r",
    ) == [0, 1, 4, 9, 16]
    wait_for(lambda: nothing_runs(shared))


def test_an_exception_of_a_signal_handler_never_breaks_the_answer(shared: Calls):
    source = (
        "import signal\ndef raise_(*_): raise ValueError\nsignal.signal(signal.SIGALRM, raise_)\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)"
    )
    for _ in range(5):
        try:
            assert shared.value(source, "for i in range(300): print('x' * 5000)", "signal.setitimer(0, 0)", "5") == 5
        except CallError:
            continue  # it came while we told something; a wrong answer would be worse


def test_a_large_order_and_a_large_answer_pass(shared: Calls):
    text = "é" * 3_000_000
    told = shared.value("a[::-1]", parameters="a = ''", values={"a": text}, most_bytes=10_000_000)
    assert told == text


def test_500_calls_with_crashes_leave_nothing_behind():
    async def many(made: Calls) -> None:
        import asyncio

        async def one(number: int) -> None:
            for turn in range(125):
                asked = number * 1000 + turn
                if turn % 20 == 7:
                    with pytest.raises(CallDied):
                        await made.run(order("import os; os.kill(os.getpid(), 9)", "1"))
                else:
                    assert await made.run(order("a", parameters="a = 0", values={"a": asked})) == asked

        await asyncio.gather(*(one(number) for number in range(4)))

    with calls() as made:
        made.value("1")
        wait_for(lambda: nothing_runs(made))
        ours, theirs = open_files(), open_files(made.zygote)
        made.runner.run(many(made))
        wait_for(lambda: nothing_runs(made))
        wait_for(lambda: open_files(made.zygote) == theirs)
        assert open_files() == ours


def test_the_zygote_has_one_thread_and_ends_with_its_server(run_python: Any, folder: Path):
    source = (
        "import asyncio, os\nfrom pyramid_notebook.functions.processes.engine import ZygoteEngine\n"
        "from tests.functions.calling "
        "import order\nasync def main():\n    e = ZygoteEngine()\n    await e.start()\n"
        "    print(e._current.pid, len(os.listdir(f'/proc/{e._current.pid}/task')), flush=True)\n"
        "    os.kill(os.getpid(), 9)\nasyncio.run(main())"
    )
    done = run_python(source, PYTHONPATH=str(Path(__file__).parents[2]))
    pid, threads = map(int, done.stdout.split())
    assert threads == 1
    wait_for(lambda: is_gone(pid))


def test_signals_of_the_terminal_are_not_for_it(shared: Calls):
    shared.value("1")
    assert os.getsid(shared.zygote) == shared.zygote
    with pytest.raises(ProcessLookupError):
        os.killpg(os.getpgid(shared.zygote) + 10**6, signal.SIGINT)
