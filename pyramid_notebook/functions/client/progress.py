"""Shows how far a call is: with rich where that is installed and somebody looks on, else line by line."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from ...sync.client.terminal import complain
from ...sync.client.wording import one_line


class Display(Protocol):
    """Is told how many cells have begun."""

    def show(self, number: int, of: int) -> None:
        """Show that a cell begins: the first is 1."""

    def end(self) -> None:
        """Show that all is done."""


class Nothing:
    """Shows nothing."""

    def show(self, number: int, of: int) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Do nothing."""


class Lines:
    """Writes a line for each cell to standard error.

    Args:
        title: what runs.
    """

    def __init__(self, title: str) -> None:
        self._title = title

    def show(self, number: int, of: int) -> None:
        """Write that a cell begins."""
        complain(f"{self._title}: cell {number} of {of}")

    def end(self) -> None:
        """Write nothing: the result comes."""


class Bar:
    """A bar of rich.

    Args:
        bars: of rich.
        title: what runs.
    """

    def __init__(self, bars: Any, title: str) -> None:
        self._bars = bars
        self._task = bars.add_task(title, total=None)
        self._of = 1

    def show(self, number: int, of: int) -> None:
        """Move it."""
        self._of = of
        self._bars.update(self._task, completed=number - 1, total=of)

    def end(self) -> None:
        """Fill it."""
        self._bars.update(self._task, completed=self._of, total=self._of)


@contextmanager
def display(title: str, *, is_wanted: bool) -> Iterator[Display]:
    """Give what shows the progress, and clear it away in the end.

    Args:
        title: what runs.
        is_wanted: whether anything is to be shown.
    """
    name = one_line(title)
    if not is_wanted:
        yield Nothing()
        return
    columns = _columns() if sys.stderr.isatty() else None
    if columns is None:
        yield Lines(name)
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        yield Bar(bars, name)


def _columns() -> tuple[Any, ...] | None:
    try:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    except ImportError:
        return None
    return (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("cells"),
        TimeElapsedColumn(),
    )


def cell_of(values: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return which cell an event tells, and how many there are; None where it cannot be understood."""
    number, of = values.get("number"), values.get("of")
    if isinstance(number, int) and isinstance(of, int) and 0 < number <= of:
        return number, of
    return None
