"""Clients that go away and come back: nothing is lost, doubled or out of order."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import websocket

from pyramid_notebook.proxy.connection import dial
from pyramid_notebook.record import SECRET_HEADER, TOKEN_HEADER

from .clients import connected, post, request
from .conftest import Opened

_DISCONNECTS = 1000


def collected(opened: Opened, after: int) -> list[dict[str, Any]]:
    """Return all events after a number, asked for by POST."""
    found: list[dict[str, Any]] = []
    while True:
        answer = post(opened.server, "session.events", session=opened.id, after=after, limit=500)
        assert "lost" not in answer
        if not answer["events"]:
            return found
        found += answer["events"]
        after = answer["seq"]


def interrupted(opened: Opened, after: int, chance: random.Random) -> list[dict[str, Any]]:
    """Open a session anew, take some events or none, and hang up in the midst of whatever comes."""
    server = opened.server
    connection = websocket.WebSocket()
    connection.settimeout(60)
    connection.connect(
        f"ws://localhost{server.record.base_url}rpc",
        socket=dial(server.record, 60),
        header={SECRET_HEADER: server.record.secret, TOKEN_HEADER: "a token"},
        suppress_origin=True,
    )
    found: list[dict[str, Any]] = []
    try:
        connection.send(json.dumps(request("session.open", kernel=opened.about["kernel"], after=after)))
        for _ in range(chance.choice((0, 1, 1, 2, 3))):
            message = json.loads(connection.recv())
            messages = message if isinstance(message, list) else [message]
            found += [{"event": one["method"], **one["params"]} for one in messages if "method" in one]
    finally:
        connection.shutdown()
    return found


def test_a_thousand_disconnects_lose_double_and_disorder_nothing(session: Opened, tmp_path: Path) -> None:
    stop, chance, start = tmp_path / "stop", random.Random(8), int(session.about["seq"])
    code = (
        "import os, sys, time\nline = 0\n"
        f"while not os.path.exists({str(stop)!r}):\n"
        "    print('line', line, file=sys.stderr if line % 50 == 0 else sys.stdout, flush=line % 7 == 0)\n"
        "    line += 1\n    time.sleep(0.002)\n"
        "print('lines', line)"
    )
    execution = post(session.server, "execute", session=session.id, code=code, wait=False)["execution"]
    after, events = start, []
    for _ in range(_DISCONNECTS):
        found = interrupted(session, after, chance)
        assert all(event["event"] != "lost" for event in found)
        events += found
        after = events[-1]["seq"] if events else start
    stop.touch()
    with connected(session.server) as socket:
        socket.call("session.open", kernel=session.about["kernel"], after=after)
        if not any(event["event"] == "end" for event in events):
            events += socket.until("end", execution=execution)
    assert [event["seq"] for event in events] == list(range(start + 1, start + 1 + len(events)))
    assert events == collected(session, start)
    texts = {name: [event["text"] for event in events if event.get("name") == name] for name in ("stdout", "stderr")}
    *lines, total = "".join(texts["stdout"]).splitlines()
    count = int(total.removeprefix("lines "))
    assert lines == [f"line {number}" for number in range(count) if number % 50]
    assert "".join(texts["stderr"]).splitlines() == [f"line {number}" for number in range(0, count, 50)]


def test_who_opens_without_a_number_gets_only_what_comes(session: Opened) -> None:
    session.run("'before'")
    with connected(session.server) as socket:
        socket.call("session.open", kernel=session.about["kernel"])
        session.run("'after'")
        assert [event["code"] for event in socket.until("end") if event["event"] == "begin"] == ["'after'"]


def test_who_opens_with_zero_gets_all_that_is_kept(session: Opened) -> None:
    session.run("'one more'")
    everything = collected(session, 0)
    with connected(session.server) as socket:
        opened = socket.call("session.open", kernel=session.about["kernel"], after=0)
        found = [socket.event() for _ in range(opened["seq"])]
    assert found == everything


def test_output_goes_on_without_anybody_and_is_there_afterwards(session: Opened) -> None:
    with connected(session.server) as socket:
        socket.call("session.open", kernel=session.about["kernel"])
        code = "import time\nfor number in range(20): print(number); time.sleep(0.02)"
        execution = socket.call("execute", session=session.id, code=code)["execution"]
    session.socket.until("end", execution=execution)
    answer = post(session.server, "session.events", session=session.id, execution=execution)
    text = "".join(event["text"] for event in answer["events"] if event["event"] == "stream")
    assert text == "".join(f"{number}\n" for number in range(20))


def test_a_poll_waits_for_the_next_event(session: Opened) -> None:
    seq = session.run("1")[-1]["seq"]
    with connected(session.server) as other:
        asked = other.ask("session.events", session=session.id, after=seq, wait=30)
        session.run("2")
        events = other.answer(asked)["result"]["events"]
    assert events[0]["seq"] == seq + 1


def test_a_poll_ends_when_nothing_happens(session: Opened) -> None:
    seq = session.run("1")[-1]["seq"]
    answer = post(session.server, "session.events", session=session.id, after=seq, wait=0.05)
    assert answer == {"events": [], "seq": seq}


def test_a_poll_for_an_execution_goes_past_what_others_run(session: Opened) -> None:
    first = session.run("print(1)")[0]["execution"]
    last = session.run("print(2)")[-1]["seq"]
    answer = post(session.server, "session.events", session=session.id, execution=first, after=0)
    assert {event["execution"] for event in answer["events"]} == {first}
    assert answer["seq"] == last


def test_what_is_forgotten_is_told_to_who_missed_it(session: Opened) -> None:
    start = session.run("1")[-1]["seq"]
    # each picture is an event of its own, and more of them than are kept
    session.run("for number in range(9): display({'text/html': 'x' * 2_000_000}, raw=True)")
    with connected(session.server) as socket:
        socket.call("session.open", kernel=session.about["kernel"], after=start)
        first, second = socket.event(), socket.event()
    assert (first["event"], first["session"], first["from"]) == ("lost", session.id, start + 1)
    assert second["seq"] == first["to"] + 1
    answer = post(session.server, "session.events", session=session.id, after=start, limit=1)
    assert answer["lost"] == {"from": start + 1, "to": first["to"]}
    assert answer["seq"] == second["seq"]


def test_an_answer_tells_that_it_is_not_whole(session: Opened) -> None:
    answer = post(session.server, "execute", session=session.id, code="print('x' * 30_000_000, 'end')")
    assert answer["lost"]["from"] == answer["seq"] + 1
    assert answer["lost"]["to"] == answer["events"][0]["seq"] - 1
    assert [event["text"][-4:] for event in answer["events"] if event["event"] == "stream"][-1] == "end\n"
    assert "lost" not in post(session.server, "execute", session=session.id, code="1")


def test_a_client_that_reads_nothing_holds_nobody_up(session: Opened) -> None:
    with connected(session.server) as idle:
        idle.call("session.open", kernel=session.about["kernel"])
        for _ in range(3):
            events = session.run("print('x' * 3_000_000)")
            assert sum(len(event.get("text", "")) for event in events) == 3_000_001
        # what it did not read is there now, or was forgotten meanwhile, and then it is told so
        seen = {event["event"] for event in idle.until("end", execution=events[-1]["execution"])}
        assert "stream" in seen
