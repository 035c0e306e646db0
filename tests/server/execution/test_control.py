"""Restarts and interrupts of one kernel at the same time, and restarts that fail."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from unittest import mock

import psutil
import pytest

from pyramid_notebook.errors import KernelTrouble, NotebookError
from pyramid_notebook.server.execution import control

from ...running import wait_until
from .servers import Notebook, Server

SLEEP = "import time\nprint('running', flush=True)\ntime.sleep(60)"
#: Runs until Jupyter kills its kernel, which is some seconds after it has asked for its end.
STUBBORN = (
    "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "print('running', flush=True)\ntime.sleep(60)"
)
Action = Callable[[], Awaitable[Any]]


@pytest.fixture
def notebook(jupyter: Server) -> Notebook:
    """A notebook with a kernel of its own that is up."""
    made = jupyter.notebook("'fresh'", SLEEP, STUBBORN, own_kernel=True)
    assert made.run("cell-0").status == "ok"
    return made


def processes(kernel_id: str) -> list[int]:
    """Return all processes that a kernel has."""
    found = []
    for process in psutil.Process(os.getpid()).children(recursive=True):
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            if any(kernel_id in argument for argument in process.cmdline()):
                found.append(process.pid)
    return found


def at_once(notebook: Notebook, *actions: Action) -> list[Any]:
    """Do several things at the same time, and return what each returns or raises."""

    async def done() -> list[Any]:
        return await asyncio.gather(*(action() for action in actions), return_exceptions=True)

    return notebook.call(done)


def during(notebook: Notebook, first: Action, *others: Action) -> list[Any]:
    """Do the first thing, the others as soon as the kernel ends because of it, and return as :func:`at_once` does."""
    kernel = notebook.server.app.kernel_manager.get_kernel(notebook.kernel_id())

    async def done() -> list[Any]:
        begun = asyncio.ensure_future(first())
        while not kernel.shutting_down:
            await asyncio.wait([begun], timeout=0.001)
        return await asyncio.gather(begun, *(other() for other in others), return_exceptions=True)

    return notebook.call(done)


def restart(notebook: Notebook) -> Action:
    return lambda: notebook.server.execution.restart(notebook.path)


def interrupt(notebook: Notebook) -> Action:
    return lambda: notebook.server.execution.interrupt(notebook.path)


def run(notebook: Notebook, *cells: str) -> Action:
    """Run cells, and wait for the end."""

    async def ended() -> str:
        return (await (await notebook.server.execution.start(notebook.live, cells)).wait()).status

    return ended


def assert_all_is_well(notebook: Notebook) -> None:
    """One process runs the notebook's cells, and nothing waits."""
    assert notebook.call(lambda: notebook.server.execution.states(notebook.path)) == {}
    assert notebook.run("cell-0").status == "ok"
    assert len(processes(notebook.kernel_id())) == 1


def test_restarts_at_the_same_time_are_one_restart(jupyter: Server, notebook: Notebook) -> None:
    before, manager = processes(notebook.kernel_id()), jupyter.app.kernel_manager
    with mock.patch.object(manager, "restart_kernel", wraps=manager.restart_kernel) as restart_kernel:
        assert at_once(notebook, *[restart(notebook)] * 3) == [None] * 3
    assert restart_kernel.call_count == 1
    assert_all_is_well(notebook)
    assert set(processes(notebook.kernel_id())).isdisjoint(before)


def test_a_restart_after_another_is_one_of_its_own(notebook: Notebook) -> None:
    seen = []
    for _ in range(2):
        notebook.call(restart(notebook))
        seen += processes(notebook.kernel_id())
    assert len(set(seen)) == 2
    assert_all_is_well(notebook)


def test_a_restart_joins_one_of_a_page(jupyter: Server, notebook: Notebook) -> None:
    kernel_id, manager = notebook.kernel_id(), jupyter.app.kernel_manager
    _, ours = during(notebook, lambda: manager.restart_kernel(kernel_id), restart(notebook))
    assert ours is None
    assert_all_is_well(notebook)


@pytest.mark.parametrize("order", [(restart, interrupt), (interrupt, restart), (restart, interrupt, interrupt)])
def test_an_interrupt_waits_for_a_restart(notebook: Notebook, order: tuple[Callable[[Notebook], Action], ...]) -> None:
    assert at_once(notebook, *(action(notebook) for action in order)) == [None] * len(order)
    assert_all_is_well(notebook)


def test_an_interrupt_that_waited_does_not_reach_the_fresh_kernel(jupyter: Server, notebook: Notebook) -> None:
    manager = jupyter.app.kernel_manager
    with mock.patch.object(manager, "interrupt_kernel", wraps=manager.interrupt_kernel) as interrupt_kernel:
        assert during(notebook, restart(notebook), interrupt(notebook)) == [None, None]
    interrupt_kernel.assert_not_called()


def test_a_run_that_is_ended_before_its_first_step_is_answered(jupyter: Server, notebook: Notebook) -> None:
    async def ended() -> str:
        waiting = await jupyter.execution.start(notebook.live, ["cell-0"])
        jupyter.execution.kernel_ended(notebook_kernel, "died", "")
        return (await waiting.wait()).status

    notebook_kernel = notebook.kernel_id()
    assert notebook.call(ended) == "died"
    assert_all_is_well(notebook)


def test_an_interrupt_while_a_restart_ends_a_run_does_not_change_why_it_ended(notebook: Notebook) -> None:
    async def ended() -> str:
        execution = notebook.server.execution
        execution.kernel_ended(kernel_id, "restarted", "")
        await asyncio.sleep(0)  # the run tidies up
        execution.kernel_interrupted(kernel_id)
        return (await going_on.wait()).status

    kernel_id, going_on = notebook.kernel_id(), notebook.start("cell-1")
    notebook.wait_for_text("running", "cell-1")
    assert notebook.call(ended) == "restarted"
    notebook.call(restart(notebook))
    assert_all_is_well(notebook)


def test_whatever_comes_at_the_same_time_every_run_is_answered(notebook: Notebook) -> None:
    for _ in range(2):
        restarts, interrupts = [restart(notebook)] * 3, [interrupt(notebook)] * 2
        runs = [run(notebook, "cell-0", "cell-1"), run(notebook, "cell-0")]
        mixed = [runs[0], restarts[0], interrupts[0], restarts[1], interrupts[1], runs[1], restarts[2]]
        answers = at_once(notebook, *mixed[:-2], *mixed[-1:])
        assert [answer for answer in answers[1:] if answer is not None] == []
        assert answers[0] in ("interrupted", "restarted")
        answers = at_once(notebook, *mixed[1:])
        assert [answer for answer in answers if isinstance(answer, BaseException)] == []
        assert_all_is_well(notebook)


def test_a_restart_that_fails_is_told_in_words_and_nothing_waits_for_it(jupyter: Server, notebook: Notebook) -> None:
    argv = jupyter.app.kernel_manager.get_kernel(notebook.kernel_id()).kernel_spec.argv
    program, argv[0] = argv[0], "/no/such/program"
    first, second, waiting = during(notebook, restart(notebook), restart(notebook), run(notebook, "cell-0"))
    for error in (first, second):
        assert isinstance(error, KernelTrouble)
        assert (error.status, "could not be restarted" in str(error), argv[0] in str(error)) == (503, True, True)
    assert waiting == "died"
    result = notebook.run("cell-0")
    assert (result.status, "Restart it" in result.message) == ("died", True)
    with pytest.raises(KernelTrouble, match="cannot be interrupted"):
        notebook.call(interrupt(notebook))
    assert notebook.call(lambda: jupyter.execution.kernel_of(notebook.path)).state == "dead"
    assert processes(notebook.kernel_id()) == []
    argv[0] = program
    notebook.call(restart(notebook))
    assert_all_is_well(notebook)


def test_a_restart_of_a_page_that_fails_ends_what_runs(jupyter: Server, notebook: Notebook) -> None:
    kernel_id, manager = notebook.kernel_id(), jupyter.app.kernel_manager
    going_on = notebook.start("cell-1")
    notebook.wait_for_text("running", "cell-1")
    argv = manager.get_kernel(kernel_id).kernel_spec.argv
    program, argv[0] = argv[0], "/no/such/program"
    [error] = at_once(notebook, lambda: manager.restart_kernel(kernel_id))
    assert isinstance(error, FileNotFoundError)
    result = notebook.wait(going_on)
    assert (result.status, "could not be restarted" in result.message) == ("died", True)
    argv[0] = program
    notebook.call(restart(notebook))
    assert_all_is_well(notebook)


def test_a_restart_that_takes_too_long_is_told_in_words_and_goes_on(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    going_on = notebook.start("cell-2")
    notebook.wait_for_text("running", "cell-2")
    with monkeypatch.context() as impatient:
        impatient.setattr(control, "_RESTART_SECONDS", 0.5)
        impatient.setattr(control, "_INTERRUPT_SECONDS", 0.1)
        answers = during(notebook, restart(notebook), restart(notebook), interrupt(notebook))
    for error, told in zip(answers, ("within 0.5 s", "within 0.5 s", "cannot be interrupted"), strict=True):
        assert isinstance(error, NotebookError)
        assert (error.status, error.retry_after, told in str(error)) == (503, 5, True)
    assert notebook.wait(going_on).status == "restarted"
    notebook.call(restart(notebook))  # joins the one that goes on
    assert_all_is_well(notebook)


def test_no_run_waits_for_ever_for_a_restart_that_takes_too_long(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook.start("cell-2")
    notebook.wait_for_text("running", "cell-2")
    with monkeypatch.context() as impatient:
        impatient.setattr(control, "_RESTART_SECONDS", 0.5)
        error, waiting = during(notebook, restart(notebook), run(notebook, "cell-0"))
    assert (isinstance(error, KernelTrouble), waiting) == (True, "died")
    wait_until(lambda: notebook.run("cell-0").status == "ok", "the restart comes to its end")
    assert_all_is_well(notebook)
