"""What the door adds between a page and its kernel, on each web server: round trips, and messages per second.

Run it with ``python -m benchmarks.kernel [--quick] [--json] [--write docs/benchmarks.md]``. A real user server runs
with a real kernel, and each way has its turn in each round: past the door (direct), and through the door on each web
server. The messages are what a cell says that displays something many times. What is told are medians, over the rounds,
of the ratios to the direct way, which has two turns: how far it is from itself is what the machine's other work does.
Jupyter's own limit of messages is off.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import websocket

from pyramid_notebook.context import NotebookContext
from pyramid_notebook.files import private_folder
from pyramid_notebook.manager import NotebookManager
from pyramid_notebook.proxy.connection import dial
from pyramid_notebook.proxy.upstream import ask
from pyramid_notebook.record import SECRET_HEADER, ServerOptions, ServerRecord
from pyramid_notebook.settings import Settings
from tests.servers import ways as servers

from .open_shell import round_trips
from .proxy import DIRECT, DOORS, ROOM
from .proxy_results import Results
from .proxy_table import written

USER, BASE = "alice", "/notebook/alice/"
ROUND_TRIP, MESSAGES = "kernel_info", "messages"
CONTROL = f"{DIRECT} again"
MARK = "<!-- NUMBERS: kernel -->"
_SECONDS = 60.0

#: Opens a websocket to the kernel.
Connect = Callable[[], websocket.WebSocket]


@dataclass(frozen=True, slots=True)
class RealUpstream:
    """A user server that was launched."""

    record: ServerRecord


@contextmanager
def real_upstream() -> Iterator[RealUpstream]:
    """Launch a user server in a folder of its own, and stop it at the end."""
    with tempfile.TemporaryDirectory(prefix="pnb-bench-") as folder:
        manager = NotebookManager(Settings(notebook_folder=folder))
        place = manager.folder(USER)
        for path in (place.path, place.runtime, config := place.runtime / "config"):
            private_folder(path)
        private_folder(config / "jupyter_server_config.d")
        unlimited = json.dumps({"ZMQChannelsWebsocketConnection": {"limit_rate": False}})
        (config / "jupyter_server_config.d" / "benchmark.json").write_text(unlimited)
        context = NotebookContext.from_mapping({}).to_dict()
        try:
            manager.launch(USER, ServerOptions(user=USER, base_url=BASE, context=context))
            record = manager.find(USER)
            assert record
            yield RealUpstream(record)
        finally:
            manager.stop(USER)


@contextmanager
def connections(upstream: RealUpstream, notes: list[str]) -> Iterator[dict[str, Connect]]:
    """Start all ways that there are; notes tell of the others."""
    record = upstream.record
    status, kernels = ask(record, "GET", f"{BASE}api/kernels", timeout=_SECONDS)
    assert status == 200, status
    path = f"{BASE}api/kernels/{kernels[0]['id']}/channels"

    def direct() -> websocket.WebSocket:
        fields = {SECRET_HEADER: record.secret}
        inside = dial(record, _SECONDS)
        return websocket.create_connection(f"ws://localhost{path}", socket=inside, header=fields, suppress_origin=True)

    def through(served: servers.Served) -> Connect:
        url = f"ws://127.0.0.1:{served.port}{path}"
        options = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
        return lambda: websocket.create_connection(
            url, header=served.headers, suppress_origin=True, timeout=_SECONDS, sockopt=options
        )

    found: dict[str, Connect] = {DIRECT: direct, CONTROL: direct}
    with ExitStack() as running:
        for way in DOORS:
            problem = servers.missing(way) if way in servers.WAYS else f"{way} is not there yet"
            if problem:
                notes.append(f"{way} is left out: {problem}.")
            else:
                found[way] = through(running.enter_context(servers.serving(way, upstream, **ROOM)))
        yield found


def messages_per_second(connection: websocket.WebSocket, number: int) -> float:
    """Run a cell that displays something so many times; returns how many of its messages came in a second."""
    identifier = uuid.uuid4().hex
    header = {"msg_id": identifier, "msg_type": "execute_request", "session": "benchmark", "version": "5.3"}
    content = {"code": f"for number in range({number}): display(number)", "silent": False, "store_history": False}
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
    displayed = 0
    begun = time.perf_counter()
    connection.send(json.dumps(message))
    while True:
        answer = json.loads(connection.recv())
        if answer["parent_header"].get("msg_id") != identifier:
            continue
        displayed += answer["msg_type"] == "display_data"
        if answer["msg_type"] == "status" and answer["content"]["execution_state"] == "idle":
            break
    seconds = time.perf_counter() - begun
    assert displayed == number, f"{displayed} of {number} messages came"
    connection.close()
    return number / seconds


def measure(results: Results, ways: dict[str, Connect], rounds: int, number: int) -> None:
    """Take all measures, each way in turn, after one round that warms up."""
    for turn in range(-1, rounds):
        names = list(ways)
        first = turn % len(names)
        for way in (*names[first:], *names[:first]):
            trip = statistics.median(round_trips(ways[way]())) * 1000
            rate = messages_per_second(ways[way](), number)
            if turn >= 0:
                results.add(ROUND_TRIP, way, turn, trip)
                results.add(MESSAGES, way, turn, rate)


def table(results: Results, ways: list[str]) -> str:
    """Return the table, and a line for each way that was left out."""
    lines = [
        "| way | `kernel_info`, ms | x direct | messages/s | x direct |",
        "|---|---:|---:|---:|---:|",
    ]
    for way in ways:
        cells = [
            f"{results.median(ROUND_TRIP, way):.2f}",
            f"{results.ratio(ROUND_TRIP, way, DIRECT):.2f}",
            f"{results.median(MESSAGES, way):,.0f}",
            f"{results.ratio(MESSAGES, way, DIRECT):.2f}",
        ]
        lines.append(f"| {way} | {' | '.join(cells)} |")
    return "\n".join([*lines, *(f"\n- {note}" for note in results.notes)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="fewer messages")
    parser.add_argument("--json", action="store_true", help="print, last, one JSON object: the ratios to direct")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into this page")
    options = parser.parse_args()
    results = Results()
    with real_upstream() as upstream, connections(upstream, results.notes) as found:
        measure(results, found, options.rounds, 500 if options.quick else 2000)
    text = table(results, list(found))
    if options.write:
        written(options.write, text, mark=MARK)
    if not options.json:
        print(text)
        return
    figures = {
        f"{way}_{measure}_vs_direct".replace(" ", "_"): round(ratio, 3)
        for measure in (ROUND_TRIP, MESSAGES)
        for way in (CONTROL, *DOORS)
        if (ratio := results.ratio(measure, way, DIRECT)) is not None
    }
    spreads = [
        f"{way}, {measure}: {results.spread(measure, way, DIRECT)}"
        for measure in (ROUND_TRIP, MESSAGES)
        for way in list(found)[1:]
    ]
    print("\n".join((*results.notes, *spreads, json.dumps(figures))))


if __name__ == "__main__":
    main()
