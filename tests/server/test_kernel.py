"""Kernels of a context: the startup script, and what a kernel does after it."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable
from itertools import count

import pytest

from ..running import wait_until
from .daemons import Daemon

FAILURES = {
    "error": ("1 / 0", "ZeroDivisionError", "division by zero"),
    "exit": ("import sys; sys.exit('enough')", "SystemExit", "enough"),
    "interrupt": ("raise KeyboardInterrupt('stopped')", "KeyboardInterrupt", "stopped"),
    "import": ("import missing_module", "ModuleNotFoundError", "missing_module"),
    "own class": ("class Odd(BaseException):\n    def __str__(self): return 'odd'\nraise Odd", "Odd", "odd"),
}

Open = Callable[[str], str]
_number = count()


@pytest.fixture
def open_script(server: Daemon) -> Open:
    """Open a notebook whose kernel runs a script of its own."""
    return lambda script: server.open_context(startup=textwrap.dedent(script), title=f"Shell {next(_number)}")


def test_what_the_script_defines_is_there_before_the_first_cell(server: Daemon, open_script: Open) -> None:
    path = open_script(
        """
        from __future__ import annotations
        import math
        def double(number: int) -> int:
            return factor * number
        factor = 2
        greeting = "ümlaut \u4f60\u597d 'x' {y} \\\\"
        """
    )
    with server.kernel(path) as kernel:
        assert kernel.run("double(21), math.pi > 3") == "(42, True)"
        assert kernel.run("print(greeting)") == "ümlaut \u4f60\u597d 'x' {y} \\\n"


def test_nothing_but_the_script_is_said_to_have_run(server: Daemon, open_script: Open) -> None:
    with server.kernel(open_script("x = 1")) as kernel:
        assert kernel.run("In[1:]") == "['In[1:]']"
        assert kernel.run("__name__") == "'__main__'"


def test_the_kernel_works_in_the_folder_of_its_notebook(server: Daemon, open_script: Open) -> None:
    with server.kernel(open_script("import os; here = os.getcwd()")) as kernel:
        assert kernel.run("print(here, os.getcwd())").split() == [str(server.folder.work)] * 2


def test_files_of_the_user_do_not_pass_for_modules_when_the_kernel_starts(server: Daemon, open_script: Open) -> None:
    (server.folder.work / "zmq.py").write_text("raise SystemExit('shadowed')")
    try:
        with server.kernel(open_script("x = 'started'")) as kernel:
            assert kernel.run("x") == "'started'"
    finally:
        (server.folder.work / "zmq.py").unlink()


@pytest.mark.parametrize("failure", FAILURES)
def test_what_ran_before_a_failure_stays_and_the_first_cell_tells(
    server: Daemon, open_script: Open, failure: str
) -> None:
    statement, name, text = FAILURES[failure]
    path = open_script(f"before = 'kept'\n{statement}\nafter = 'never'")
    with server.kernel(path) as kernel:
        first = kernel.run("before")
        assert f"The startup script failed with {name}: " in first
        assert text in first
        assert first.endswith("'kept'")
        assert kernel.run("before") == "'kept'"  # said once
        assert "NameError" in kernel.run("after")


def test_a_script_that_is_no_python_defines_nothing_and_is_told(server: Daemon, open_script: Open) -> None:
    with server.kernel(open_script("before = 1\nthis is no python")) as kernel:
        assert "failed with SyntaxError" in kernel.run("1")
        assert "NameError" in kernel.run("before")


def test_the_startup_magic_runs_the_script_again(server: Daemon, open_script: Open) -> None:
    with server.kernel(open_script("runs = globals().get('runs', 0) + 1")) as kernel:
        assert kernel.run("%startup\nruns") == "2"


def test_the_startup_magic_shows_the_traceback_of_a_failure(server: Daemon, open_script: Open) -> None:
    with server.kernel(open_script("before = 1\ndef broken():\n    return 1 / 0\nbroken()")) as kernel:
        shown = kernel.run("%startup")
        assert "failed with" not in shown  # the traceback says it
        assert "ZeroDivisionError" in shown
        assert "broken" in shown


def test_after_a_restart_the_script_runs_again_and_cells_are_forgotten(server: Daemon, open_script: Open) -> None:
    path = open_script("x = [1]")
    with server.kernel(path) as kernel:
        assert kernel.run("x.append(2); y = 5; x") == "[1, 2]"
    server.request("POST", f"api/kernels/{server.kernel_of(path)}/restart", {})
    with server.kernel(path) as kernel:
        assert kernel.run("x") == "[1]"
        assert "NameError" in kernel.run("y")


def test_a_context_installed_again_keeps_its_running_kernel(server: Daemon) -> None:
    path = server.open_context(startup="x = 1", title="Again")
    with server.kernel(path) as kernel:
        kernel.run("x = 2")
        assert server.open_context(startup="x = 1", title="Again") == path
        assert kernel.run("x") == "2"


def test_what_forked_processes_print_is_shown(server: Daemon, open_script: Open) -> None:
    source = """
        import multiprocessing
        def work(number):
            print(f"from the child {number}")
        children = [multiprocessing.get_context("fork").Process(target=work, args=(n,)) for n in range(2)]
        """
    with server.kernel(open_script(source)) as kernel:
        shown = kernel.run("for child in children: child.start()\nfor child in children: child.join()")
        if shown.count("from the child") < 2:  # output of a child may come when its cell has ended
            request = kernel.begin("import time; time.sleep(1)")
            shown += kernel.finish(request)
        assert "from the child" in shown


def test_a_kernel_that_was_killed_starts_again_with_its_script(server: Daemon, open_script: Open) -> None:
    path = open_script("import os; x = 'defined'")
    with server.kernel(path) as kernel:
        before = kernel.run("os.getpid()")
        kernel.begin("os.kill(os.getpid(), 9)")
        identifier = server.kernel_of(path)

        def is_idle_again() -> bool:
            return server.request("GET", f"api/kernels/{identifier}")["execution_state"] == "idle"

        wait_until(lambda: before not in {str(process.pid) for process in server.members}, "the old one is gone")
        wait_until(is_idle_again, "the kernel is back")
    with server.kernel(path) as kernel:
        assert kernel.run("x") == "'defined'"
        assert kernel.run("os.getpid()") != before


def test_a_kernel_that_died_at_its_start_is_seen_to_be_idle_later(server: Daemon, open_script: Open) -> None:
    died = server.folder.path / "died"
    script = f"import os, pathlib\ndied = pathlib.Path({str(died)!r})\n"
    path = open_script(f"{script}if not died.exists():\n    died.touch()\n    os.kill(os.getpid(), 9)")
    kernel = f"api/kernels/{server.kernel_of(path)}"
    wait_until(died.exists, "the kernel to die")
    wait_until(lambda: server.request("GET", kernel)["execution_state"] == "idle", "it to be back", seconds=60)


def test_the_kernelspec_of_a_context_has_its_title(server: Daemon, open_script: Open) -> None:
    path = open_script("x = 1")
    name = json.loads((server.folder.work / path).read_text())["metadata"]["kernelspec"]["name"]
    spec = server.request("GET", f"api/kernelspecs/{name}")["spec"]
    assert spec["display_name"].startswith("Shell ")
    assert spec["language"] == "python"


@pytest.mark.parametrize(
    "line",
    [
        "print(f'o{i};', flush=True, end=''); display(i)",
        "print(f'o{i};', flush=True, end=''); print(f'e{i};', flush=True, end='', file=sys.stderr)",
        "print(f'o{i};', flush=True, end=''); display(i); print(f'o{i};', end='')",
        "print(f'o{i};', flush=True, end=''); print(f'o{i};', flush=True, end=''); display(i)",
    ],
)
def test_what_code_prints_and_shows_comes_in_its_order(server: Daemon, open_script: Open, line: str) -> None:
    told: list[str] = []
    names = {"print": lambda text, **_: told.append(text), "display": lambda value: told.append(str(value))}
    for number in range(200):
        exec(line, {**names, "i": number, "sys": sys})
    with server.kernel(open_script("import sys")) as kernel:
        assert kernel.run(f"for i in range(200): {line}") == "".join(told)


def test_half_a_character_is_shown_as_python_writes_it(server: Daemon, open_script: Open) -> None:
    with server.kernel(open_script("")) as kernel:
        shown = kernel.run("print('x', flush=True); print(chr(0xd800), flush=True); display('shown')")
        assert shown == "x\n\\ud800\n'shown'"


def test_what_was_flushed_before_a_fork_is_shown_once(server: Daemon, open_script: Open) -> None:
    code = """
        import os
        for turn in range(20):
            print(f"<a{turn}>", flush=True)
            print(f"<b{turn}>", flush=True)
            if not (child := os.fork()):
                print(end="", flush=True)
                os._exit(0)
            os.waitpid(child, 0)
        """
    with server.kernel(open_script("")) as kernel:
        shown = kernel.run(textwrap.dedent(code))
        assert shown.split() == [f"<{name}{turn}>" for turn in range(20) for name in "ab"]


def test_a_signal_handler_that_prints_does_not_hold_up_what_the_code_prints(server: Daemon, open_script: Open) -> None:
    code = """
        import signal, sys
        def tick(*_):
            print("tick", file=sys.stderr, flush=True)
        signal.signal(signal.SIGALRM, tick)
        signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
        for number in range(3000):
            print(number, flush=True)
        _ = signal.setitimer(signal.ITIMER_REAL, 0)
        """
    with server.kernel(open_script("")) as kernel:
        shown = kernel.run(textwrap.dedent(code))
        assert "tick" in shown
        assert [int(word) for word in shown.replace("tick", "").split()] == list(range(3000))
