"""How long it takes until an editor's change is seen, and until a cell that it runs shows its output.

Run it with ``python -m benchmarks.sync [--quick] [--json]``. It starts the demo site, pushes files of 5, 500 and 2,000
cells with one changed cell each time, through the door and past it in turns, and watches the shared document as a page
does. A gap of the user server's event loop is measured inside it, by an extension that does nothing else; the longest
one while nothing happens is what the machine itself does.
"""

from __future__ import annotations

import argparse
import compileall
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import websocket
from pycrdt import Array, Doc, YMessageType, create_sync_message, handle_sync_message

from pyramid_notebook.layout import UserFolder
from pyramid_notebook.proxy.connection import dial
from pyramid_notebook.record import SECRET_HEADER, TOKEN_HEADER, ServerRecord
from pyramid_notebook.scopes import Grant, Scope
from pyramid_notebook.settings import Settings
from pyramid_notebook.tokens.database import open_store
from tests.running import ROOT, Site, demo_site, wait_until

USER = "admin"
SIZES = (5, 500, 2000)
#: Milliseconds at the median.
TARGETS = {"visible_5_ms": 10, "visible_500_ms": 60, "visible_2000_ms": 200, "run_ms": 16, "client_ms": 120}
LOOP_TARGET = 20


class Direct(http.client.HTTPConnection):
    """A connection past the door, with what the door would add."""

    def __init__(self, record: ServerRecord) -> None:
        super().__init__("localhost", timeout=60)
        self._record = record

    def connect(self) -> None:
        self.sock = dial(self._record, 60)


class Page:
    """A page with the notebook open, which notes when a text arrives (y-protocols, sync)."""

    def __init__(self, url: str, fields: dict[str, str]) -> None:
        self._connection = websocket.create_connection(
            url, header=fields, timeout=60, suppress_origin=True, sockopt=((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
        )
        self._doc: Doc[Any] = Doc()
        self._cells = self._doc.get("cells", type=Array)
        self._awaited: Callable[[Any], bool] | None = None
        self._arrived = threading.Event()
        self._moment = 0.0
        self.expect(lambda cells: len(cells) > 0)
        threading.Thread(target=self._take, daemon=True).start()
        self._connection.send_binary(create_sync_message(self._doc))
        self.arrived()

    def _take(self) -> None:
        try:
            while True:
                message = self._connection.recv()
                if not isinstance(message, bytes) or message[:1] != bytes([YMessageType.SYNC]):
                    continue
                if reply := handle_sync_message(message[1:], self._doc):
                    self._connection.send_binary(reply)
                if self._awaited is not None and self._awaited(self._cells):
                    self._moment, self._awaited = time.perf_counter(), None
                    self._arrived.set()
        except (websocket.WebSocketException, OSError):
            return

    def expect(self, condition: Callable[[Any], bool]) -> None:
        """Begin to wait until the cells are as they should be."""
        self._arrived.clear()
        self._awaited = condition

    def arrived(self) -> float:
        """Return when it came, in seconds of the performance counter."""
        assert self._arrived.wait(60), "the page did not hear of it"
        return self._moment

    def close(self) -> None:
        self._connection.close()


class Bench:
    """The site, its user with a token, and both ways to the user server."""

    def __init__(self, site: Site, token: str) -> None:
        self.site, self.token = site, token
        self.base = f"/notebook/{USER}/"
        self.fields = {"Authorization": f"Bearer {token}"}
        self.door = http.client.HTTPConnection("127.0.0.1", site.port, timeout=60)
        self.ask(self.door, "GET", "api/status")
        record = site.manager.find(USER)
        assert record
        self.direct = Direct(record)
        self.secret = {SECRET_HEADER: record.secret, TOKEN_HEADER: "1"}

    def ask(self, way: http.client.HTTPConnection, method: str, path: str, values: Any = None) -> Any:
        fields = self.fields if way is self.door else self.secret
        body = None if values is None else json.dumps(values).encode()
        if way.sock is None:
            way.connect()
            if way is self.door:
                way.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        way.request(method, self.base + path, body, fields)
        answer = way.getresponse()
        text = answer.read()
        assert answer.status < 300, text
        return json.loads(text) if text else None

    def page(self, notebook: str) -> Page:
        wanted = {"format": "json", "type": "notebook"}
        session = self.ask(self.door, "PUT", f"api/collaboration/session/{notebook}", wanted)
        room = f"json:notebook:{session['fileId']}?sessionId={session['sessionId']}"
        return Page(f"ws://127.0.0.1:{self.site.port}{self.base}api/collaboration/room/{room}", self.fields)

    def gap(self) -> float:
        """Return the longest gap of the event loop since the last call, in milliseconds."""
        return float(self.ask(self.direct, "GET", "api/loop-probe"))


def script(size: int, marker: str) -> str:
    """Return a file with so many cells of a few lines, one of which holds the marker."""
    cells = [f"# %%\nvalue_{n} = {n}\nfor step in range({n}):\n    print(step, value_{n})\n\n" for n in range(size)]
    cells[size // 2] += f"# {marker}\n\n"
    return "".join(cells)


def measure_sync(bench: Bench, size: int, rounds: int) -> dict[str, Any]:
    """Return milliseconds until a changed cell is seen and until it is saved, by way, and the longest gap."""
    notebook = f"size-{size}.ipynb"
    common = {"file": f"/home/me/size-{size}.py", "notebook": notebook}
    rev = bench.ask(bench.door, "POST", "sync/pair", {**common, "text": script(size, "start")})["rev"]
    page = bench.page(notebook)
    seen: dict[str, list[float]] = {"door": [], "direct": []}
    saved: dict[str, list[float]] = {"door": [], "direct": []}
    bench.gap()
    for turn in range(rounds + 3):
        for name, way in (("door", bench.door), ("direct", bench.direct)):
            marker = f"marker-{size}-{turn}-{name}"
            values = {**common, "text": script(size, marker), "rev": rev}
            page.expect(lambda cells, marker=marker: marker in str(cells[size // 2]["source"]))
            begun = time.perf_counter()
            rev = bench.ask(way, "POST", "sync", values)["rev"]
            ended = time.perf_counter()
            if turn >= 3:  # those before it warm up
                seen[name].append((page.arrived() - begun) * 1000)
                saved[name].append((ended - begun) * 1000)
    page.close()
    return {
        "visible": statistics.median(seen["door"]),
        "direct": statistics.median(seen["direct"]),
        "saved": statistics.median(saved["door"]),
        "gap": bench.gap(),
    }


def measure_run(bench: Bench, rounds: int) -> dict[str, float]:
    """Return milliseconds until the output of ``1+1`` is seen, by way."""
    common = {"file": "/home/me/run.py", "notebook": "run.ipynb"}
    bench.ask(bench.door, "POST", "sync/pair", {**common, "text": "# %%\n1+1\n"})
    page = bench.page("run.ipynb")
    seen: dict[str, list[float]] = {"door": [], "direct": []}
    for turn in range(rounds + 3):
        for name, way in (("door", bench.door), ("direct", bench.direct)):
            count = 2 * turn + 1 + (way is bench.direct)
            page.expect(lambda cells, count=count: _shows_result(cells[0], count))
            begun = time.perf_counter()
            answer = bench.ask(way, "POST", "sync/run", {**common, "what": "all"})
            assert answer["status"] == "ok", answer
            if turn >= 3:
                seen[name].append((page.arrived() - begun) * 1000)
    page.close()
    return {"door": statistics.median(seen["door"]), "direct": statistics.median(seen["direct"])}


def _shows_result(cell: Any, count: int) -> bool:
    outputs = cell["outputs"]
    return len(outputs) > 0 and outputs[0].get("execution_count") == count


def measure_client(bench: Bench, folder: Path, rounds: int) -> dict[str, float]:
    """Return milliseconds from the start of the client's process to its end, for one sync, and Python's own.

    Its modules are compiled, as pip does it for all that it installs.
    """
    compileall.compile_dir(str(ROOT / "pyramid_notebook"), quiet=1)
    file = folder / "client.py"
    file.write_text(script(5, "start"))
    environment = os.environ | {
        "PYRAMID_NOTEBOOK_URL": bench.site.url + bench.base,
        "PYRAMID_NOTEBOOK_TOKEN": bench.token,
        "XDG_CONFIG_HOME": str(folder),
        "XDG_STATE_HOME": str(folder),
    }
    command = [str(Path(sys.executable).with_name("pyramid-notebook"))]

    def run(*arguments: str) -> float:
        begun = time.perf_counter()
        done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False, timeout=60)
        taken = (time.perf_counter() - begun) * 1000
        assert done.returncode == 0, done.stderr
        return taken

    run(*command, "pair", str(file))
    client, python = [], []
    for turn in range(rounds + 2):
        file.write_text(script(5, f"turn {turn}"))
        client.append(run(*command, "sync", "--filename", str(file)))
        python.append(run(sys.executable, "-c", "pass"))
    return {"client": statistics.median(client[2:]), "python": statistics.median(python[2:])}


@contextmanager
def bench_of(site: Site) -> Iterator[Bench]:
    """Give the user a token and the probe, and start their server."""
    settings = Settings(notebook_folder=str(site.folder / "notebooks"))
    store = open_store(settings)
    _, token = store.create(USER, "benchmark", [Grant(Scope.SYNC), Grant(Scope.SHELL)], 3600)
    store.close()
    bench = Bench(site, token)
    try:
        yield bench
    finally:
        bench.door.close()
        bench.direct.close()


def prepare(site: Site) -> None:
    """Let the user's server load the probe."""
    folder = UserFolder(site.folder / "notebooks" / USER).runtime / "config" / "jupyter_server_config.d"
    folder.mkdir(parents=True, mode=0o700)
    for parent in (folder.parent, folder.parent.parent, folder.parent.parent.parent):
        parent.chmod(0o700)
    extensions = {"ServerApp": {"jpserver_extensions": {"benchmarks.loop_probe": True}}}
    (folder / "probe.json").write_text(json.dumps(extensions))


def measure(rounds: int) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Return the rows of the table, and the figures that have a target."""
    os.environ["PYTHONPATH"] = str(ROOT)
    with demo_site() as site, tempfile.TemporaryDirectory(prefix="pnb-sync-") as folder:
        prepare(site)
        with bench_of(site) as bench:
            wait_until(lambda: bench.ask(bench.door, "GET", "api/status")["kernels"] is not None, "the server is up")
            bench.gap()
            time.sleep(2)
            rows: list[dict[str, Any]] = [{"what": "nothing", "longest gap of the loop, ms": round(bench.gap(), 1)}]
            figures: dict[str, float] = {}
            for size in SIZES:
                found = measure_sync(bench, size, rounds)
                figures[f"visible_{size}_ms"] = round(found["visible"], 1)
                figures[f"loop_{size}_ms"] = round(found["gap"], 1)
                rows.append(
                    {
                        "what": f"sync, {size} cells",
                        "seen, ms": round(found["visible"], 1),
                        "past the door, ms": round(found["direct"], 1),
                        "door / direct": round(found["visible"] / found["direct"], 2),
                        "answered, ms": round(found["saved"], 1),
                        "longest gap of the loop, ms": round(found["gap"], 1),
                    }
                )
            run = measure_run(bench, rounds)
            figures["run_ms"] = round(run["door"], 1)
            rows.append(
                {
                    "what": "run 1+1",
                    "seen, ms": round(run["door"], 1),
                    "past the door, ms": round(run["direct"], 1),
                    "door / direct": round(run["door"] / run["direct"], 2),
                }
            )
            client = measure_client(bench, Path(folder), rounds)
            figures["client_ms"] = round(client["client"], 1)
            rows.append({"what": "client process, one sync", "answered, ms": round(client["client"], 1)})
            rows.append({"what": "Python that does nothing", "answered, ms": round(client["python"], 1)})
        return rows, figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--json", action="store_true", help="print one JSON object: the figures that have targets")
    options = parser.parse_args()
    rows, figures = measure(15 if options.quick else options.rounds)
    if options.json:
        print(json.dumps(figures))
        return
    names = list(dict.fromkeys(name for row in rows for name in row))
    print(f"| {' | '.join(names)} |\n|{'---|' * len(names)}")
    for row in rows:
        print(f"| {' | '.join(str(row.get(name, '')) for name in names)} |")
    targets = ", ".join(f"{name} {value}" for name, value in TARGETS.items())
    print(f"\nTargets: {targets}; a gap of the loop {LOOP_TARGET} ms.")


if __name__ == "__main__":
    main()
