"""Programs at kernels of a real site."""

from __future__ import annotations

import json

import pytest

from pyramid_notebook.client import Event, NotebookClient
from pyramid_notebook.errors import NotebookError, NotebookFailed, RpcRefused, SiteError, SiteUnreachable
from pyramid_notebook.sync.client.refusals import Refusal
from tests.running import wait_until
from tests.running_console import WAITING

COUNTING = "import time\nfor number in range(300):\n    print(number)\n    time.sleep(0.005)"


def numbers(text: str) -> list[int]:
    return [int(line) for line in text.split()]


def test_what_is_printed_and_what_is_shown_come_apart(session):
    outcome = session.run("import sys\nprint('out')\nprint('err', file=sys.stderr)\n6 * 7")
    assert (outcome.status, outcome.stdout, outcome.stderr, outcome.result) == ("ok", "out\n", "err\n", "42")
    assert outcome.count == session.count


def test_events_come_in_order_as_they_happen(session):
    execution = session.execute("print('go')\nimport time\nwhile not globals().get('stop'): time.sleep(0.01)")
    kinds = []
    for event in execution:
        if event.kind == "stream" and event.kind not in kinds:
            session.interrupt()  # it still runs, and its output is here
        if event.kind not in kinds[-1:]:  # a line may come in pieces
            kinds.append(event.kind)
    assert [kind for kind in kinds if kind != "status"] == ["begin", "stream", "error", "end"]


def test_every_cell_is_added_to_the_notebook_with_its_outputs(session, at_home):
    session.run("'a cell of the worksheet'")
    path = at_home.site.folder / "notebooks" / "user" / "work" / session.notebook

    def cell():
        cells = json.loads(path.read_text())["cells"]
        found = [cell for cell in cells if "".join(cell["source"]) == "'a cell of the worksheet'"]
        return found and found[0]["outputs"]

    [output] = wait_until(cell, "the cell and its output in the file")
    assert output["data"]["text/plain"] == ["'a cell of the worksheet'"]
    assert session.url == f"{at_home.url}notebooks/{session.notebook}"


def test_an_exception_is_told_with_its_traceback(session):
    outcome = session.run("1 / 0")
    assert outcome.status == "error"
    with pytest.raises(NotebookFailed, match="ZeroDivisionError: division by zero") as failure:
        outcome.raise_for_error()
    assert any("ZeroDivisionError" in line for line in failure.value.traceback)


def test_the_kernel_completes_inspects_and_remembers(session):
    session.run("long_name_of_mine = 5  # something to remember")
    matches = session.complete("long_name_of_")["matches"]
    assert [match["text"] for match in matches] == ["long_name_of_mine"]
    assert "int" in session.inspect("long_name_of_mine")["data"]["text/plain"]
    assert session.is_complete("for x in y:") == {"status": "incomplete", "indent": "    "}
    found = session.history("*something to remember*")
    assert found[-1]["code"] == "long_name_of_mine = 5  # something to remember"


def test_a_question_of_the_code_is_answered_by_whoever_ran_it(session):
    asked = []

    def reply(prompt, is_password):
        asked.append((prompt, is_password))
        return "blue"

    outcome = session.run("from getpass import getpass\ninput('colour? ') + getpass('really? ')", reply)
    assert asked == [("colour? ", False), ("really? ", True)]
    assert outcome.result == "'blueblue'"


def test_who_cannot_answer_a_question_interrupts_what_asks(session):
    with pytest.raises(ZeroDivisionError):
        session.run("input('never? ')", lambda prompt, is_password: 1 / 0)
    assert session.run("6 * 7").result == "42"


def test_more_output_than_the_server_keeps_is_told_to_be_lost(session):
    outcome = session.run("print('x' * 30_000_000, 'end')")
    assert (outcome.status, outcome.is_whole) == ("ok", False)
    assert outcome.stdout.endswith("x end\n")
    with pytest.raises(SiteError, match="more than the server keeps"):
        outcome.raise_for_error()
    assert session.run("print('little')").is_whole


def test_an_end_that_the_server_could_not_keep_is_told_all_the_same(client, at_home, tmp_path):
    with client.open() as session:
        execution = session.execute(WAITING.format(str(tmp_path / "gone")))
        next(execution)
        at_home.site.kill()
        (tmp_path / "gone").touch()
        at_home.forget_end(session.id, execution.id, session.seq)
        at_home.site.start()
        outcome = execution.wait()
        assert (outcome.status, outcome.is_whole) == ("ok", False)
        session.shutdown()


def test_an_execution_of_which_the_server_knows_nothing_any_more_is_aborted(client):
    with client.open() as session:
        execution = session.execute("import time\ntime.sleep(60)")
        session.take(Event("lost", {"from": 1, "to": None}, session=session.id))
        execution.id = "0" * 32
        assert execution.wait().status == "aborted"
        session.shutdown()


def test_what_no_server_could_read_is_refused_at_once(session):
    for code, reason in (("#" * 9_000_000, "8000000 are the most"), ("'\udc80'", "half of a surrogate pair")):
        with pytest.raises(SiteError, match=reason):
            session.run(code)


def test_half_a_character_is_shown_as_an_unknown_one(session):
    assert session.run("print('\\udc80 x')").stdout.encode().decode().endswith(" x\n")


def test_another_frontend_sees_all_and_may_not_answer(session, at_home):
    with at_home.client("a listener") as listener, session_of(listener, session) as seen, seen.events() as events:
        execution = session.execute("input('mine? ')", allow_stdin=True)
        for event in events:
            if event.kind == "begin":
                assert (event.who["user"], event.who["name"]) == ("user", "program")
                assert event.text("code") == "input('mine? ')"
            elif event.kind == "input_request":
                with pytest.raises(RpcRefused) as refused:
                    seen.reply(event.execution, "no")
                assert refused.value.reason == "not-asker"
                session.reply(event.execution, "yes")
            elif event.kind == "result":
                assert event.data() == {"text/plain": "'yes'"}
            elif event.kind == "end":
                break
        assert execution.wait().result == "'yes'"


def session_of(client, session):
    return client.open(kernel=session.kernel)


def test_a_connection_that_breaks_off_loses_and_doubles_nothing(session, client):
    with session.events() as events:
        execution = session.execute(COUNTING)
        states = []
        for event in events:
            if event.kind == "stream" and len(states) < 6 and len(states) % 2 == 0:
                states.append("broken")
                client.break_off()
            elif event.kind == "connection" and event.text("state") == "back":
                states.append("back")
            elif event.kind == "end":
                break
    assert numbers(execution.wait().stdout) == list(range(300))
    assert states.count("back") >= 1


def test_a_site_that_is_restarted_loses_nothing_either(session, at_home):
    execution = session.execute(COUNTING)
    for event in execution:
        if event.kind == "stream":
            break
    at_home.site.kill()
    at_home.site.start()
    outcome = execution.wait()
    assert numbers(outcome.stdout) == list(range(300))
    assert session.run("1 + 1").result == "2"


def test_an_answer_that_was_lost_on_its_way_is_not_given_twice(session, client):
    def reply(prompt, is_password):
        client.break_off()
        return prompt

    outcome = session.run("[input('one'), input('two')]", reply)
    assert outcome.result == "['one', 'two']"


def test_a_foreign_session_is_none(client, session):
    with pytest.raises(RpcRefused) as refused:
        client.call("complete", session="0" * 22, code="x", cursor=1)
    assert refused.value.reason == "no-such-session"


def test_all_that_is_wrong_with_parameters_is_told_at_once(session):
    with pytest.raises(RpcRefused) as refused:
        session.call("complete", code=1, cursor="x")
    assert refused.value.code == -32602
    assert "code" in str(refused.value)
    assert "cursor" in str(refused.value)


def test_a_kernel_that_is_not_there_is_an_error(client):
    with pytest.raises(RpcRefused) as refused:
        client.open(kernel="00000000-0000-4000-8000-000000000000")
    assert refused.value.reason == "no-such-kernel"


def test_the_methods_are_described(client):
    document = client.document()
    assert document["openrpc"].startswith("1.")
    assert {"execute", "complete", "input.reply"} <= {method["name"] for method in document["methods"]}
    assert session_ids(client)


def session_ids(client):
    return [item["session"] for item in client.sessions()]


def test_a_token_that_is_not_valid_is_told_without_showing_it(at_home):
    token = "pnb_" + "x" * 43
    with NotebookClient(at_home.url, token=token) as client:
        with pytest.raises(Refusal, match="not valid") as over_websocket:
            client.open()
        with pytest.raises(Refusal, match="not valid") as over_post:
            client.call("session.list")
    assert token not in f"{over_websocket.value} {over_post.value}"


def test_a_token_for_something_else_is_told_what_it_lacks(at_home):
    with NotebookClient(at_home.url, token=at_home.token("sync")) as client, pytest.raises(Refusal, match="console"):
        client.open()


def test_a_site_that_is_not_there_is_told_at_once():
    with NotebookClient("http://localhost:9/notebook/user", token="pnb_x") as client:
        with pytest.raises(SiteError, match="localhost:9 cannot be reached"):
            client.open()
        with pytest.raises(SiteError, match="localhost:9 cannot be reached"):
            client.sessions()


def test_a_site_that_comes_up_later_is_reached_by_the_same_client(at_home):
    at_home.site.kill()
    with at_home.client() as client:
        with pytest.raises(SiteUnreachable):
            client.open()
        at_home.site.start()
        assert client.open(notebook="later.ipynb", new=True).run("1 + 1").result == "2"


def test_who_waits_when_the_client_is_closed_is_woken(at_home):
    client = at_home.client()
    session = client.open()
    events = session.events()
    client.close()
    assert list(events) is not None
    with pytest.raises(NotebookError, match="closed"):
        session.run("1")
