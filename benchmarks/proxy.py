"""How fast the door is on each web server, beside configurable-http-proxy, which checks nothing.

Run it with ``python -m benchmarks.proxy [--quick] [--json] [--write docs/benchmarks.md]``, after ``make bench-tools``.
All ways lead to the same user server (:mod:`.proxy_upstream`), and the door has all its checks on. In each round each
way has its turn, and is compared with its peer in that round; what is told is the median of these ratios. The peer has
two turns, and how far it is from itself is what the machine's other work does: less than that is no difference.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

if __name__ == "__main__" and not __package__:
    sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.proxy_clients import Place, lasting
from benchmarks.proxy_measures import BULK, IDLE, ROUND_TRIP, STATIC, Measure, Measuring, http_measure
from benchmarks.proxy_peers import NAME as PEER
from benchmarks.proxy_peers import STOCK, configurable_http_proxy, static_file, stock_jupyter, tools_missing
from benchmarks.proxy_results import Results
from benchmarks.proxy_table import tables, written
from benchmarks.proxy_upstream import BASE, FastUpstream, fast_upstream
from tests.servers import ways as servers

DIRECT = "direct"
DOORS = ("waitress", "gunicorn", "uwsgi", "uvicorn", "nginx")
CONTROL = f"{PEER} again"
ROWS = (DIRECT, PEER, *DOORS[:2], CONTROL, *DOORS[2:])  # the control comes at another moment than the peer
SMALL, LARGE = "files/10k.bin", "files/1m.bin"
TITLES = {SMALL: "A file of 10 KB", LARGE: "A file of 1 MB"}
CONNECTIONS = (1, 10, 50)
#: All requests are those of one user, who may otherwise have few at once.
ROOM: dict[str, Any] = {"user_requests": 100, "user_websockets": 2000}
FIGURES = {
    "uvicorn_http_vs_chp": (http_measure(SMALL, 10), "uvicorn"),
    "uvicorn_ws_rtt_vs_chp": (ROUND_TRIP, "uvicorn"),
    "uvicorn_bulk_vs_chp": (BULK, "uvicorn"),
    "nginx_http_vs_chp": (http_measure(SMALL, 10), "nginx"),
    "uwsgi_ws_rtt_vs_chp": (ROUND_TRIP, "uwsgi"),
    "gunicorn_ws_rtt_vs_chp": (ROUND_TRIP, "gunicorn"),
    "waitress_ws_rtt_vs_chp": (ROUND_TRIP, "waitress"),
}


#: Processes of gunicorn and uWSGI, as docs/how-to/web-servers.md starts them; the others have one.
WORKERS = 2


@contextmanager
def places(upstream: FastUpstream, notes: list[str]) -> Iterator[dict[str, Place]]:
    """Start all ways that there are; notes tell of the others."""
    found = {DIRECT: Place(upstream.port, {}, (upstream.record.pid,))}
    with ExitStack() as running:
        found[PEER] = found[CONTROL] = running.enter_context(configurable_http_proxy(BASE, upstream.port))
        found[STOCK] = running.enter_context(stock_jupyter())
        for way in DOORS:
            problem = servers.missing(way) if way in servers.WAYS else f"{way} is not there yet"
            if problem:
                notes.append(f"{way} is left out: {problem}.")
                continue
            served = running.enter_context(servers.serving(way, upstream, workers=WORKERS, **ROOM))
            found[way] = Place(served.port, served.headers, lasting(served.pids()))
        yield found


def quick(measuring: Measuring, rounds: int) -> None:
    """Take the measures that have targets."""
    measuring.round(0, ["uvicorn"], measuring.idle(500))
    plan: list[tuple[tuple[str, ...], Measure]] = [
        ((PEER, "uvicorn", CONTROL, "nginx"), measuring.http(SMALL, 10)),
        (ROWS[1:], measuring.round_trips(400)),
        ((PEER, "uvicorn", CONTROL), measuring.bulk(30)),
        ((STOCK, *DOORS), measuring.static(static_file(BASE), 10)),
    ]
    for turn in range(rounds):
        for ways, measure in plan:
            measuring.round(turn, ways, measure)


def complete(measuring: Measuring, rounds: int) -> None:
    """Take all measures."""
    measuring.round(0, (PEER, *DOORS), measuring.idle(1000))
    for turn in range(rounds):
        for file in TITLES:
            for connections in CONNECTIONS:
                measuring.round(turn, ROWS, measuring.http(file, connections))
        for measure in (measuring.round_trips(1000), measuring.bulk(100), measuring.opening(50)):
            measuring.round(turn, ROWS, measure)
        measuring.round(turn, (STOCK, *DOORS), measuring.static(static_file(BASE), 10))


def figures(results: Results) -> dict[str, float | None]:
    """Return what has a target; of static files the slowest way's."""
    found = {name: results.ratio(measure, way, PEER) for name, (measure, way) in FIGURES.items()}
    found["idle_socket_kb"] = results.median(IDLE, "uvicorn")
    static = [ratio for way in DOORS if (ratio := results.ratio(STATIC, way, STOCK)) is not None]
    found["static_vs_jupyter"] = min(static, default=None)
    return {name: None if value is None else round(value, 3) for name, value in found.items()}


def spreads(results: Results) -> list[str]:
    """Return how far the rounds of each ratio to the peer lie apart, and how far the peer is from itself."""
    pairs = dict.fromkeys(measure for measure, _way in FIGURES.values())
    control = [(f"{measure}: {CONTROL}", measure, CONTROL) for measure in pairs]
    named = [*((name, measure, way) for name, (measure, way) in FIGURES.items()), *control]
    named += [(f"CPU of {way} for a request", f"{http_measure(SMALL, 10)}, cpu", way) for way in ("uvicorn", CONTROL)]
    told = [f"{name}: {results.spread(measure, way, PEER)}" for name, measure, way in named]
    return told + [f"{STATIC} of {way}: {results.spread(STATIC, way, STOCK)}" for way in DOORS]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="for which HTTP is asked each time")
    parser.add_argument("--quick", action="store_true", help="only the figures that have targets, in short rounds")
    parser.add_argument("--json", action="store_true", help="print, last, one JSON object: the figures with targets")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables into this page")
    options = parser.parse_args()
    if problem := tools_missing():
        parser.error(problem)
    results = Results()
    with fast_upstream() as upstream, places(upstream, results.notes) as found:
        measuring = Measuring(results, found, 0.5 if options.quick else options.seconds)
        (quick if options.quick else complete)(measuring, options.rounds)
    text = tables(results, [way for way in ROWS if way in found], TITLES, CONNECTIONS, peer=PEER, stock=STOCK)
    if options.write:
        written(options.write, text)
    if options.json:
        print("\n".join((*results.told(), *spreads(results), json.dumps(figures(results)))))
    else:
        print(text)


if __name__ == "__main__":
    main()
