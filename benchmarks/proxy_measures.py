"""The measures of ``benchmarks.proxy``: each is taken of one way after the other, and in each round anew."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing

from .proxy_clients import EchoClient, Place, load
from .proxy_results import Results
from .proxy_upstream import BASE, ECHO

ROUND_TRIP, ROUND_TRIP_95, BULK = "round trip, us", "round trip p95, us", "MB/s"
OPENING, IDLE, STATIC = "opening, ms", "KB", "static files/s"

Measure = Callable[[str, Place, int], None]
#: Who had its turn long ago begins slowly: connections to the user server are closed by then, decisions forgotten.
_WARM_UP_SECONDS = 0.15


def http_measure(file: str, connections: int) -> str:
    """Return the name of the requests per second for a file."""
    return f"{file}, {connections} at once"


class Measuring:
    """Takes measures.

    Args:
        results: where they are kept.
        places: of all ways.
        seconds: for which HTTP is asked each time.
    """

    def __init__(self, results: Results, places: dict[str, Place], seconds: float) -> None:
        self._results = results
        self._places = places
        self._seconds = seconds

    def round(self, turn: int, ways: Iterable[str], measure: Measure) -> None:
        """Take a measure of those of the ways that are there; each round begins with another one."""
        there = [way for way in ways if way in self._places]
        first = turn % max(1, len(there))
        for way in (*there[first:], *there[:first]):
            measure(way, self._places[way], turn)

    def http(self, file: str, connections: int) -> Measure:
        """Measure requests for a file of the user server."""
        return self._load(http_measure(file, connections), lambda _way: f"{BASE}{file}", connections)

    def static(self, paths: dict[str, str], connections: int) -> Measure:
        """Measure requests for a static file of Notebook.

        Args:
            paths: URL path of the file, by way; that of all others is the one of the empty name.
            connections: how many requests there are at once.
        """
        return self._load(STATIC, lambda way: paths.get(way, paths[""]), connections)

    def load(self, name: str, path: str, connections: int) -> Measure:
        """Measure requests for a path, which all ways have."""
        return self._load(name, lambda _way: path, connections)

    def _load(self, name: str, path_of: Callable[[str], str], connections: int) -> Measure:
        def measure(way: str, place: Place, turn: int) -> None:
            load(place, path_of(way), connections=connections, seconds=_WARM_UP_SECONDS)
            found = load(place, path_of(way), connections=connections, seconds=self._seconds)
            self._results.add(name, way, turn, found.per_second)
            for part, value in (("p50", found.p50), ("p95", found.p95), ("cpu", found.cpu)):
                self._results.add(f"{name}, {part}", way, turn, value)
            self._results.failed[way] += found.failed

        return measure

    def round_trips(self, number: int) -> Measure:
        """Measure round trips of small messages, after some that warm up."""

        def measure(way: str, place: Place, turn: int) -> None:
            with closing(EchoClient(place, BASE + ECHO)) as client:
                client.round_trips(number // 10)
                taken = [seconds * 1e6 for seconds in client.round_trips(number)]
            self._results.add(ROUND_TRIP, way, turn, statistics.median(taken))
            self._results.add(ROUND_TRIP_95, way, turn, statistics.quantiles(taken, n=20)[-1])

        return measure

    def bulk(self, number: int) -> Measure:
        """Measure the throughput of messages of 1 MB."""

        def measure(way: str, place: Place, turn: int) -> None:
            with closing(EchoClient(place, BASE + ECHO)) as client:
                client.bulk(3)
                self._results.add(BULK, way, turn, client.bulk(number))

        return measure

    def opening(self, number: int) -> Measure:
        """Measure what it takes to open a websocket."""

        def measure(way: str, place: Place, turn: int) -> None:
            self._results.add(OPENING, way, turn, statistics.median(_opened(place, number)) * 1000)

        return measure

    def idle(self, number: int) -> Measure:
        """Measure the memory of open websockets that say nothing; to be taken before anything else has filled it."""

        def measure(way: str, place: Place, turn: int) -> None:
            _opened(place, 20)
            before = place.memory()
            with ExitStack() as until_measured:
                clients = [until_measured.enter_context(closing(EchoClient(place, BASE + ECHO))) for _ in range(number)]
                self._results.add(IDLE, way, turn, (place.memory() - before) / number / 1024)
                _all_echo(clients)

        return measure


def _opened(place: Place, number: int) -> list[float]:
    """Open and close websockets one after the other; returns the seconds that each took to open."""
    taken = []
    for _ in range(number):
        begun = time.perf_counter()
        client = EchoClient(place, BASE + ECHO)
        taken.append(time.perf_counter() - begun)
        client.close()
    return taken


def _all_echo(clients: Iterable[EchoClient]) -> None:
    for client in clients:
        client.round_trips(1)
