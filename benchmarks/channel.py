"""How long a call between kernel and page takes, and how fast streams are, through the door of a site.

Run it with ``python -m benchmarks.channel [--quick] [--json] [--write docs/benchmarks.md]``, after ``make
bench-tools``. A real Chromium shows a notebook of the demo site, and cells of that notebook call the page: by the
channel; beside it by jupyter-jchannel on its own port, by messages of an anywidget, and, in a page of a stock
Jupyter, over a websocket through jupyter-server-proxy. In each round everything has its turn. What is told are medians
over the rounds of the figures of a round, and of their ratios: a peer is compared with what was measured in the same
round. A page echoes one letter; a stream has pieces of 1 MiB.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from .channel_layers import LAYERS, measure_layers
from .channel_page import NotebookPage, notebook_page
from .channel_peers import ANYWIDGET, COMMON, JCHANNEL, OUR_CELL, OURS, OURS_SYNC, PROXY, peers_of
from .proxy_results import Results
from .telling import cell, tell_figures

MARK = "<!-- NUMBERS: channel -->"
P50, P95, DOWN, UP = "p50", "p95", "down", "up"
#: Bytes of a stream in each direction.
SIZES = {DOWN: 256 * 2**20, UP: 128 * 2**20}
TARGETS = {
    "call_p50_ms": "<= 0.9", "call_sync_p50_ms": "<= 1.0", "down_mb_s": ">= 250", "up_mb_s": ">= 50",
    "rtt_vs_jchannel": "<= 2",
}  # fmt: skip
_STREAMING = (OURS, JCHANNEL)

#: The page of a way, and the Python of its trip.
Ways = dict[str, tuple[NotebookPage, str]]


def measure(rounds: int, calls: int, layers: bool) -> Results:
    """Take all measures, after one round that warms up.

    Args:
        rounds: how many.
        calls: of each way in a round.
        layers: whether the parts of a round trip are measured as well.
    """
    results = Results()
    with notebook_page() as (site, page):
        page.run(COMMON)
        page.run(OUR_CELL)
        with peers_of(page, results.notes) as peers:
            ways: Ways = {OURS: (page, "Ours"), OURS_SYNC: (page, "Ours"), **peers}
            for turn in range(-1, rounds):
                _round(results, ways, turn, calls if turn >= 0 else calls // 10)
            if layers:
                measure_layers(results, site, page, rounds, calls)
    return results


def _round(results: Results, ways: Ways, turn: int, calls: int) -> None:
    names = list(ways)
    first = turn % len(names)
    for way in (*names[first:], *names[:first]):
        page, name = ways[way]
        trip = f"{name}.{'sync' if way == OURS_SYNC else 'trip'}"
        taken = page.told(f"print(json.dumps(await timed({trip}, {calls})))")
        if turn >= 0:
            results.add(P50, way, turn, statistics.median(taken) * 1000)
            results.add(P95, way, turn, statistics.quantiles(taken, n=20)[-1] * 1000)
        for measured in (DOWN, UP) if turn >= 0 and way in _STREAMING else ():
            move = f"{name}.{measured}"
            results.add(measured, way, turn, page.told(f"print(await rate({move}, {SIZES[measured]}))"))


def figures(results: Results) -> dict[str, float | None]:
    """Return what has a target."""
    found = {
        "call_p50_ms": results.median(P50, OURS),
        "call_sync_p50_ms": results.median(P50, OURS_SYNC),
        "down_mb_s": results.median(DOWN, OURS),
        "up_mb_s": results.median(UP, OURS),
        "rtt_vs_jchannel": results.ratio(P50, OURS, JCHANNEL),
    }
    return {name: None if value is None else round(value, 2) for name, value in found.items()}


def table(results: Results) -> str:
    """Return the tables, and a line for each peer that was left out."""
    lines = [
        "| way | p50, ms | p95, ms | x jchannel | kernel to page, MB/s | page to kernel, MB/s |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for way in (OURS, OURS_SYNC, JCHANNEL, ANYWIDGET, PROXY):
        cells = [
            *(results.median(measured, way) for measured in (P50, P95)),
            results.ratio(P50, way, JCHANNEL),
            *(results.median(measured, way) for measured in (DOWN, UP)),
        ]
        if cells[0] is not None:
            lines.append(f"| {way} | {' | '.join(map(cell, cells))} |")
    rows = [f"| {layer} | {cell(value)} |" for layer in LAYERS if (value := results.median(P50, layer)) is not None]
    if rows:
        lines += ["\nWhere the time of a call goes:\n", "| a call | p50, ms |", "|---|---:|", *rows]
    return "\n".join([*lines, *(f"\n- {note}" for note in results.notes)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--calls", type=int, default=300, help="of each way in a round")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, and not the parts of a round trip")
    parser.add_argument("--json", action="store_true", help="print, last, one JSON object: the figures with targets")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables into this page")
    options = parser.parse_args()
    results = measure(3 if options.quick else options.rounds, options.calls, not options.quick)
    tell_figures(table(results), figures(results), TARGETS, options, mark=MARK)


if __name__ == "__main__":
    main()
