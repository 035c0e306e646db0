"""What is left of many calls between kernel and page of which some fail, and some lose their page or kernel.

Run it with ``python -m benchmarks.channel_faults [--calls 10000] [--write docs/benchmarks.md]``. Programs that speak
the channel's protocol stand in for pages; they connect through the door of the demo site. Eight calls at once are
under way. Some throw an exception, run into their time limit, are cancelled, stream, or have the page call the
kernel back; some make their page go away, by a close or by a reset; and now and then the kernel is started again
under all of them. Some hundred calls are made to a real Chromium that loads its page anew meanwhile. No call may
hang or get a wrong answer, and nothing may be held that was not held before: the exit status tells.
"""

from __future__ import annotations

import json
import random
import sys
import time
import uuid
from collections import Counter
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import psutil
import requests
import websocket

from tests.running import Site, wait_until

from .channel_fates import CELL, CUT, RIGHT, fates, functions
from .channel_page import USER, NotebookPage, notebook_page
from .channel_standin import StandIn, through_door
from .telling import tell_faults

MARK = "<!-- NUMBERS: channel faults -->"
PAGES = 3
#: Calls between two looks at what is held; batches between two restarts of the kernel.
_BATCH, _LIFE = 250, 4
_SECONDS = 120.0
#: Looks at what is held that must say the same.
_SAME = 3
#: Descriptors more than before that a server may have: connections that are kept, and databases that a thread opens.
_SLACK = 8


class KernelLost(Exception):
    """The kernel was started again while a cell ran."""


class Console:
    """Runs cells, through the door, without a page.

    Args:
        site: that runs, with a kernel of the user.
        kernel: its id.
    """

    def __init__(self, site: Site, kernel: str) -> None:
        self._site = site
        self.kernel = kernel
        self._session = site.session(USER)
        self._base = f"/notebook/{USER}/api/kernels/{kernel}"
        self._session.get(f"{site.origin}/notebook/{USER}/tree", timeout=_SECONDS)  # gives the cookie _xsrf
        self._socket: websocket.WebSocket | None = None

    def begin(self, source: str) -> str:
        """Send a cell, and return the id of its message (Jupyter messaging, "Execute")."""
        if self._socket is None:
            cookie = "; ".join(f"{item.name}={item.value}" for item in self._session.cookies)
            url = f"ws://127.0.0.1:{self._site.port}{self._base}/channels"
            origin = f"http://127.0.0.1:{self._site.port}"
            self._socket = websocket.create_connection(url, origin=origin, cookie=cookie, timeout=_SECONDS)
        identifier = uuid.uuid4().hex
        header = {"msg_id": identifier, "msg_type": "execute_request", "session": "faults", "version": "5.3"}
        content = {"code": source, "silent": False, "store_history": False, "stop_on_error": False}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        self._socket.send(json.dumps(message))
        return identifier

    def end(self, identifier: str) -> str:
        """Return what a cell printed, once it has run.

        Raises:
            RuntimeError: it raised an exception, or does not end.
        """
        assert self._socket is not None
        printed: list[str] = []
        while True:
            try:
                message = json.loads(self._socket.recv())
            except websocket.WebSocketTimeoutException as error:
                raise RuntimeError("A cell hangs.") from error
            kind, content = message["msg_type"], message["content"]
            if message["parent_header"].get("msg_id") != identifier:
                continue
            if kind == "stream" and content["name"] == "stdout":
                printed.append(content["text"])
            elif kind == "error":
                raise RuntimeError("\n".join(content["traceback"]))
            elif kind == "status" and content["execution_state"] == "idle":
                return "".join(printed)

    def run(self, source: str) -> str:
        """Run a cell and return what it printed."""
        return self.end(self.begin(source))

    def restart(self) -> None:
        """Start the kernel again."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        fields = {"X-XSRFToken": next(item.value or "" for item in self._session.cookies if item.name == "_xsrf")}
        answer = self._session.post(f"{self._site.origin}{self._base}/restart", headers=fields, timeout=_SECONDS)
        assert answer.ok, answer.text


def kernel_of(site: Site) -> str:
    """Return the id of the user's kernel."""
    session: requests.Session = site.session(USER)
    kernels = session.get(f"{site.origin}/notebook/{USER}/api/kernels", timeout=_SECONDS).json()
    return str(kernels[0]["id"])


class Faults:
    """Makes calls, and looks at what they leave.

    Args:
        site: that runs.
        console: of the kernel.
        seed: of the random numbers.
    """

    def __init__(self, site: Site, console: Console, seed: int) -> None:
        self.outcomes: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.restarts = 0
        self.left: dict[str, int] = {}
        self._site, self._console = site, console
        self._random = random.Random(seed)

    def make(self, number: int) -> None:
        """Make so many calls, in lives of the kernel; each but the last is cut short."""
        while number > 0:
            number -= self._life(number)

    def _life(self, most: int) -> int:
        """Make the calls of one life of the kernel; returns how many."""
        console = self._console
        console.run(CELL)
        with ExitStack() as pages:
            connect = through_door(self._site, USER, console.kernel)
            standins = [
                pages.enter_context(closing(StandIn(connect, functions(self._site, console.kernel, turn))))
                for turn in range(PAGES)
            ]
            self._batch(100)  # what is held after a while, as threads, is no leak
            before = self._settled(PAGES)
            done = 0
            while done < min(most, _LIFE * _BATCH):
                number = min(_BATCH, most - done)
                self._batch(number)
                done += number
            after = self._settled(PAGES, before)
            for name, value in after.items():
                self.left[name] = max(self.left.get(name, 0), value - before[name])
            self.wrong += [problem for page in standins for problem in page.problems]
            if done < most:
                done += self._cut(min(_BATCH, most - done))
        return done

    def _batch(self, number: int) -> None:
        plan = json.dumps(fates(number, self._random))
        told = json.loads(self._console.run(f"print(json.dumps(await batch(json.loads({plan!r}))))"))
        self.outcomes.update(told["outcomes"])
        self.wrong += told["wrong"]
        print(f"{self.outcomes.total():,} calls, {len(self.wrong)} wrong", file=sys.stderr)

    def _cut(self, number: int) -> int:
        plan = json.dumps(fates(number, self._random))
        self._console.begin(f"await batch(json.loads({plan!r}))")
        time.sleep(self._random.uniform(0, 0.5))  # at any moment, so that is not waited for
        self._console.restart()
        self.restarts += 1
        self.outcomes[CUT] += number
        return number

    def _settled(self, pages: int, before: dict[str, int] | None = None) -> dict[str, int]:
        """Return what the kernel holds with all pages connected, once that changes no more.

        Args:
            pages: how many are connected.
            before: what it held before; what it holds longer than some seconds is held for good.
        """
        seen: list[dict[str, int]] = []

        def is_settled() -> bool:
            time.sleep(0.2)
            seen.append(json.loads(self._console.run("print(json.dumps(held()))")))
            return len(seen) >= _SAME and all(one == seen[-1] for one in seen[-_SAME:]) and seen[-1]["pages"] == pages

        def is_as_before() -> bool:
            return is_settled() and (before is None or all(seen[-1][name] <= before[name] for name in seen[-1]))

        try:
            wait_until(is_as_before, "all is as before", seconds=20)
        except AssertionError:
            if not is_settled():
                self.wrong.append(f"never settled: {seen[-1]}")
        return seen[-1]


def in_chromium(page: NotebookPage, console: Console, calls: int, reloads: int) -> Counter[str]:
    """Call a real page again and again while it is loaded anew; returns what became of it.

    Args:
        page: the notebook, whose output connects it each time.
        console: runs the calls, so that they go on while the page is away.
        calls: between two reloads.
        reloads: how many.
    """
    code = "(channel) => channel.expose({ square: (x) => x * x + 1 })"
    page.run(f"from pyramid_notebook.channel import open_channel\nshown = open_channel('shown', {code!r})")
    page.save()
    console.run(CELL + _CHROMIUM_CELL)
    outcomes: Counter[str] = Counter()
    for _ in range(reloads):
        running = console.begin(f"print(json.dumps(await squares({calls})))")
        page.browser.refresh()
        outcomes.update(json.loads(console.end(running)))
    console.run("await shown.wait_for_page(20)")
    outcomes.update(json.loads(console.run(f"print(json.dumps(await squares({calls})))")))
    return outcomes


_CHROMIUM_CELL = """
async def squares(number):
    outcomes = collections.Counter()
    for turn in range(number):
        try:
            outcomes["right" if await shown.call("square", turn, timeout=10) == turn ** 2 + 1 else "wrong"] += 1
        except (PageGone, NoPage):
            outcomes["page gone"] += 1
        except BaseException as error:
            outcomes[type(error).__name__] += 1
        await asyncio.sleep(0.01)
    return outcomes
"""


def servers(site: Site) -> dict[str, int]:
    """Count what the servers hold."""
    record = site.manager.find(USER)
    assert record
    found = {"user server": psutil.Process(record.pid), "web server": psutil.Process(site.process.pid)}
    return {f"descriptors of the {name}": process.num_fds() for name, process in found.items()} | {
        "sockets of channels": len(list(Path(record.socket).parent.glob("channel-*")))
    }


def measure(calls: int, seed: int) -> tuple[dict[str, Any], list[str]]:
    """Make the calls, and return the table and what went wrong."""
    with notebook_page() as (site, page):
        console = Console(site, kernel_of(site))
        shown = in_chromium(page, console, calls=100, reloads=3)
        page.browser.get("about:blank")
        is_gone = lambda: console.run("print(len(channel.pages))") == "0\n"  # noqa: E731
        wait_until(is_gone, "the page that was left is gone", seconds=10)
        faults = Faults(site, console, seed)
        faults.make(300)  # after these the servers have what they keep
        before = servers(site)
        faults = Faults(site, console, seed + 1)
        begun = time.monotonic()
        faults.make(calls)
        seconds = time.monotonic() - begun
        left = {name: value - before[name] for name, value in _settled(site, before).items()}
    rows: dict[str, Any] = {f"calls: {fate}": number for fate, number in sorted(faults.outcomes.items())}
    rows |= {f"calls of Chromium: {fate}": number for fate, number in sorted(shown.items())}
    rows |= {"restarts of the kernel": faults.restarts, "calls/s": round(calls / seconds, 1)}
    rows |= {f"{name} more": number for name, number in (faults.left | left).items()}
    wrong = [*faults.wrong, *(f"Chromium: {number} x {fate}" for fate, number in shown.items() if fate not in _MAY_BE)]
    wrong += [f"left: {number} {name}" for name, number in faults.left.items() if number > 0]
    wrong += [f"left: {number} {name}" for name, number in left.items() if number > _SLACK * ("desc" in name)]
    if not shown[RIGHT]:
        wrong.append("Chromium: no call was answered")
    return rows | {"wrong": len(wrong)}, wrong


_MAY_BE = (RIGHT, "page gone")


def _settled(site: Site, before: dict[str, int]) -> dict[str, int]:
    with suppress(AssertionError):
        wait_until(lambda: all(value <= before[name] for name, value in servers(site).items()), "as before", seconds=10)
    return servers(site)


if __name__ == "__main__":
    tell_faults(__doc__, measure, mark=MARK)
