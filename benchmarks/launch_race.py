"""One user, launched from eight processes at once: how many servers come of it, and how long it takes.

Run it with ``python -m benchmarks.launch_race [--rounds N] [--json]``. Each round starts the processes, waits
until each has launched the user's server, compares what they found, counts the daemons, and stops the server. The peer
is a launch by one process alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from pyramid_notebook.manager import NotebookManager
from pyramid_notebook.settings import Settings
from tests.test_manager import LAUNCH

PROCESSES = 8


def race(root: str, processes: int) -> tuple[set[str], float]:
    """Launch from so many processes at once; returns the servers' pids that they found, and the seconds it took."""
    begun = time.perf_counter()
    command = [sys.executable, "-c", LAUNCH, root]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    found = {process.communicate(timeout=120)[0].strip() for process in running}
    return found, time.perf_counter() - begun


def daemons(root: str) -> set[str]:
    """Return the pids of the daemons that serve a folder."""
    lines = {str(item.pid): " ".join(item.info["cmdline"] or ()) for item in psutil.process_iter(["cmdline"])}
    return {pid for pid, line in lines.items() if root in line and "notebook_daemon.py" in line}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    one_server, raced, alone = 0, [], []
    with tempfile.TemporaryDirectory(prefix="pnb-race-") as folder:
        root = str(Path(folder, "notebooks"))
        manager = NotebookManager(Settings(notebook_folder=root))
        for _ in range(options.rounds):
            alone.append(race(root, 1)[1])
            manager.stop("alice")
            found, seconds = race(root, PROCESSES)
            raced.append(seconds)
            one_server += len(found) == 1 and daemons(root) == found
            manager.stop("alice")
    values = {
        "rounds": options.rounds,
        "rounds with one server": one_server,
        f"{PROCESSES} processes, median s": round(statistics.median(raced), 2),
        "1 process, median s": round(statistics.median(alone), 2),
        "ratio": round(statistics.median(raced) / statistics.median(alone), 2),
    }
    if options.json:
        print(json.dumps(values))
        return
    print(f"| {'what':26} | value |\n|{'-' * 28}|------:|")
    for name, value in values.items():
        print(f"| {name:26} | {value:5} |")


if __name__ == "__main__":
    main()
