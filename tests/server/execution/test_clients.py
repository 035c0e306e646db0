"""Pages and we use one kernel at the same time."""

from __future__ import annotations

import threading

from ...running import wait_until
from .servers import Server
from .test_runs import WAIT, release


def test_a_page_and_a_run_at_once_get_their_own_output_each(jupyter: Server) -> None:
    notebook = jupyter.notebook(*[f"for _ in range(5): print('ours {number}', flush=True)" for number in range(20)])
    theirs: list[str] = []

    def use_page() -> None:
        with jupyter.kernel(jupyter.kernel_id) as page:
            theirs.extend(page.run(f"print('theirs {number}')") for number in range(20))

    thread = threading.Thread(target=use_page)
    thread.start()
    result = notebook.run()
    thread.join()
    assert result.status == "ok"
    assert [notebook.text(f"cell-{number}") for number in range(20)] == [f"ours {number}\n" * 5 for number in range(20)]
    assert theirs == [f"theirs {number}\n" for number in range(20)]


def test_a_cell_of_a_page_that_fails_does_not_take_ours_along(jupyter: Server) -> None:
    notebook = jupyter.notebook("'ours'")
    with jupyter.kernel(jupyter.kernel_id) as page:
        request = page.begin(WAIT.format(name="theirs") + "\n1 / 0")  # which drops what waits behind it
        busy = lambda: notebook.call(lambda: jupyter.execution.kernel_of(notebook.path)).state == "busy"  # noqa: E731
        wait_until(busy, "the page's cell runs")
        run = notebook.start()
        wait_until(lambda: notebook.state() == "running", "ours is sent")
        release(jupyter, "theirs")
        assert "ZeroDivisionError" in page.finish(request)
    assert notebook.wait(run).status == "ok"
    assert notebook.outputs()[0]["data"]["text/plain"] == "'ours'"


def test_a_cell_of_ours_that_fails_does_not_take_those_of_a_page_along(jupyter: Server) -> None:
    notebook = jupyter.notebook(WAIT.format(name="ours") + "\n1 / 0")
    run = notebook.start()
    wait_until(lambda: notebook.state() == "running", "ours runs")
    with jupyter.kernel(jupyter.kernel_id) as page:
        request = page.begin("'theirs'")
        release(jupyter, "ours")
        assert page.finish(request) == "'theirs'"
    assert notebook.wait(run).status == "error"


def test_nothing_is_lost_when_the_first_run_meets_a_busy_kernel(jupyter: Server) -> None:
    for number in range(3):
        notebook = jupyter.notebook("print('the very first')", own_kernel=True)
        jupyter.call(
            lambda path=notebook.path: jupyter.app.session_manager.create_session(
                path=path, name=path, type="notebook", kernel_name="python3"
            )
        )
        with jupyter.kernel(notebook.kernel_id()) as page:
            request = page.begin(WAIT.format(name=f"busy-{number}"))
            busy = lambda n=notebook: n.call(lambda: jupyter.execution.kernel_of(n.path)).state == "busy"  # noqa: E731
            wait_until(busy, "the page's cell runs")
            run = notebook.start()
            wait_until(lambda n=notebook: n.state() == "running", "ours is sent, the kernel being busy")
            release(jupyter, f"busy-{number}")
            page.finish(request)
        assert notebook.wait(run).status == "ok"
        assert notebook.text() == "the very first\n"
