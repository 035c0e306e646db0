"""What a request spends in the door, and what it saves to keep what was decided a moment ago.

Run it with ``python -m benchmarks.door_cost [--write docs/benchmarks.md]``, after ``make bench-tools``. Each web server
runs twice, with ``decision_seconds`` 0 and 2; the measure is its own CPU time for a request, ten at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

if __name__ == "__main__" and not __package__:
    sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.proxy import ROOM, SMALL
from benchmarks.proxy_clients import Place, lasting
from benchmarks.proxy_measures import Measuring
from benchmarks.proxy_peers import static_file, tools_missing
from benchmarks.proxy_results import Results
from benchmarks.proxy_table import written
from benchmarks.proxy_upstream import BASE, FastUpstream, fast_upstream
from tests.servers import ways as servers

MARK = "<!-- NUMBERS: door_cost -->"
CONNECTIONS = 10
FILES = {"a static file": static_file(BASE)[""], "10 KB of the user server": f"{BASE}{SMALL}"}
SECONDS = {"asked each time": 0, "kept for 2 s": 2}


@contextmanager
def places(upstream: FastUpstream) -> Iterator[dict[str, Place]]:
    """Start each web server twice; yields where they listen, by server and how long decisions are kept."""
    found = {}
    with ExitStack() as running:
        for way in servers.WAYS:
            for title, seconds in SECONDS.items():
                served = running.enter_context(servers.serving(way, upstream, **ROOM, decision_seconds=seconds))
                found[f"{way}, {title}"] = Place(served.port, served.headers, tuple(lasting(served.pids())))
        yield found


def rows(results: Results) -> Iterator[Sequence[str]]:
    yield ("web server", *(f"{file}: {title}, ms" for file in FILES for title in SECONDS))
    for way in servers.WAYS:
        found = [results.median(f"{file}, cpu", f"{way}, {title}") for file in FILES for title in SECONDS]
        yield (way, *(f"{value:.2f}" if value is not None else "-" for value in found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="for which is asked each time")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into this page")
    options = parser.parse_args()
    if problem := tools_missing():
        parser.error(problem)
    results = Results()
    with fast_upstream() as upstream, places(upstream) as found:
        measuring = Measuring(results, found, options.seconds)
        for turn in range(options.rounds):
            for file, path in FILES.items():
                measuring.round(turn, found, measuring.load(file, path, CONNECTIONS))
    head, *body = rows(results)
    lines = [head, ("---", *("---:" for _ in head[1:])), *body]
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    if options.write:
        written(options.write, text, mark=MARK)
    print(text)


if __name__ == "__main__":
    main()
