"""What a browser fetches to open a notebook, and how long it takes: through the door, beside a stock Jupyter Notebook.

Run it with ``python -m benchmarks.page_load [--rounds N] [--json] [--write docs/benchmarks.md]``. The user server runs
already, and so does the kernel. In each round a real Chromium with an empty cache loads the page (cold), leaves it, and
loads it again (warm): first through the door of the demo site, and then, with the same notebook, from a stock ``jupyter
notebook``. Bytes are those that came over the network for HTTP, heads included (Chrome DevTools Protocol,
``Network.loadingFinished``); what came from the browser's cache and what passes in websockets does not count.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from selenium import webdriver

from tests.running import Site, chromium_options, chromium_service, demo_site, wait_until

from .open_shell import answers, sign_in, stock_notebook, until_idle
from .proxy_results import Results
from .proxy_table import written

MARK = "<!-- NUMBERS: page_load -->"
DOOR, STOCK = "door", "stock"
COLD, WARM = "cold", "warm"
MEGABYTES, REQUESTS, SECONDS = "MB", "requests", "s"
#: How kinds of resources are called (Chrome DevTools Protocol, ``Network.ResourceType``); all others are "other".
KINDS = {"Document": "pages", "Script": "scripts", "Stylesheet": "style sheets", "Font": "fonts", "Fetch": "API"}
OTHER = "other"
#: When the page has asked for nothing for so long, it has been loaded.
_QUIET_SECONDS = 1.5


class Traffic:
    """What a browser fetches over the network, from now on.

    Args:
        browser: whose performance log nobody else reads.

    Attributes:
        sizes: bytes of each request that is done, by its id in the browser.
        kinds: what each request is for.
    """

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self._pending: set[str] = set()
        self._heard = time.monotonic()
        self.sizes: dict[str, int] = {}
        self.kinds: dict[str, str] = {}
        browser.get_log("performance")

    def is_quiet(self) -> bool:
        """Read what has happened; tell whether all requests are done, and no new ones have come for a while."""
        for entry in self._browser.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            area, _, event = message["method"].partition(".")
            if area == "Network" and "requestId" in message["params"]:
                self._hear(event, message["params"])
        return not self._pending and time.monotonic() - self._heard > _QUIET_SECONDS

    def _hear(self, event: str, about: dict[str, Any]) -> None:
        identifier = about["requestId"]
        if event == "requestWillBeSent" and about["request"]["url"].startswith("http"):
            self._pending.add(identifier)
            self._heard = time.monotonic()
            self.kinds[identifier] = KINDS.get(about.get("type", ""), OTHER)
            redirected = about.get("redirectResponse", {})
            self.sizes[identifier] = self.sizes.get(identifier, 0) + redirected.get("encodedDataLength", 0)
        elif event == "loadingFinished" and identifier in self._pending:
            self._pending.remove(identifier)
            self.sizes[identifier] += about["encodedDataLength"]  # 0 for what came from the cache
        elif event == "loadingFailed":
            self._pending.discard(identifier)

    def by_kind(self) -> dict[str, tuple[int, int]]:
        """Return how many requests went over the network, and their bytes, by kind."""
        found: dict[str, tuple[int, int]] = {}
        for identifier, size in self.sizes.items():
            if size:
                number, total = found.get(kind := self.kinds[identifier], (0, 0))
                found[kind] = (number + 1, total + size)
        return found


@contextmanager
def recorded_chromium() -> Iterator[webdriver.Chrome]:
    """Run a headless Chromium with an empty profile, which writes down its traffic."""
    with tempfile.TemporaryDirectory(prefix="pnb-chromium-", ignore_cleanup_errors=True) as profile:
        options = chromium_options(f"--user-data-dir={profile}")
        options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
        browser = webdriver.Chrome(options=options, service=chromium_service())
        try:
            yield browser
        finally:
            browser.quit()


def load(browser: webdriver.Chrome, url: str) -> tuple[float, Traffic]:
    """Load a notebook page; returns the seconds until its kernel is idle, and all that it has fetched."""
    browser.get("about:blank")
    traffic = Traffic(browser)
    begun = time.perf_counter()
    browser.get(url)
    until_idle(browser)
    seconds = time.perf_counter() - begun
    wait_until(traffic.is_quiet, "the page asks for nothing more", seconds=60)
    return seconds, traffic


def measure(results: Results, turn: int, way: str, url: str, enter: Callable[[webdriver.Chrome], None]) -> None:
    """Load a page with an empty cache, and once more.

    Args:
        results: where the measures are kept.
        turn: number of the round.
        way: DOOR or STOCK.
        url: of the page.
        enter: what has to be done in a new browser first.
    """
    with recorded_chromium() as browser:
        enter(browser)
        browser.execute_cdp_cmd("Network.clearBrowserCache", {})
        for visit in (COLD, WARM):
            seconds, traffic = load(browser, url)
            parts = traffic.by_kind()
            results.add(SECONDS, f"{way}, {visit}", turn, seconds)
            results.add(REQUESTS, f"{way}, {visit}", turn, sum(number for number, _ in parts.values()))
            results.add(MEGABYTES, f"{way}, {visit}", turn, sum(size for _, size in parts.values()) / 1e6)
            for kind in (*KINDS.values(), OTHER):
                number, size = parts.get(kind, (0, 0))
                results.add(f"{kind}, {REQUESTS}", f"{way}, {visit}", turn, number)
                results.add(f"{kind}, {MEGABYTES}", f"{way}, {visit}", turn, size / 1e6)


def opened_notebook(site: Site) -> tuple[str, dict[str, Any]]:
    """Start a user server with a notebook and its kernel; returns the URL of the page, and the notebook."""
    session = site.session("user")
    session.headers.update({"Accept": "application/json", "Sec-Fetch-Mode": "cors"})
    location = session.post(f"{site.url}/notebook/-/open", timeout=60).json()["location"]
    with (site.manager.root / ".static" / "lock").open("w") as lock:  # held while static files are compressed
        fcntl.flock(lock, fcntl.LOCK_EX)
    url = f"{site.origin}{location}"
    contents = session.get(url.replace("/notebooks/", "/api/contents/"), timeout=60)
    contents.raise_for_status()
    return url, contents.json()["content"]


def opened_stock_notebook(url: str, notebook: dict[str, Any]) -> str:
    """Give a stock server a notebook, and start its kernel; returns the URL of its page."""
    wait_until(lambda: answers(f"{url}/api"), "the stock server answers", seconds=60)
    notebook["metadata"] = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    model = {"type": "notebook", "format": "json", "content": notebook}
    requests.put(f"{url}/api/contents/n.ipynb?token=t", json=model, timeout=60).raise_for_status()
    session = {"path": "n.ipynb", "name": "n.ipynb", "type": "notebook", "kernel": {"name": "python3"}}
    requests.post(f"{url}/api/sessions?token=t", json=session, timeout=60).raise_for_status()
    return f"{url}/notebooks/n.ipynb?token=t"


def table(results: Results) -> str:
    """Return both tables: the loads, and what is in a cold one."""
    loads: list[tuple[str, ...]] = [("load", "MB", "x stock", "requests", "x stock", "idle kernel, s", "x stock")]
    for visit in (COLD, WARM):
        loads += [_load_row(results, f"{way}, {visit}", f"{STOCK}, {visit}") for way in (DOOR, STOCK)]
    parts: list[tuple[str, ...]] = [("kind", "door, KB", "requests", "stock, KB", "requests")]
    parts += [_kind_row(results, kind) for kind in (*KINDS.values(), OTHER)]
    return f"{_markdown(loads)}\nWhat a cold load fetches:\n\n{_markdown(parts)}"


def _load_row(results: Results, way: str, peer: str) -> tuple[str, ...]:
    cells = [way]
    for wanted, digits in ((MEGABYTES, 2), (REQUESTS, 0), (SECONDS, 2)):
        cells.append(f"{results.median(wanted, way) or 0:.{digits}f}")
        cells.append(f"{results.ratio(wanted, way, peer) or 0:.2f}")
    return tuple(cells)


def _kind_row(results: Results, kind: str) -> tuple[str, ...]:
    cells = [kind]
    for way in (DOOR, STOCK):
        size = results.median(f"{kind}, {MEGABYTES}", f"{way}, {COLD}") or 0
        number = results.median(f"{kind}, {REQUESTS}", f"{way}, {COLD}") or 0
        cells += [f"{size * 1000:,.0f}", f"{number:.0f}"]
    return tuple(cells)


def _markdown(rows: Sequence[tuple[str, ...]]) -> str:
    lines = [rows[0], ("---", *("---:" for _ in rows[0][1:])), *rows[1:]]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def figures(results: Results) -> dict[str, float]:
    """Return medians as numbers; the first has a target."""
    return {
        f"page_{visit}_{name}_{way}": round(results.median(wanted, f"{way}, {visit}") or 0, 3)
        for visit in (COLD, WARM)
        for wanted, name in ((MEGABYTES, "mb"), (REQUESTS, "requests"), (SECONDS, "seconds"))
        for way in (DOOR, STOCK)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON object of medians")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables into this page")
    options = parser.parse_args()
    results = Results()
    with demo_site(static=True) as site, stock_notebook() as (stock_url, start):
        start()
        ours, notebook = opened_notebook(site)
        stock = opened_stock_notebook(stock_url, notebook)
        for turn in range(options.rounds):
            measure(results, turn, DOOR, ours, lambda browser: sign_in(browser, site))
            measure(results, turn, STOCK, stock, lambda _browser: None)
    if options.write:
        written(options.write, table(results), mark=MARK)
    print(json.dumps(figures(results)) if options.json else table(results))


if __name__ == "__main__":
    main()
