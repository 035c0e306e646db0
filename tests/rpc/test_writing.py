"""What a session runs is in its notebook, and in the pages that have it open."""

from __future__ import annotations

import json
from typing import Any

from tests.running import wait_until

from .clients import connected, post
from .conftest import Opened


def cells(session: Opened) -> list[dict[str, Any]]:
    """Return the code cells of the file that hold something."""
    text = (session.server.folder.work / session.about["notebook"]).read_text()
    return [cell for cell in json.loads(text)["cells"] if cell["source"]]


def saved(session: Opened, code: str) -> dict[str, Any]:
    """Wait until a cell is in the file as it is at its end, and return it."""

    def found() -> dict[str, Any] | None:
        same = [cell for cell in cells(session) if "".join(cell["source"]) == code and cell["execution_count"]]
        return same[-1] if same else None

    return dict(wait_until(found, f"{code!r} is in the file"))


def test_each_execution_is_a_cell_with_its_output(session: Opened) -> None:
    code = "print('written')\n6 * 7"
    end = session.run(code)[-1]
    cell = saved(session, code)
    assert (cell["cell_type"], cell["execution_count"]) == ("code", end["count"])
    stream, result = cell["outputs"]
    assert (stream["name"], "".join(stream["text"])) == ("stdout", "written\n")
    assert result["data"] == {"text/plain": ["42"]}


def test_cells_are_in_the_order_in_which_they_ran(session: Opened) -> None:
    for number in range(30):
        session.socket.ask("execute", session=session.id, code=f"'in order {number}'")
    session.run("'in order 30'")
    saved(session, "'in order 30'")
    sources = ["".join(cell["source"]) for cell in cells(session)]
    wanted = [f"'in order {number}'" for number in range(31)]
    assert [source for source in sources if source in wanted] == wanted


def test_an_error_is_written_as_one(session: Opened) -> None:
    session.run("raise ValueError('wrong')")
    (output,) = saved(session, "raise ValueError('wrong')")["outputs"]
    assert (output["output_type"], output["ename"], output["evalue"]) == ("error", "ValueError", "wrong")


def test_a_progress_bar_is_one_line(session: Opened) -> None:
    code = "for part in range(3): print(f'\\r{part} of 2', end='', flush=True)"
    session.run(code)
    (output,) = saved(session, code)["outputs"]
    assert "".join(output["text"]) == "2 of 2"


def test_a_display_that_a_later_cell_changes_is_changed_where_it_is(session: Opened) -> None:
    code = "shown = display('first', display_id=True)"
    session.run(code)
    session.run("shown.update('second')")
    text = ["'second'"]
    wait_until(lambda: saved(session, code)["outputs"][0]["data"]["text/plain"] == text, "the display is changed")


def test_code_that_repeats_an_id_is_one_cell(session: Opened) -> None:
    for _ in range(3):
        session.socket.call("execute", session=session.id, code="'only one cell'", id="one-cell", wait=True)
    session.run("'after that'")
    saved(session, "'after that'")
    assert ["".join(cell["source"]) for cell in cells(session)].count("'only one cell'") == 1


def test_silent_code_and_looking_around_are_no_cells(session: Opened) -> None:
    session.run("'silent code'", silent=True)
    post(session.server, "variables", session=session.id)
    session.run("'not silent'")
    saved(session, "'not silent'")
    assert "'silent code'" not in ["".join(cell["source"]) for cell in cells(session)]


def test_a_page_that_has_the_notebook_open_sees_it_at_once(session: Opened) -> None:
    session.run("'there before'")
    saved(session, "'there before'")
    with session.server.document(session.about["notebook"]) as document:
        execution = session.socket.call("execute", session=session.id, code="print('live'); input()", allow_stdin=True)

        def shows(content: dict[str, Any]) -> bool:
            cell = content["cells"][-1]
            return bool(cell["source"].startswith("print('live')") and cell["outputs"])

        document.wait_for(shows, "the output of code that still runs")
        session.socket.until("input_request")
        session.socket.call("input.reply", session=session.id, value="", execution=execution["execution"])
        session.socket.until("end")


def test_output_that_is_too_long_for_a_notebook_is_told_whole_and_written_in_part(session: Opened) -> None:
    code = "print(('x' * 99 + '\\n') * 120_000)"
    events = session.run(code)
    assert sum(len(event.get("text", "")) for event in events) == 12_000_001
    outputs = saved(session, code)["outputs"]
    assert sum(len("".join(output["text"])) for output in outputs) < 11_000_000
    assert "is left out here" in "".join(outputs[-1]["text"])


def test_a_notebook_that_somebody_has_renamed_is_written_where_it_is(session: Opened) -> None:
    opened = post(session.server, "session.open")
    with connected(session.server) as socket:
        socket.call("session.open", kernel=opened["kernel"])
        socket.run(opened["session"], "'old name'")
        session.server.request("PATCH", f"api/contents/{opened['notebook']}", {"path": "renamed.ipynb"})
        socket.run(opened["session"], "'new name'")
        renamed = session.server.folder.work / "renamed.ipynb"
        wait_until(lambda: "'new name'" in renamed.read_text(), "the new file has the cell")
        assert post(session.server, "session.list")
        assert socket.call("session.open", kernel=opened["kernel"])["notebook"] == "renamed.ipynb"
        socket.call("shutdown", session=opened["session"])
