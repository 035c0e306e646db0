"""Where the cells of two versions stand in a common one (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from .sequences import longest_run


class Trace:
    """One cell through its versions: its index in each of them, None where that does not have it."""

    __slots__ = ("base", "live", "mine")

    def __init__(self, base: int | None = None) -> None:
        self.base = base
        self.mine: int | None = None
        self.live: int | None = None


def merged_order(mine: Sequence[Trace], live: Sequence[Trace]) -> list[Trace]:
    """Return all cells of two rows, each once.

    The notebook's order stands; what the editor moved or added follows the cell that it follows in the editor's file,
    after what the notebook alone has there.

    Args:
        mine: the cells of the editor's row that there will be, in its order.
        live: those of the notebook's row, in its order.
    """
    moves = _moved_by_mine(mine, live)
    stays = [trace for trace in live if id(trace) not in moves]
    followers: dict[int, list[Trace]] = {}
    leader = 0  # no object's id: what comes first in the editor's file
    for trace in mine:
        if trace.live is None or id(trace) in moves:
            followers.setdefault(leader, []).append(trace)
        else:
            leader = id(trace)
    if not followers:
        return stays
    order: list[Trace] = []
    waiting = followers.get(0, [])
    for trace in stays:
        if trace.mine is not None:
            order += waiting
            waiting = followers.get(id(trace), [])
        order.append(trace)
    return order + waiting


def _moved_by_mine(mine: Sequence[Trace], live: Sequence[Trace]) -> set[int]:
    """Return the (object) ids of the cells that the editor moved and that do not stand there already."""
    known = [trace for trace in mine if trace.base is not None]
    run = longest_run([trace.base for trace in known if trace.base is not None])
    if len(run) == len(known):
        return set()
    stayed = {id(known[place]) for place in run}
    in_both = [trace for trace in live if trace.mine is not None]
    before_in_live = {id(trace): id(before) for before, trace in pairwise(in_both)}
    moves: set[int] = set()
    before = 0
    for trace in mine:
        if trace.live is None:
            continue
        moved = trace.base is not None and id(trace) not in stayed
        if moved and (before_in_live.get(id(trace), 0) != before or before in moves):
            moves.add(id(trace))
        before = id(trace)
    return moves
