"""Code that is run: what is told of it, to whom, and in which order."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.daemons import Kernel

from .clients import connected, error_of, post
from .conftest import Opened


def told(events: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    """Return the names of events, with some of what they tell; a line may have come in pieces."""
    joined: list[dict[str, Any]] = []
    for event in events:
        if event["event"] == "stream" and joined and joined[-1]["event"] == "stream":
            joined[-1]["text"] += event["text"]
        else:
            joined.append(dict(event))
    return [(event["event"], *(event[name] for name in names if name in event)) for event in joined]


def text_of(events: list[dict[str, Any]], name: str = "stdout") -> str:
    return "".join(event["text"] for event in events if event["event"] == "stream" and event["name"] == name)


def test_an_execution_is_told_from_its_begin_to_its_end(session: Opened) -> None:
    events = session.run("print('a'); 1+1")
    count = events[1]["count"]
    assert told(events, "state", "code", "text", "data", "status") == [
        ("status", "busy"),
        ("begin", "print('a'); 1+1"),
        ("stream", "a\n"),
        ("result", {"text/plain": "2"}),
        ("status", "idle"),
        ("end", "ok"),
    ]
    assert [event["count"] for event in events if "count" in event] == [count, count, count]
    assert [event["seq"] for event in events] == list(range(events[0]["seq"], events[0]["seq"] + 6))


def test_who_runs_it_is_told(session: Opened) -> None:
    whos = {tuple(event["who"].items()) for event in session.run("1")}
    ((user, name, (_, client)),) = whos
    assert (user, name) == (("user", "alice"), ("name", "terminal"))
    assert client


def test_output_and_errors_are_two_streams(session: Opened) -> None:
    events = session.run("import sys; print('out', flush=True); print('err', file=sys.stderr, flush=True)")
    assert (text_of(events), text_of(events, "stderr")) == ("out\n", "err\n")


def test_an_error_is_told_with_its_traceback_and_ends_the_execution(session: Opened) -> None:
    *_, error, _idle, end = session.run("1/0")
    assert (error["event"], error["ename"], error["evalue"]) == ("error", "ZeroDivisionError", "division by zero")
    assert any("1" in line for line in error["traceback"])
    assert end["status"] == "error"


def test_displays_are_told_as_they_are_changed_and_cleared(session: Opened) -> None:
    events = session.run(
        "from IPython.display import HTML, clear_output, display\n"
        "shown = display(HTML('<b>1</b>'), display_id='x')\nshown.update(HTML('<b>2</b>'))\nclear_output(wait=True)"
    )
    display, update, clear = events[2:5]
    assert (display["event"], display["display_id"], display["data"]["text/html"]) == ("display", "x", "<b>1</b>")
    assert (update["event"], update["display_id"], update["data"]["text/html"]) == ("update", "x", "<b>2</b>")
    assert (clear["event"], clear["wait"]) == ("clear", True)


def test_executions_run_in_the_order_in_which_they_were_asked_for(session: Opened) -> None:
    asked = [session.socket.ask("execute", session=session.id, code=f"print({number})") for number in range(20)]
    names = [session.socket.answer(number)["result"]["execution"] for number in asked]
    events = session.socket.until("end", execution=names[-1])
    assert [event["execution"] for event in events if event["event"] == "end"] == names
    assert text_of(events) == "".join(f"{number}\n" for number in range(20))


def test_what_waits_behind_an_error_does_not_run(session: Opened) -> None:
    # the kernel must have both before it comes to the error
    first = session.socket.ask("execute", session=session.id, code="import time; time.sleep(0.5); 1/0")
    second = session.socket.ask("execute", session=session.id, code="print('ran')")
    names = [session.socket.answer(number)["result"]["execution"] for number in (first, second)]
    events = session.socket.until("end", execution=names[1])
    assert events[-1]["status"] == "aborted"
    assert text_of(events) == ""


def test_a_post_is_answered_at_the_end_with_all_events(session: Opened) -> None:
    answer = post(session.server, "execute", session=session.id, code="print('a'); 7")
    assert answer["status"] == "ok"
    assert told(answer["events"]) == [("status",), ("begin",), ("stream",), ("result",), ("status",), ("end",)]
    assert answer["events"][0]["seq"] == answer["seq"] + 1


def test_a_post_that_does_not_wait_is_answered_at_once(session: Opened) -> None:
    answer = post(session.server, "execute", session=session.id, code="40+2", wait=False)
    assert answer.keys() == {"execution", "seq"}
    events = session.socket.until("end", execution=answer["execution"])
    assert {"event": "result", "data": {"text/plain": "42"}}.items() <= {**events[-3]}.items()


def test_a_websocket_may_wait_as_well(session: Opened) -> None:
    answer = session.socket.call("execute", session=session.id, code="5", wait=True)
    assert (answer["status"], told(answer["events"])[-1]) == ("ok", ("end",))


def test_who_waits_no_longer_is_told_and_the_code_goes_on(session: Opened) -> None:
    error = error_of(
        session.server, "execute", session=session.id, code="import time; time.sleep(1); print('done')", timeout=0.1
    )
    assert (error["code"], error["data"]["reason"]) == (-32006, "time-out")
    assert text_of(session.socket.until("end", execution=error["data"]["execution"])) == "done\n"


def test_an_id_that_was_used_runs_nothing_again(session: Opened) -> None:
    session.run("ran = 0")
    for _ in range(3):
        answer = session.socket.call("execute", session=session.id, code="ran += 1", id="once", wait=True)
        assert (answer["execution"], answer["status"]) == ("once", "ok")
    assert session.run("ran")[2]["data"] == {"text/plain": "1"}


def test_an_id_is_not_used_for_other_code(session: Opened) -> None:
    session.socket.call("execute", session=session.id, code="1", id="same", wait=True)
    error = error_of(session.server, "execute", session=session.id, code="2", id="same")
    assert (error["code"], error["data"]["errors"][0]["path"]) == (-32602, "id")


def test_silent_code_counts_for_nothing(session: Opened) -> None:
    count = session.run("1")[-1]["count"]
    session.run("2", silent=True, store_history=False)
    assert session.run("3")[-1]["count"] == count + 1


def test_expressions_are_told_at_the_end(session: Opened) -> None:
    end = session.run("x = 2", user_expressions={"twice": "2 * x"})[-1]
    assert end["expressions"]["twice"]["data"] == {"text/plain": "4"}


def test_all_frontends_see_what_one_runs(session: Opened) -> None:
    with connected(session.server) as other:
        opened = other.call("session.open", kernel=session.about["kernel"], name="other")
        assert opened["session"] == session.id
        events = session.run("print('both')")
        assert [event for event in other.until("end") if event["execution"] == events[0]["execution"]] == events
        assert events[0]["who"]["name"] == "terminal"


def test_what_a_page_runs_is_seen_with_its_name(session: Opened) -> None:
    with session.server.websocket(f"api/kernels/{session.about['kernel']}/channels") as connection:
        Kernel(connection).run("print('from a page')")
    events = [event for event in session.socket.until("end") if event["execution"]]
    assert told(events, "text") == [("status",), ("begin",), ("stream", "from a page\n"), ("status",), ("end",)]
    assert {event["who"]["name"] for event in events} == {"browser"}


def test_only_the_asker_may_answer_an_input(session: Opened) -> None:
    code = "name = input('Who? '); print('Hello', name)"
    execution = session.socket.call("execute", session=session.id, code=code, allow_stdin=True)["execution"]
    question = session.socket.until("input_request")[-1]
    assert (question["prompt"], question["password"], question["execution"]) == ("Who? ", False, execution)
    error = error_of(session.server, "input.reply", session=session.id, execution=execution, value="no")
    assert (error["code"], error["data"]["reason"]) == (-32004, "not-asker")
    session.socket.call("input.reply", session=session.id, execution=execution, value="Zoë")
    events = session.socket.until("end")
    assert (events[0]["event"], text_of(events)) == ("input_done", "Hello Zoë\n")


def test_a_password_is_asked_for_as_one(session: Opened) -> None:
    code = "import getpass; print(len(getpass.getpass('Secret: ')))"
    execution = session.socket.call("execute", session=session.id, code=code, allow_stdin=True)["execution"]
    assert session.socket.until("input_request")[-1]["password"]
    session.socket.call("input.reply", session=session.id, execution=execution, value="twelve chars")
    events = session.socket.until("end")
    assert text_of(events) == "12\n"
    assert "twelve chars" not in str(events)


def test_a_frontend_that_comes_back_with_its_key_may_still_answer(session: Opened) -> None:
    kernel = session.about["kernel"]
    with connected(session.server) as first:
        first.call("session.open", kernel=kernel, key="my key")
        execution = first.call("execute", session=session.id, code="print(input())", allow_stdin=True)["execution"]
        first.until("input_request")
    error = error_of(session.server, "input.reply", session=session.id, execution=execution, value="x", key="other")
    assert error["data"]["reason"] == "not-asker"
    with connected(session.server) as second:
        second.call("session.open", kernel=kernel, key="my key", after=session.about["seq"])
        second.call("input.reply", session=session.id, execution=execution, value="again")
        assert text_of(second.until("end", execution=execution)) == "again\n"


def test_an_answer_that_nobody_has_asked_for_is_refused(session: Opened) -> None:
    execution = session.run("1")[0]["execution"]
    for name in (execution, "unknown"):
        answer = session.socket.ask("input.reply", session=session.id, execution=name, value="x")
        assert session.socket.answer(answer)["error"]["data"]["reason"] == "no-such-execution"


def test_code_that_may_not_ask_for_input_fails(session: Opened) -> None:
    assert session.run("input()")[-1]["status"] == "error"


def test_an_interrupt_ends_what_runs(session: Opened) -> None:
    execution = session.socket.call("execute", session=session.id, code="import time; time.sleep(60)")["execution"]
    session.socket.until("begin", execution=execution)
    session.socket.call("interrupt", session=session.id)
    events = session.socket.until("end", execution=execution)
    assert ("error", "KeyboardInterrupt") in told(events, "ename")
    assert events[-1]["status"] == "error"


@pytest.mark.parametrize("flush", [False, True])
def test_ten_thousand_lines_arrive_whole(session: Opened, flush: bool) -> None:
    events = session.run(f"for number in range(10_000): print('line', number, flush={flush})")
    assert text_of(events) == "".join(f"line {number}\n" for number in range(10_000))


def test_numbers_that_json_does_not_have_are_null(session: Opened) -> None:
    events = session.run("display({'application/json': {'large': 10**400, 'small': 3}}, raw=True)")
    assert events[2]["data"] == {"application/json": {"large": None, "small": 3}}
    assert events[-1]["status"] == "ok"
