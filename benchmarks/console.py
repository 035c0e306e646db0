"""How fast kernels answer over JSON-RPC, through the door of a site, and how soon the console has its prompt.

Run it with ``python -m benchmarks.console [--quick] [--json] [--write docs/benchmarks.md]``, after
``make bench-tools``. The demo site runs on waitress; all connections are websockets with a token. Beside it run, in
each round, jupyter_console on a kernel of this machine, without any site, and jupyter_kernel_client through the same
door. What is told are medians over the rounds of the figures of a round.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Protocol

import pexpect

from .console_peers import CONSOLE_COMMAND, JUPYTER_CONSOLE, PEERS, missing
from .console_site import ConsoleSite, console_site
from .proxy_results import Results
from .telling import cell, tell_figures

DOOR, DIRECT, CLIENT = "JSON-RPC through the door", "JSON-RPC past the door", "NotebookClient through the door"
OURS = "pyramid-notebook console"
EXECUTE, EXECUTE_95, COMPLETE, LINES, FLUSHED, START = "execute", "p95", "complete", "lines", "flushed", "start"
PRINTED, PRINTED_FLUSHED = 10_000, 2_000
TARGETS = {
    "execute_p50_ms": "<= 4", "complete_p50_ms": "<= 15", "lines_per_s": ">= 20000",
    "flushed_lines_per_s": ">= 20000", "start_s": "<= 0.6",
}  # fmt: skip
MARK = "<!-- NUMBERS: console -->"
_CODE = {
    LINES: (PRINTED, f"for i in range({PRINTED}): print(i)"),
    FLUSHED: (PRINTED_FLUSHED, f"for i in range({PRINTED_FLUSHED}): print(i, flush=True)"),
}
_PROMPT = r"In[^A-Za-z]{0,40}\[.{0,40}1.{0,40}\]"
_SECONDS = 60


class Way(Protocol):
    """A way to a kernel."""

    def execute(self, code: str) -> tuple[float, str]: ...

    def complete(self, code: str) -> float: ...


#: Opens a way.
Opening = Callable[[], AbstractContextManager[Way]]


class Client:
    """Our Python client.

    Args:
        site: where its kernel is.
    """

    def __init__(self, site: ConsoleSite) -> None:
        from pyramid_notebook.client import NotebookClient

        self._client = NotebookClient(site.notebooks, token=site.token)
        self._session = self._client.open()

    def execute(self, code: str) -> tuple[float, str]:
        begun = time.perf_counter()
        text = "".join(event.text("text") for event in self._session.execute(code) if event.kind == "stream")
        return time.perf_counter() - begun, text

    def complete(self, code: str) -> float:
        begun = time.perf_counter()
        found = self._session.complete(code, len(code))
        taken = time.perf_counter() - begun
        assert len(found["matches"]) > 100, found
        return taken

    def close(self) -> None:
        self._session.shutdown()
        self._client.close()


def take(results: Results, turn: int, name: str, way: Way, calls: int) -> None:
    """Measure a way once; turns before 0 only warm up."""
    add = results.add if turn >= 0 else lambda *_: None
    way.execute("import numpy")
    way.complete("numpy.")
    taken = [way.execute("1+1")[0] * 1000 for _ in range(calls)]
    add(EXECUTE, name, turn, statistics.median(taken))
    add(EXECUTE_95, name, turn, statistics.quantiles(taken, n=20)[-1])
    add(COMPLETE, name, turn, statistics.median(way.complete("numpy.") for _ in range(calls // 4)) * 1000)
    for measure, (number, code) in _CODE.items():
        seconds, text = way.execute(code)
        if "".join(f"{line}\n" for line in range(number)) in text:
            add(measure, name, turn, number / seconds)
        else:  # kernels drop messages where the machine is too busy
            results.notes.append(f"{name}, once: of {number:,} lines {text.count(chr(10)):,} came.")


def started(command: list[str], home: Path) -> float:
    """Return how many seconds a program needs from its start to its first prompt, in a terminal."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYRAMID_NOTEBOOK", "XDG_"))}
    environment = {**kept, "HOME": str(home), "TERM": "xterm-256color"}
    begun = time.perf_counter()
    terminal = pexpect.spawn(command[0], command[1:], env=environment, timeout=_SECONDS, encoding="utf-8")
    try:
        terminal.expect(_PROMPT)
        return time.perf_counter() - begun
    finally:
        terminal.close(force=True)


@contextmanager
def ways_to(site: ConsoleSite, notes: list[str]) -> Iterator[dict[str, Opening]]:
    """Yield how all ways that there are to a kernel are opened, in their turn; notes tell of the others."""
    found: dict[str, Opening] = {
        DOOR: lambda: closing(site.line()),
        DIRECT: lambda: closing(site.direct()),
        CLIENT: lambda: closing(Client(site)),
    }
    with ExitStack() as running:
        for peer, start in PEERS.items():
            if problem := missing(peer):
                notes.append(f"{problem}.")
            else:  # these have kernels of their own, which stay
                found[peer] = partial(nullcontext, running.enter_context(start(site)))
        yield found


def measure(rounds: int, calls: int) -> Results:
    """Take all measures."""
    results = Results()
    with console_site() as site, tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        site.sign_in(home)
        line = site.line()
        line.leave()
        with ways_to(site, results.notes) as ways:
            for turn in range(-1, rounds):
                for name, opening in ways.items():
                    with opening() as way:
                        take(results, turn, name, way, calls if turn >= 0 else 4)
        options = ["console", f"{site.site.url}/", "--kernel", line.kernel]
        ours = [sys.executable, "-c", "import sys; from pyramid_notebook.cli import main; sys.exit(main())", *options]
        commands = {OURS: ours} | ({} if missing(JUPYTER_CONSOLE) else {JUPYTER_CONSOLE: CONSOLE_COMMAND})
        for turn in range(-1, rounds):
            for name, command in commands.items():
                seconds = started(command, home)
                if turn >= 0:
                    results.add(START, name, turn, seconds)
    return results


def figures(results: Results) -> dict[str, float | None]:
    """Return what has a target."""
    found = {
        "execute_p50_ms": results.median(EXECUTE, DOOR),
        "complete_p50_ms": results.median(COMPLETE, DOOR),
        "lines_per_s": results.median(LINES, DOOR),
        "flushed_lines_per_s": results.median(FLUSHED, DOOR),
        "start_s": results.median(START, OURS),
    }
    return {name: None if value is None else round(value, 2) for name, value in found.items()}


def table(results: Results) -> str:
    """Return the table, and a line for each peer that was left out."""
    lines = [
        "| what | `1+1` p50, ms | p95, ms | `numpy.` + TAB p50, ms | lines/s | lines/s, each flushed | prompt, s |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for what in (DOOR, DIRECT, CLIENT, OURS, *PEERS):
        measures = (EXECUTE, EXECUTE_95, COMPLETE, LINES, FLUSHED, START)
        values: Sequence[float | None] = [results.median(measure, what) for measure in measures]
        if any(value is not None for value in values):
            lines.append(f"| {what} | {' | '.join(map(cell, values))} |")
    return "\n".join([*lines, *(f"\n- {note}" for note in results.notes)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--calls", type=int, default=200, help="of 1+1 in a round")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, and fewer calls in each")
    parser.add_argument("--json", action="store_true", help="print, last, one JSON object: the figures with targets")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into this page")
    options = parser.parse_args()
    results = measure(*(2, 30) if options.quick else (options.rounds, options.calls))
    tell_figures(table(results), figures(results), TARGETS, options, mark=MARK)


if __name__ == "__main__":
    main()
