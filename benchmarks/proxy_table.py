"""The tables of ``benchmarks.proxy`` in Markdown, and how they get into the page (pure, but for the page)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from .proxy_measures import BULK, IDLE, OPENING, ROUND_TRIP, ROUND_TRIP_95, STATIC, http_measure
from .proxy_results import Results

MARK = "<!-- NUMBERS: proxy -->"


def tables(
    results: Results, ways: Sequence[str], files: dict[str, str], connections: Sequence[int], *, peer: str, stock: str
) -> str:
    """Return all tables, with a line for what was left out.

    Args:
        results: what was measured.
        ways: the rows.
        files: what the files are called, by path.
        connections: how many requests there were at once.
        peer: the way that the others are compared with.
        stock: the one that static files are compared with.
    """
    parts = []
    for path, title in files.items():
        rows = _http_rows(results, ways, path, connections, peer)
        parts.append(f"{title}, with {_listed(connections)} requests at once:\n\n{_table(rows)}")
    parts.append(f"Websockets:\n\n{_table(_websocket_rows(results, ways, peer))}")
    static = [row for way in (*ways, stock) if (row := _static_row(results, way, stock))]
    if static:
        rows = iter([("way", "files/s", f"x {stock}"), *static])
        parts.append(f"A static file of Notebook, with ten requests at once:\n\n{_table(rows)}")
    parts.append("".join(f"- {line}\n" for line in results.told()))
    return "\n".join(parts)


def written(page: Path, text: str, *, mark: str = MARK) -> None:
    """Put tables into a page, in place of what is below a mark, up to the next heading.

    Raises:
        ValueError: the page has no such mark.
    """
    before, found, rest = page.read_text().partition(mark)
    if not found:
        raise ValueError(f"{page} has no line {mark}")
    _, heading, after = rest.partition("\n## ")
    page.write_text(f"{before}{mark}\n\n{text.strip()}\n{heading}{after}")


def _http_rows(
    results: Results, ways: Iterable[str], path: str, connections: Sequence[int], peer: str
) -> Iterator[Sequence[str]]:
    yield ("way", "requests/s", f"x {peer}", "p50, ms", "p95, ms", "its CPU, ms a request")
    for way in ways:
        names = [http_measure(path, number) for number in connections]
        yield (
            way,
            _cells(results.median(name, way) for name in names),
            _cells(results.ratio(name, way, peer) for name in names),
            *(_cells(results.median(f"{name}, {part}", way) for name in names) for part in ("p50", "p95", "cpu")),
        )


def _websocket_rows(results: Results, ways: Iterable[str], peer: str) -> Iterator[Sequence[str]]:
    yield (
        *("way", "round trip p50, us", f"x {peer}", "p95, us", "1 MB messages, MB/s", f"x {peer}"),
        *("opening, ms", f"x {peer}", "KB for an idle one"),
    )
    for way in ways:
        yield (
            way,
            *(_cell(results.median(ROUND_TRIP, way)), _cell(results.ratio(ROUND_TRIP, way, peer))),
            _cell(results.median(ROUND_TRIP_95, way)),
            *(_cell(results.median(BULK, way)), _cell(results.ratio(BULK, way, peer))),
            *(_cell(results.median(OPENING, way)), _cell(results.ratio(OPENING, way, peer))),
            _cell(results.median(IDLE, way)),
        )


def _static_row(results: Results, way: str, stock: str) -> Sequence[str] | None:
    median = results.median(STATIC, way)
    return None if median is None else (way, _cell(median), _cell(results.ratio(STATIC, way, stock)))


def _table(rows: Iterable[Sequence[str]]) -> str:
    head, *body = rows
    lines = [head, ("---", *("---:" for _ in head[1:])), *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cells(values: Iterable[float | None]) -> str:
    return " / ".join(_cell(value) for value in values)


def _cell(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _listed(numbers: Sequence[int]) -> str:
    return f"{', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"
