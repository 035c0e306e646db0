"""Kills user servers, kernels and web servers, and measures how soon that is noticed and all is well again.

Run it with ``python -m benchmarks.recover [--rounds N] [--json]``. There is no browser: requests and websockets go
through the door of the running demo site. Each round launches a notebook and kills, with signal 9 and in turn:

* the user server: noticed when its page answers 502; one POST to ``-/start`` starts it again
* the kernel: noticed when Jupyter says ``restarting`` on the websocket; nothing is to be done
* the web server: noticed when it refuses connections; it is started again, as a service manager would

All is well when a kernel answers that the object of the launch is there. A file of the user must be as before, and
after the round no process of the launch may run. What is not as it must be ends the program with an error.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import signal
import statistics
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import websocket

from pyramid_notebook.processes import identity, members
from pyramid_notebook.record import LAUNCH_VARIABLE, ServerRecord
from tests.running import Site, demo_site, wait_until

USER = "user"
AIRPORT = "JFK"
PATIENCE = 60.0
FAULTS = ("user server", "kernel", "web server")


@dataclass
class Fault:
    """How often something was killed, and what came of it, in seconds."""

    noticed: list[float] = field(default_factory=list)
    recovered: list[float] = field(default_factory=list)


class Client:
    """A signed-in user of the site, as a program."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.session = site.session(USER)

    @property
    def record(self) -> ServerRecord:
        record = self.site.manager.find(USER)
        assert record, "no user server runs"
        return record

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Accept": "application/json", **options.pop("headers", {})}
        return self.session.request(method, f"{self.site.url}{path}", headers=headers, timeout=PATIENCE, **options)

    def launch(self) -> None:
        page = self.session.get(f"{self.site.url}/airports/{AIRPORT}", timeout=PATIENCE).text
        token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
        self.request("POST", f"/airports/{AIRPORT}/shell", data={"csrf_token": token}).raise_for_status()

    def read(self, name: str) -> bytes:
        """Return a file of the user as the door hands it out (Jupyter Server, "Contents API")."""
        path = f"{self.record.base_url}api/contents/{name}?content=1&type=file&format=base64"
        return base64.b64decode(self.request("GET", path).json()["content"])

    def connect(self) -> websocket.WebSocket:
        """Open a websocket to the one kernel that runs."""
        base_url = self.record.base_url
        [kernel] = self.request("GET", f"{base_url}api/kernels").json()
        return websocket.create_connection(
            f"{self.site.url.replace('http:', 'ws:')}{base_url}api/kernels/{kernel['id']}/channels",
            origin=self.site.url,
            cookie="; ".join(f"{item.name}={item.value}" for item in self.session.cookies),
            timeout=PATIENCE,
        )


def evaluate(connection: websocket.WebSocket, expression: str) -> str:
    """Ask a kernel for the value of an expression (Jupyter messaging, "Execute")."""
    identifier = uuid.uuid4().hex
    content = {"code": "", "silent": True, "store_history": False, "user_expressions": {"value": expression}}
    header = {"msg_id": identifier, "msg_type": "execute_request", "session": "recover", "version": "5.3"}
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
    connection.send(json.dumps(message))
    while True:
        answer = json.loads(connection.recv())
        if answer["msg_type"] == "execute_reply" and answer["parent_header"]["msg_id"] == identifier:
            value = answer["content"]["user_expressions"]["value"]
            return str(value["data"]["text/plain"] if value["status"] == "ok" else value["ename"])


def until_well(client: Client) -> None:
    connection = client.connect()
    assert evaluate(connection, "airport.iata") == f"'{AIRPORT}'", "the object of the launch is not there"
    connection.close()


def timed(action: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def kill_user_server(client: Client, fault: Fault) -> None:
    killed = client.record
    page = f"{killed.base_url}tree"
    os.kill(killed.pid, signal.SIGKILL)
    fault.noticed.append(
        timed(
            lambda: wait_until(
                lambda: client.request("GET", page, headers={"Accept": "text/html"}).status_code == 502,
                "the page says that the server is gone",
                seconds=PATIENCE,
            )
        )
    )

    def recover() -> None:
        client.request("POST", f"{killed.base_url}-/start").raise_for_status()
        until_well(client)

    fault.recovered.append(timed(recover))
    assert members(killed) == [], "something of the killed server still runs"


def kill_kernel(client: Client, fault: Fault) -> None:
    connection = client.connect()
    evaluate(connection, "1")
    pid = int(evaluate(connection, "__import__('os').getpid()"))
    os.kill(pid, signal.SIGKILL)

    def notice() -> None:
        while json.loads(connection.recv())["content"].get("execution_state") != "restarting":
            pass

    fault.noticed.append(timed(notice))
    connection.close()
    fault.recovered.append(timed(lambda: until_well(client)))


def kill_web_server(client: Client, fault: Fault) -> None:
    pid = client.record.pid
    client.site.kill()

    def is_refused() -> bool:
        try:
            client.request("GET", "/login")
        except requests.ConnectionError:
            return True
        return False

    fault.noticed.append(timed(lambda: wait_until(is_refused, "connections are refused", seconds=PATIENCE)))

    def recover() -> None:
        client.site.start()
        until_well(client)

    fault.recovered.append(timed(recover))
    assert client.record.pid == pid, "the user server did not outlive the web server"


def running(launches: set[str]) -> list[int]:
    """Return the processes that inherited one of these launches in their environment (proc(5))."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and identity(int(folder.name)):
            try:
                environment = (folder / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if any(f"{LAUNCH_VARIABLE}={launch}".encode() in environment for launch in launches):
                found.append(int(folder.name))
    return found


def play_round(client: Client, faults: dict[str, Fault]) -> None:
    client.launch()
    until_well(client)
    kept = client.site.manager.folder(USER).work / "kept.bin"
    content = os.urandom(100_000)
    kept.write_bytes(content)
    launches = {client.record.launch_id}
    for name, kill in zip(FAULTS, (kill_user_server, kill_kernel, kill_web_server), strict=True):
        kill(client, faults[name])
        launches.add(client.record.launch_id)
        assert client.read(kept.name) == content, "the file changed"
    client.request("POST", f"{client.record.base_url}-/stop").raise_for_status()
    assert kept.read_bytes() == content, "the file changed"
    assert client.site.manager.find(USER) is None, "the user server still runs"
    assert running(launches) == [], "processes of the launch still run"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON object, with medians in milliseconds")
    options = parser.parse_args()
    faults = {name: Fault() for name in FAULTS}
    with demo_site(static=True) as site:
        client = Client(site)
        for _ in range(options.rounds):
            play_round(client, faults)
    if options.json:
        medians = {
            name: {"count": len(fault.recovered), "noticed": statistics.median(fault.noticed) * 1000,
                   "recovered": statistics.median(fault.recovered) * 1000}
            for name, fault in faults.items()
        }  # fmt: skip
        print(json.dumps(medians))
        return
    print("| killed      | count | noticed, median ms | worst | well again, median ms | worst |")
    print("|-------------|------:|-------------------:|------:|----------------------:|------:|")
    for name, fault in faults.items():
        cells = [statistics.median(fault.noticed), max(fault.noticed)]
        cells += [statistics.median(fault.recovered), max(fault.recovered)]
        noticed, slowest, recovered, longest = (seconds * 1000 for seconds in cells)
        count = len(fault.recovered)
        print(f"| {name:11} | {count:5} | {noticed:18.0f} | {slowest:5.0f} | {recovered:21.0f} | {longest:5.0f} |")


if __name__ == "__main__":
    main()
