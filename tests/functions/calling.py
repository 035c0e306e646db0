"""Orders for real zygotes, and what their processes leave behind."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyramid_notebook.functions.processes.call import SPARE_TITLE
from pyramid_notebook.functions.processes.engine import ZygoteEngine
from pyramid_notebook.functions.program import Cell, Role
from pyramid_notebook.functions.protocol import Event, Order

PATIENCE = 20.0


def order(
    *sources: str, parameters: str = "", values: dict[str, Any] | None = None, folder: str = "/", **options: Any
) -> Order:
    """An order: the cell with the parameters, if there is one, then the others, the last of which has the value."""
    values = values or {}
    cells = [Cell(0, parameters, Role.PARAMETERS)] if parameters else []
    cells += [Cell(len(cells) + number, source, Role.CODE) for number, source in enumerate(sources[:-1])]
    cells.append(Cell(len(cells), sources[-1], Role.RETURN))
    names = (tuple(values),) if parameters else ()
    return Order(cells=tuple(cells), values=values, names=names, folder=folder, **options)


class Calls:
    """An engine and its event loop.

    Attributes:
        events: of all calls.
    """

    def __init__(self, *preload: str, **options: Any) -> None:
        self.runner = asyncio.Runner()
        self.events: list[Event] = []
        self.engine: ZygoteEngine
        self.runner.run(self._make(preload, options))

    async def _make(self, preload: Sequence[str], options: dict[str, Any]) -> None:
        self.engine = ZygoteEngine(preload, **options)

    async def run(self, what: Order, seconds: float = PATIENCE, **options: Any) -> Any:
        result = await self.engine.run(what, timeout=seconds, on_event=self.events.append, **options)
        return json.loads(result.body)

    def value(self, *sources: str, seconds: float = PATIENCE, snapshot: int = 0, **options: Any) -> Any:
        """What a notebook returns."""
        self.events.clear()
        return self.runner.run(self.run(order(*sources, **options), seconds, snapshot=snapshot))

    def text(self, name: str = "stdout") -> str:
        """What the last call wrote."""
        return "".join(e["text"] for e in self.events if e["event"] == "stream" and e["name"] == name)

    @property
    def zygote(self) -> int:
        """Process id of the zygote."""
        current = self.engine._current
        assert current is not None
        return current.pid

    def close(self) -> None:
        self.runner.run(self.engine.close())
        self.runner.close()


@contextmanager
def calls(*preload: str, **options: Any) -> Iterator[Calls]:
    made = Calls(*preload, **options)
    try:
        yield made
    finally:
        made.close()


def wait_for(condition: Callable[[], Any], what: str = "") -> Any:
    """Wait until a condition is true, and return what it returned."""
    end = time.monotonic() + PATIENCE
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, what or condition
        time.sleep(0.005)


async def come_true(condition: Callable[[], Any]) -> Any:
    """Wait until a condition is true while the event loop goes on."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, condition
        await asyncio.sleep(0.005)


def calls_of(pid: int) -> list[int]:
    """The processes that come of a zygote, zombies too, but for those that wait for a call."""
    spare = SPARE_TITLE.encode()
    return [child for child in descendants(pid) if spare not in _read(Path(f"/proc/{child}/cmdline"))]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def descendants(pid: int) -> list[int]:
    """All processes that come of one, zombies too."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in path.read_text().split()]
        except OSError:
            continue
        for child in children:
            found += [child, *descendants(child)]
    return found


def is_gone(pid: int) -> bool:
    """Whether a process has ended, and somebody has waited for it or will at once."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state in "ZX"


def open_files(pid: int | str = "self") -> int:
    """How many descriptors a process has."""
    return sum(1 for _path in Path(f"/proc/{pid}/fd").iterdir())
