"""The engine of calls: what it returns and raises, and what it does when processes end or code changes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyramid_notebook.errors import (
    BadResult,
    CallCancelled,
    CallDied,
    CallError,
    CallTimeout,
    NotAcceptable,
    NotebookFailed,
    ResultTooLarge,
    SettingsError,
)
from pyramid_notebook.functions.processes.conversation import Conversation, died
from pyramid_notebook.functions.processes.zygote_process import clean_environment
from pyramid_notebook.functions.protocol import HEAD, Kind, Result, frame

from .calling import Calls, calls, calls_of, come_true, is_gone, order, wait_for


@pytest.fixture(scope="module")
def shared() -> Iterator[Calls]:
    with calls() as made:
        yield made


def test_a_call_returns_the_value_and_tells_its_cells(shared: Calls):
    told = shared.value("s = a + 1", "{'s': s}", parameters="a: int = 1", values={"a": 4})
    assert told == {"s": 5}
    assert [event["cell"] for event in shared.events if event["event"] == "cell"] == [0, 1, 2]


@pytest.mark.parametrize(
    ("source", "options", "error"),
    [
        ("1/0", {}, NotebookFailed),
        ("object()", {}, BadResult),
        ("float('nan')", {}, BadResult),
        ("'x' * 2000", {"most_bytes": 1000}, ResultTooLarge),
        ("5", {"formats": ("png",)}, CallError),
        ("import os; os._exit(1)", {}, CallDied),
        ("1", {"folder": "/no/such/folder"}, CallError),
    ],
)
def test_each_way_to_fail_has_its_error(shared: Calls, source: str, options: dict[str, Any], error: type[Exception]):
    with pytest.raises(error):
        shared.value(source, **options)


def test_calls_run_beside_one_another(shared: Calls):
    async def several() -> float:
        await shared.run(order("1"))
        begin = time.monotonic()
        await asyncio.gather(*(shared.run(order("import time; time.sleep(0.3)", "1")) for _ in range(8)))
        return time.monotonic() - begin

    assert shared.runner.run(several()) < 1.5


def test_more_calls_at_once_than_a_socket_holds_all_get_their_answer(shared: Calls):
    async def several() -> list[Any]:
        return await asyncio.gather(
            *(shared.run(order("a", parameters="a = 0", values={"a": number})) for number in range(150))
        )

    assert shared.runner.run(several()) == list(range(150))


def test_a_call_that_is_cancelled_is_killed(shared: Calls, folder: Path):
    async def cancelled() -> int:
        source = f"import os; open('{folder}/pid', 'w').write(str(os.getpid()))"
        task = asyncio.ensure_future(shared.run(order(source, "while True: pass")))
        await come_true(lambda: (folder / "pid").exists() and (folder / "pid").read_text())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        pid = int((folder / "pid").read_text())
        await come_true(lambda: is_gone(pid))
        return pid

    assert shared.runner.run(cancelled())
    wait_for(lambda: not calls_of(shared.zygote))


def test_a_stopped_process_is_ended_at_its_deadline(shared: Calls):
    begin = time.monotonic()
    with pytest.raises(CallTimeout, match="took longer"):
        shared.value("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", "1", seconds=0.3)
    assert time.monotonic() - begin < 0.6
    wait_for(lambda: not calls_of(shared.zygote))


def test_an_error_in_what_is_told_events_ends_the_call(shared: Calls):
    def bad(event: Any) -> None:
        raise LookupError(event)

    with pytest.raises(LookupError):
        shared.runner.run(shared.engine.run(order("1"), timeout=10, on_event=bad))
    wait_for(lambda: not calls_of(shared.zygote))


def test_a_zygote_that_was_killed_is_replaced_and_nobody_notices():
    with calls() as made:
        made.value("1")
        before = made.zygote
        os.kill(before, signal.SIGKILL)
        wait_for(lambda: is_gone(before))  # while the loop stands still, which has not heard of it then
        assert made.value("2") == 2
        assert made.zygote != before


def test_calls_of_a_zygote_that_is_killed_fail_and_leave_nothing(folder: Path):
    source = (
        f"import os, subprocess\np = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        f"open('{folder}/pids', 'w').write(f'{{os.getpid()}} {{p.pid}}.')"
    )

    async def killed(made: Calls) -> None:
        task = asyncio.ensure_future(made.run(order(source, "while True: pass")))
        await come_true(lambda: (folder / "pids").exists() and (folder / "pids").read_text().endswith("."))
        os.kill(made.zygote, signal.SIGKILL)
        with pytest.raises(CallDied):
            await task
        pids = [int(pid) for pid in (folder / "pids").read_text().rstrip(".").split()]
        await come_true(lambda: all(map(is_gone, pids)))
        assert await made.run(order("3")) == 3

    with calls() as made:
        made.runner.run(killed(made))


def test_a_zygote_that_hangs_is_replaced(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("pyramid_notebook.functions.processes.fork_server._BEGIN_SECONDS", 0.5)
    with calls() as made:
        made.value("1")
        before = made.zygote
        os.kill(before, signal.SIGSTOP)
        assert made.value("2") == 2
        wait_for(lambda: is_gone(before))


def test_code_that_has_changed_is_loaded_anew_and_calls_go_on(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("pyramid_notebook.functions.processes.zygote_process._LOOK_SECONDS", 0.0)
    package = folder / "mine"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "deep.py").write_text("answer = 1")
    environment = {**clean_environment(os.environ), "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}

    async def changed(made: Calls) -> None:
        assert await made.run(order("from mine.deep import answer", "answer")) == 1
        old = made.zygote
        begin = f"import os, time; open('{folder}/begun', 'w').close()"
        until = f"{begin}\nwhile not os.path.exists('{folder}/go'): time.sleep(0.005)"
        long = asyncio.ensure_future(made.run(order("from mine.deep import answer", until, "answer")))
        await come_true((folder / "begun").exists)
        (package / "deep.py").write_text("answer = 22")
        assert await made.run(order("from mine.deep import answer", "answer")) == 22
        assert made.zygote != old
        (folder / "go").touch()
        assert await long == 1
        await come_true(lambda: is_gone(old))

    with calls("mine.deep", environment=environment) as made:
        made.runner.run(changed(made))


def test_a_module_that_starts_a_thread_is_refused_by_its_name(folder: Path):
    (folder / "threading_away.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()"
    )
    environment = {**clean_environment(os.environ), "PYTHONPATH": str(folder)}
    with calls("json", "threading_away", environment=environment) as made:
        with pytest.raises(SettingsError, match="Importing threading_away started a thread"):
            made.runner.run(made.engine.start())
        with pytest.raises(SettingsError, match="threading_away"):
            made.value("1")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import socket\ns = socket.socket()", "opened a connection"),
        ("import zmq\nc = zmq.Context()", "context of ZeroMQ"),
        ("import no_such_module", "No module named 'no_such_module'"),
        ("raise SystemError('no')", "SystemError: no"),
    ],
)
def test_what_else_must_not_be_forked_is_refused_too(folder: Path, text: str, reason: str):
    (folder / "bad.py").write_text(text)
    environment = {**clean_environment(os.environ), "PYTHONPATH": str(folder)}
    with calls("bad", environment=environment) as made, pytest.raises(SettingsError, match=reason):
        made.runner.run(made.engine.start())


def test_preloaded_modules_are_there_already():
    with calls("pandas") as made:
        assert made.value("import sys", "'pandas' in sys.modules") is True
        table = "pd.DataFrame({'a': [1, 2], 'b': ['x', 'y']})"
        assert made.value("import pandas as pd", f"{table}.describe()['a'].to_dict()")["mean"] == 1.5


def test_closing_the_engine_cancels_calls_and_ends_all_processes():
    async def closed(made: Calls) -> int:
        task = asyncio.ensure_future(made.run(order("while True: pass", "1")))
        await come_true(lambda: any(event["event"] == "cell" for event in made.events))
        zygote = made.zygote
        await made.engine.close()
        with pytest.raises(CallCancelled):
            await task
        with pytest.raises(CallCancelled):
            await made.run(order("1"))
        return zygote

    with calls() as made:
        zygote = made.runner.run(closed(made))
        assert is_gone(zygote)


def conversing(*blocks: bytes, most_bytes: int = 100) -> Any:
    """The outcome of a conversation in which the other end sends these blocks, and closes."""
    import socket

    async def converse() -> Any:
        conversation = Conversation(b"", most_bytes=most_bytes, on_event=lambda event: None)
        theirs = socket.socket(fileno=os.dup(conversation.others[0]))
        conversation.listen()
        try:
            with theirs:
                for block in blocks:
                    theirs.sendall(block)
                    await asyncio.sleep(0)
            return await conversation.outcome
        finally:
            conversation.close()

    return asyncio.run(converse())


def test_frames_may_come_in_any_pieces():
    result = Result(body=b"abc")
    data = frame(Kind.EVENT, json.dumps({"event": "cell"}).encode()) + frame(Kind.RESULT, result.to_bytes())
    assert conversing(*(bytes([byte]) for byte in data)) == result
    assert conversing(data + b"more that nobody reads") == result


def test_half_an_answer_is_none():
    data = frame(Kind.RESULT, Result(body=b"abc").to_bytes())
    assert all(conversing(data[:length]) is None for length in range(len(data)))


@pytest.mark.parametrize(
    "data",
    [
        HEAD.pack(1 << 31, b"R"),
        HEAD.pack(1, b"?") + b"x",
        frame(Kind.EVENT, b"{"),
        frame(Kind.RESULT, b"{}\n"),
        frame(Kind.FAILURE, b"null"),
    ],
)
def test_what_is_no_answer_is_an_error(data: bytes):
    with pytest.raises(Exception):  # noqa: B017
        conversing(data)


def test_how_a_process_ended_is_said():
    assert isinstance(died({"late": True}, 5), CallTimeout)
    assert "signal 11" in str(died({"signal": 11, "code": 0}, 5))
    assert "Too many" in str(died({"error": "Too many open files"}, 5))
    assert isinstance(died(None, 5), CallDied)


def test_unknown_formats_are_told(shared: Calls):
    with pytest.raises(NotAcceptable):
        shared.value("5", formats=("nonsense",))


_RINGING = """
import signal
class Rung(Exception): pass
def ring(*_): raise Rung
signal.signal(signal.SIGALRM, ring)
rung = 0
while rung < 300:
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0003)
        while True:
            print('x' * 1000, flush=True)
    except Rung:
        rung += 1
"""


def test_a_signal_handler_that_raises_is_called_again_and_again(shared: Calls):
    assert shared.value(_RINGING, "rung") == 300
