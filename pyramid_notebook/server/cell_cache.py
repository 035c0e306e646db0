"""What was read of the cells of a shared notebook: to read each cell of a long one takes tens of milliseconds.

It is kept in step with the document by the events that this tells its observers (Yjs, ``observeDeep``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

_Value = TypeVar("_Value")


class CellCache(Generic[_Value]):
    """One value for each cell.

    Args:
        length: how many cells there are.

    Attributes:
        values: what was read; None where a cell has to be read anew.
        version: a number that grows with each change.
    """

    def __init__(self, length: int) -> None:
        self.values: list[_Value | None] = [None] * length
        self.version = 0

    @property
    def missing(self) -> list[int]:
        """Places of the cells that have to be read anew."""
        return [place for place, value in enumerate(self.values) if value is None]

    def follow(self, events: Sequence[Any], matters: Callable[[Any], bool] = lambda event: True) -> None:
        """Note what has to be read again; the document itself may not be touched meanwhile.

        Args:
            events: of the array of cells and all below it.
            matters: tells whether an event below a cell changes what was read of it.
        """
        changed: list[int] = []
        for event in events:
            if not event.path:
                self._shift(event.delta)
            elif matters(event):
                changed.append(event.path[0])
        for place in changed:  # paths are those after all events
            self.values[place] = None
            self.version += 1

    def forget(self) -> None:
        """Have all read anew."""
        self.values = [None] * len(self.values)
        self.version += 1

    def _shift(self, delta: Sequence[dict[str, Any]]) -> None:
        self.version += 1
        place = 0
        for step in delta:
            if "retain" in step:
                place += step["retain"]
            elif "delete" in step:
                del self.values[place : place + step["delete"]]
            else:
                self.values[place:place] = [None] * len(step["insert"])
                place += len(step["insert"])
