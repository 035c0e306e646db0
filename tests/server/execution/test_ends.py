"""Kernels that are interrupted, restarted, killed and shut down while cells run."""

from __future__ import annotations

import os
import signal
import time

import pytest

from pyramid_notebook.errors import NoKernel

from ...running import wait_until
from .servers import Notebook, Server

SLEEP = "import time\nprint('running', flush=True)\ntime.sleep(60)"


@pytest.fixture
def sleeping(jupyter: Server) -> Notebook:
    """A notebook with a kernel of its own, and two cells: one that takes long, and one that doesn't."""
    return jupyter.notebook(SLEEP, "'after'", own_kernel=True)


def states(notebook: Notebook) -> dict[str, str]:
    return notebook.call(lambda: notebook.server.execution.states(notebook.path))


def test_interrupting_ends_the_cell_its_run_and_those_that_wait(jupyter: Server, sleeping: Notebook) -> None:
    run, waiting = sleeping.start(), sleeping.start("cell-1")
    sleeping.wait_for_text("running")
    sleeping.call(lambda: jupyter.execution.interrupt(sleeping.path))
    result = sleeping.wait(run)
    assert (result.status, [cell.state for cell in result.cells]) == ("interrupted", ["error", "aborted"])
    assert sleeping.outputs()[-1]["ename"] == "KeyboardInterrupt"
    result = sleeping.wait(waiting)
    assert (result.status, [cell.state for cell in result.cells]) == ("interrupted", ["aborted"])
    assert (sleeping.state(), states(sleeping)) == ("idle", {})
    assert sleeping.run("cell-1").status == "ok"


def test_interrupting_in_a_page_is_the_same(jupyter: Server, sleeping: Notebook) -> None:
    run = sleeping.start()
    sleeping.wait_for_text("running")
    kernel_id = sleeping.kernel_id()
    sleeping.call(lambda: jupyter.app.kernel_manager.interrupt_kernel(kernel_id))
    assert sleeping.wait(run).status == "interrupted"
    assert sleeping.state() == "idle"


def test_interrupting_before_the_kernel_is_up_ends_the_run(jupyter: Server, sleeping: Notebook) -> None:
    run = sleeping.start()
    sleeping.call(lambda: jupyter.execution.interrupt(sleeping.path))
    assert sleeping.wait(run).status == "interrupted"
    assert sleeping.run("cell-1").status == "ok"
    sessions = jupyter.call(jupyter.app.session_manager.list_sessions)
    assert len([session for session in sessions if session["path"] == sleeping.path]) == 1


def test_restarting_ends_the_run_and_the_next_one_has_a_fresh_kernel(jupyter: Server, sleeping: Notebook) -> None:
    run, waiting = sleeping.start(), sleeping.start("cell-1")
    sleeping.wait_for_text("running")
    sleeping.call(lambda: jupyter.execution.restart(sleeping.path))
    assert (sleeping.wait(run).status, sleeping.wait(waiting).status) == ("restarted", "restarted")
    assert (sleeping.state(), states(sleeping)) == ("idle", {})
    [cell] = sleeping.run("cell-1").cells
    assert (cell.state, cell.execution_count) == ("ok", 1)


def test_restarting_in_a_page_is_the_same(jupyter: Server, sleeping: Notebook) -> None:
    run = sleeping.start()
    sleeping.wait_for_text("running")
    kernel_id = sleeping.kernel_id()
    sleeping.call(lambda: jupyter.app.kernel_manager.restart_kernel(kernel_id))
    assert sleeping.wait(run).status == "restarted"
    assert sleeping.state() == "idle"
    assert sleeping.run("cell-1").cells[0].execution_count == 1


def test_a_kernel_that_dies_ends_the_run_soon_with_a_message(jupyter: Server) -> None:
    notebook = jupyter.notebook(SLEEP, "import os\nos.getpid()", own_kernel=True)
    notebook.run("cell-1")
    run = notebook.start()
    notebook.wait_for_text("running")
    begin = time.monotonic()
    os.kill(int(notebook.outputs("cell-1")[0]["data"]["text/plain"]), signal.SIGKILL)
    result = notebook.wait(run)
    assert time.monotonic() - begin < 5  # Jupyter looks every three seconds
    assert (result.status, notebook.text(), notebook.state()) == ("died", "running\n", "idle")
    assert "died" in result.message
    assert notebook.call(lambda: jupyter.execution.ran(notebook.path)) == {}
    assert notebook.run("cell-1").cells[0].execution_count == 1  # Jupyter has started it again


def test_a_kernel_that_is_shut_down_ends_the_run(jupyter: Server, sleeping: Notebook) -> None:
    run = sleeping.start()
    sleeping.wait_for_text("running")
    kernel_id = sleeping.kernel_id()
    sleeping.call(lambda: jupyter.app.kernel_manager.shutdown_kernel(kernel_id))
    result = sleeping.wait(run)
    assert (result.status, sleeping.state()) == ("died", "idle")
    assert "shut down" in result.message
    assert sleeping.run("cell-1").status == "ok"


def test_a_cell_that_takes_the_interrupt_for_itself_still_ends_its_run(jupyter: Server) -> None:
    notebook = jupyter.notebook(
        "import time\ntry:\n    print('running', flush=True)\n    time.sleep(60)\n"
        "except KeyboardInterrupt:\n    print('caught')",
        "'after'",
    )
    run = notebook.start()
    notebook.wait_for_text("running")
    notebook.call(lambda: jupyter.execution.interrupt(notebook.path))
    result = notebook.wait(run)
    assert (result.status, [cell.state for cell in result.cells]) == ("interrupted", ["ok", "aborted"])
    assert notebook.text() == "running\ncaught\n"


def test_without_a_kernel_there_is_nothing_to_interrupt_or_restart(jupyter: Server) -> None:
    notebook = jupyter.notebook("1", own_kernel=True)
    for action in (jupyter.execution.interrupt, jupyter.execution.restart):
        with pytest.raises(NoKernel):
            notebook.call(lambda action=action: action(notebook.path))


def test_a_kernel_that_cannot_start_ends_the_run_with_a_message(jupyter: Server) -> None:
    folder = jupyter.folder / "data" / "kernels" / "broken"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text('{"argv": ["/no/such/program"], "display_name": "", "language": "x"}')
    notebook = jupyter.notebook("1", own_kernel=True, kernel_name="broken")
    result = notebook.run()
    assert result.status == "died"
    assert "/no/such/program" in result.message
    assert notebook.state() == "idle"


def test_a_server_that_ends_leaves_no_cell_running(jupyter: Server, sleeping: Notebook) -> None:
    from pyramid_notebook.server.execution import Execution

    execution = jupyter.call(lambda: Execution(jupyter.app))
    run = sleeping.call(lambda: execution.start(sleeping.live, ["cell-0", "cell-1"]))
    sleeping.wait_for_text("running")
    sleeping.call(execution.close)
    assert sleeping.wait(run).status == "died"
    wait_until(lambda: sleeping.state() == "idle", "the cell is at rest")
