"""What is left of many calls of which some crash, some take too long, and some lose their caller: nothing should be.

Run it with ``python -m benchmarks.function_faults [--calls 10000] [--write docs/benchmarks.md]``. The demo site runs
on waitress, and four callers at once call a notebook through its door, each call with a random number. In a hundred
calls five kill themselves with a random signal, five run into their deadline, and of five the caller goes away while
they run; the others return a function of their number, which is checked. Before and after it counts processes,
descriptors of the user server, of the process that is forked and of the web server, and temporary files.
"""

from __future__ import annotations

import os
import random
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from pyramid_notebook import processes
from tests.functions.callers import code
from tests.running import wait_until

from .functions_site import FunctionSite, Line, function_site
from .telling import tell_faults

MARK = "<!-- NUMBERS: function faults -->"
CALLERS = 4
RIGHT, CRASH, LATE, GONE = "right", "crash", "time-out", "caller gone"
SHARES = {CRASH: 5, LATE: 5, GONE: 5}
SIGNALS = (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS)
#: Seconds that a call may take; those that never end leave children, too.
DEADLINE = 2.0
#: Calls, and callers at once, before anything is counted: each thread of the web server opens the database of tokens.
_WARM, _WARM_CALLERS = 200, 16
#: Readings, half a second apart, that must be the same.
_SAME = 5
#: Command line of what a call starts that does not end.
_SLEEP = "sleep 98765"
#: What a call does beside its work: it leaves a temporary file open; and programs that do not end.
_CELL = """
import os, signal, subprocess, tempfile, time
kept = tempfile.TemporaryFile()
if fate == "crash":
    os.kill(os.getpid(), how)
if fate == "wait":
    time.sleep(0.2)
while fate in ("time-out", "caller gone"):
    subprocess.run(["sleep", "98765"])
"""


def write_notebook(site: FunctionSite) -> None:
    """Put the notebook into the user's folder that is called."""
    parameters = code("number: int\nfate = 'right'\nhow = 9", "parameters")
    site.write("fate.ipynb", parameters, code(_CELL), code("[number, number * number + 1]", "return"), timeout=DEADLINE)


class Calls:
    """Calls that are made by several threads.

    Args:
        site: where they are made.
        number: how many.
        seed: of the random numbers.
    """

    def __init__(self, site: FunctionSite, number: int, seed: int) -> None:
        self.outcomes: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._site = site
        self._random = random.Random(seed)
        shares = [fate for fate, share in SHARES.items() for _ in range(share)]
        self._fates = iter([self._random.choice([*shares, *[RIGHT] * (100 - len(shares))]) for _ in range(number)])
        self._lock = threading.Lock()

    def make(self, callers: int = CALLERS) -> float:
        """Make them all, so many at once, and return how many seconds that took."""
        threads = [threading.Thread(target=self._work) for _ in range(callers)]
        begun = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.monotonic() - begun

    def _next(self) -> tuple[str, int, int, float]:
        with self._lock:
            fate = next(self._fates, "")
            return fate, self._random.randrange(1 << 40), self._random.choice(SIGNALS), self._random.uniform(0, 0.1)

    def _work(self) -> None:
        line = self._site.line()
        while True:
            fate, number, how, pause = self._next()
            if not fate:
                break
            try:
                outcome = self._call(line, fate, number, how, pause)
            except Exception as error:
                outcome = f"{type(error).__name__}: {error}"
            if fate == GONE or outcome != fate:
                line.close()
                line = self._site.line()
            with self._lock:
                self.outcomes[fate] += 1
                if outcome != fate:
                    self.wrong.append(f"{fate} {number}: {outcome}")
        line.close()

    @staticmethod
    def _call(line: Line, fate: str, number: int, how: int, pause: float) -> str:
        """Make a call, and return what became of it: its fate, or what went wrong."""
        values = {"number": number, "fate": fate, "how": int(how)}
        if fate == GONE:
            line.send("fate.ipynb", values)
            time.sleep(pause)  # it goes away at any moment, so that is not waited for
            return GONE
        answer, told = line.ask("fate.ipynb", **values)
        reason = str(told["type"].rpartition(":")[2]) if isinstance(told, dict) else ""
        found = {(200, ""): RIGHT, (500, "died"): CRASH, (504, "timeout"): LATE}.get((answer.status, reason), "")
        if not found or (found == RIGHT and told != [number, number * number + 1]):
            return f"{answer.status} {told}"
        return found


def held(site: FunctionSite, temporary: Path) -> dict[str, int]:
    """Count what the site and its user server have, and what is in their folder for temporary files."""
    record = site.record
    members = processes.members(record)
    zygote = [member for member in members if "zygote" in _command(member)]
    return {
        "processes of the user server": len(members),
        "its descriptors": psutil.Process(record.pid).num_fds(),
        "descriptors of the zygote": sum(process.num_fds() for process in zygote),
        "descriptors of the web server": _descriptors(site.site.process.pid),
        "zombies": sum(member.status() == psutil.STATUS_ZOMBIE for member in members),
        "processes of calls": sum(_SLEEP in _command(process) for process in psutil.process_iter()),
        "temporary files": len(_names(temporary)),
        "files in the user's folder": sum(len(files) for _folder, _folders, files in os.walk(site.folder.work)),
    }


def _descriptors(pid: int) -> int:
    """Count the descriptors of the web server, but for databases: each of its threads opens them when it needs them."""
    found = 0
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            found += ".sqlite" not in path.readlink().name
    return found


def _command(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def _names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def settled(site: FunctionSite, temporary: Path) -> dict[str, int]:
    """Return what is held once nothing of it has changed for some seconds, with as many kept connections each time."""
    _fill_connections(site)
    seen: list[dict[str, int]] = []

    def is_same() -> bool:
        time.sleep(0.5)
        seen.append(held(site, temporary))
        return len(seen) >= _SAME and all(one == seen[-1] for one in seen[-_SAME:])

    wait_until(is_same, "nothing changes any more", seconds=60)
    return seen[-1]


def _fill_connections(site: FunctionSite) -> None:
    """Have the web server keep as many connections to the user server as it may."""
    lines = [site.line() for _ in range(_WARM_CALLERS)]
    for line in lines:
        line.send("fate.ipynb", {"number": 1, "fate": "wait"})
    for line in lines:
        line.receive()
        line.close()


@contextmanager
def temporary_files() -> Iterator[Path]:
    """Give all programs that are started a folder of their own for temporary files."""
    before = tempfile.gettempdir()  # this program keeps its own
    with tempfile.TemporaryDirectory(prefix="pnb-tmp-") as folder:
        os.environ["TMPDIR"] = folder
        try:
            yield Path(folder)
        finally:
            os.environ["TMPDIR"] = before


def measure(number: int, seed: int) -> tuple[dict[str, Any], list[str]]:
    """Make the calls, and return the table and what went wrong."""
    with temporary_files() as temporary, function_site(function_queue="1000") as site:
        write_notebook(site)
        Calls(site, _WARM, seed).make(_WARM_CALLERS)
        before, names = settled(site, temporary), _names(temporary)
        calls = Calls(site, number, seed + 1)
        seconds = calls.make()
        after = settled(site, temporary)
        left = [f"left: {name}" for name in sorted(_names(temporary) - names)]
        with closing(site.line()) as line:
            assert line.call("fate.ipynb", number=3) == [3, 10]
    rows: dict[str, Any] = {f"calls: {fate}": count for fate, count in sorted(calls.outcomes.items())}
    rows |= {"wrong answers": len(calls.wrong), "calls/s": round(number / seconds, 1)}
    rows |= {f"{name} more": after[name] - before[name] for name in before}
    return rows, calls.wrong + left


if __name__ == "__main__":
    tell_faults(__doc__, measure, mark=MARK)
