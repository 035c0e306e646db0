"""How long a call of a notebook takes, through the door of a site, beside papermill, nbclient and kernel gateway.

Run it with ``python -m benchmarks.functions [--quick] [--json] [--write docs/benchmarks.md]``, after
``make bench-tools``. The demo site runs on waitress and checks a token for each call; each call has a process of its
own, which is checked. In each round everything has its turn. What is told are medians over the rounds of the figures
of a round, and of their ratios: a peer is compared with what was measured in the same round.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from tests.functions.callers import code

from .functions_peers import LAST, MIDDLE, PAPERMILL, PARAMETERS, PEERS, Call, missing
from .functions_site import FunctionSite, Line, function_site
from .proxy_results import Results
from .telling import cell, tell_figures

TRIVIAL, DIRECT, PANDAS, SNAPSHOT = "three cells", "past the door", "with pandas", "after a snapshot"
LATE, AT_ONCE = "deadline", "four at once"
P50, P95, INSIDE, RATE = "p50", "p95", "call", "rate"
CALLERS = 4
#: Seconds after which a call is ended that would not end by itself.
DEADLINE = 0.5
#: A peer that takes longer has one call in a round.
_FAST_SECONDS = 0.1
TARGETS = {
    "p50_ms": "<= 10", "p95_ms": "<= 15", "calls_per_s_4": ">= 150", "pandas_p50_ms": "<= 20",
    "snapshot_p50_ms": "<= 12", "overshoot_ms": "<= 20", "speedup_vs_papermill": ">= 65",
}  # fmt: skip
MARK = "<!-- NUMBERS: functions -->"
_TABLE = {
    TRIVIAL: "three cells, through the door",
    DIRECT: "the same, past the door",
    AT_ONCE: f"the same, {CALLERS} at once",
    SNAPSHOT: "three cells after a snapshot with a million numbers",
    PANDAS: "three cells that use pandas, preloaded",
    LATE: f"what a call takes longer than its deadline of {DEADLINE:g} s",
}


def write_notebooks(site: FunctionSite) -> None:
    """Put the notebooks into the user's folder that are called."""
    returned = code(LAST, "return")
    site.write("trivial.ipynb", code(PARAMETERS, "parameters"), code(MIDDLE), returned)
    frame = "import os, pandas\nb = int(pandas.DataFrame({'a': [a, a]})['a'].sum())"
    site.write("pandas.ipynb", code(PARAMETERS, "parameters"), code(frame), returned)
    model, marked = code("import os\nnumbers = list(range(1_000_000))"), code(PARAMETERS, "parameters", "snapshot")
    site.write("snapshot.ipynb", model, marked, code("b = numbers[2 * a]"), returned)
    site.write("late.ipynb", code("a = 1", "parameters"), code("while a: pass"), timeout=DEADLINE)


class Measuring:
    """Takes measures.

    Args:
        results: where they go.
        site: without modules that are preloaded.
        pandas: with pandas preloaded.
        calls: of one notebook in a round.
    """

    def __init__(self, results: Results, site: FunctionSite, pandas: FunctionSite, calls: int) -> None:
        self.results = results
        self._site, self._pandas = site, pandas
        self._calls = calls

    def round(self, turn: int, peers: dict[str, Call]) -> None:
        """Let everything have its turn; one before 0 only warms up."""
        add = self.results.add if turn >= 0 else lambda *_: None
        plan: list[tuple[str, Callable[[], Line], str]] = [
            (TRIVIAL, self._site.line, "trivial.ipynb"),
            (DIRECT, self._site.direct, "trivial.ipynb"),
            (SNAPSHOT, self._site.line, "snapshot.ipynb"),
            (PANDAS, self._pandas.line, "pandas.ipynb"),
        ]
        for what, connect, path in plan:
            with closing(connect()) as line:
                taken, inside = _one_by_one(line, path, self._calls)
            add(P50, what, turn, statistics.median(taken))
            add(P95, what, turn, statistics.quantiles(taken, n=20)[-1])
            add(INSIDE, what, turn, statistics.median(inside))
        add(RATE, AT_ONCE, turn, _at_once(self._site, self._calls // 2))
        with closing(self._site.line()) as line:
            over = [_overshoot(line) for _ in range(2)]
        add(P50, LATE, turn, statistics.median(over))
        for peer, call in peers.items():
            taken = [call(turn + 2)]
            if taken[0] < _FAST_SECONDS:
                taken = [call(number) for number in range(self._calls // 4)]
            add(P50, peer, turn, statistics.median(taken) * 1000)


def _one_by_one(line: Line, path: str, calls: int) -> tuple[list[float], list[float]]:
    """Call a notebook; returns milliseconds that each call took, and those within the user server."""
    taken, inside, pids = [], [], set()
    line.call(path, a=1)
    for number in range(calls):
        begun = time.perf_counter()
        answer, told = line.ask(path, a=number)
        taken.append((time.perf_counter() - begun) * 1000)
        assert answer.status == 200 and told["sum"] == 3 * number, told
        inside.append(float(answer.headers["Server-Timing"].rpartition("=")[2]))
        pids.add(told["pid"])
    assert len(pids) == calls, f"{calls} calls had {len(pids)} processes"
    return taken, inside


def _at_once(site: FunctionSite, calls: int) -> float:
    """Return how many calls a second several callers get answers to."""
    lines = [site.line() for _ in range(CALLERS)]
    pids: list[int] = []

    def work(line: Line, first: int) -> None:
        for number in range(first, first + calls):
            told = line.call("trivial.ipynb", a=number)
            assert told["sum"] == 3 * number, told
            pids.append(told["pid"])

    for line in lines:
        line.call("trivial.ipynb", a=1)
    threads = [threading.Thread(target=work, args=(line, 1000 * n)) for n, line in enumerate(lines)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - begun
    for line in lines:
        line.close()
    assert len(set(pids)) == CALLERS * calls, f"{len(set(pids))} processes for {CALLERS * calls} calls"
    return CALLERS * calls / seconds


def _overshoot(line: Line) -> float:
    """Return how many milliseconds after its deadline the answer of a call comes that never ends."""
    begun = time.perf_counter()
    answer, told = line.ask("late.ipynb")
    taken = time.perf_counter() - begun
    assert answer.status == 504, told
    return (taken - DEADLINE) * 1000


@contextmanager
def started_peers(notes: list[str]) -> Iterator[dict[str, Call]]:
    """Start the peers that there are; notes tell of the others."""
    with ExitStack() as running:
        found = {}
        for peer, start in PEERS.items():
            if problem := missing(peer):
                notes.append(f"{problem}.")
            else:
                found[peer] = running.enter_context(start())
        yield found


def measure(rounds: int, calls: int) -> Results:
    """Take all measures."""
    results = Results()
    with (
        function_site() as site,
        function_site(preload="pandas") as pandas,
        started_peers(results.notes) as peers,
    ):
        for one in (site, pandas):
            write_notebooks(one)
        measuring = Measuring(results, site, pandas, calls)
        for turn in range(-1, rounds):
            measuring.round(turn, peers)
    return results


def figures(results: Results) -> dict[str, float | None]:
    """Return what has a target."""
    found = {
        "p50_ms": results.median(P50, TRIVIAL),
        "p95_ms": results.median(P95, TRIVIAL),
        "calls_per_s_4": results.median(RATE, AT_ONCE),
        "pandas_p50_ms": results.median(P50, PANDAS),
        "snapshot_p50_ms": results.median(P50, SNAPSHOT),
        "overshoot_ms": results.median(P50, LATE),
        "speedup_vs_papermill": _speedup(results),
    }
    return {name: None if value is None else round(value, 2) for name, value in found.items()}


def _speedup(results: Results) -> float | None:
    return _ratio(results, PAPERMILL)


def _ratio(results: Results, what: str) -> float | None:
    return results.ratio(P50, what, TRIVIAL)


def table(results: Results) -> str:
    """Return the table, and a line for each peer that was left out."""
    lines = [
        "| what | p50, ms | p95, ms | of it the call, ms | calls/s | x three cells |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for what in (*_TABLE, *PEERS):
        cells: Sequence[float | None] = [
            *(results.median(measure, what) for measure in (P50, P95, INSIDE, RATE)),
            None if what in (TRIVIAL, LATE) else _ratio(results, what),
        ]
        if any(value is not None for value in cells):
            lines.append(f"| {_TABLE.get(what, what)} | {' | '.join(map(cell, cells))} |")
    return "\n".join([*lines, *(f"\n- {note}" for note in results.notes)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--calls", type=int, default=200, help="of one notebook in a round")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, and fewer calls in each")
    parser.add_argument("--json", action="store_true", help="print, last, one JSON object: the figures with targets")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into this page")
    options = parser.parse_args()
    results = measure(*(4, 60) if options.quick else (options.rounds, options.calls))
    tell_figures(table(results), figures(results), TARGETS, options, mark=MARK)


if __name__ == "__main__":
    main()
