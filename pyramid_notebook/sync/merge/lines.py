"""Changes that two sides made to one text, brought together by lines (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from .sequences import common

#: Comparisons of lines for which one stretch is looked for in another.
STEPS = 1_000_000


class Hunk(NamedTuple):
    """A stretch of lines that became others.

    Attributes:
        start: first line of the earlier text.
        end: the line after its last one; equal to ``start`` where lines were only added.
        lines: what stands there now.
    """

    start: int
    end: int
    lines: Sequence[str]

    @property
    def grows(self) -> bool:
        """Whether it adds lines."""
        return len(self.lines) > self.end - self.start


def merge_text(base: str, mine: str, live: str) -> str | None:
    """Return a text with the changes of both sides, or None where they changed the same lines differently.

    Changes of neighbouring lines are no conflict; lines that both sides add at the same place are one, unless the one
    side added what the other did and more.

    Args:
        base: the text that both started from, with ``\\n`` between lines.
        mine: what the one made of it.
        live: what the other did.
    """
    if mine in (base, live):
        return live
    if live == base:
        return mine
    before = _lines(base)
    merged: list[str] = []
    place = 0
    for hunks, others in _regions(_hunks(before, _lines(mine)), _hunks(before, _lines(live))):
        start = min(hunk.start for hunk in (*hunks, *others))
        end = max(hunk.end for hunk in (*hunks, *others))
        lines = _resolved(before, hunks, others, start, end)
        if lines is None:
            return None
        merged += before[place:start]
        merged += lines
        place = end
    return "\n".join(merged + before[place:])


def _lines(text: str) -> list[str]:
    return text.split("\n") if text else []  # what is written into an empty text is added to it


def _hunks(before: Sequence[str], after: Sequence[str]) -> list[Hunk]:
    hunks = []
    kept = [(-1, -1), *common(before, after), (len(before), len(after))]
    for (left, right), (next_left, next_right) in pairwise(kept):
        lines = after[right + 1 : next_right]
        if next_left - left - 1 == len(lines):  # each line for itself: both sides may have changed one of them alike
            hunks += [Hunk(left + 1 + step, left + 2 + step, [line]) for step, line in enumerate(lines)]
        else:
            hunks.append(Hunk(left + 1, next_left, lines))
    return hunks


def _regions(mine: Sequence[Hunk], live: Sequence[Hunk]) -> Iterator[tuple[list[Hunk], list[Hunk]]]:
    """Yield hunks of both sides together that meet, and each other one for itself."""
    sides = (mine, live)
    done = [0, 0]
    while done[0] < len(mine) or done[1] < len(live):
        open_sides = [side for side in (0, 1) if done[side] < len(sides[side])]
        first = min(open_sides, key=lambda side: sides[side][done[side]][:2])
        group: tuple[list[Hunk], list[Hunk]] = ([], [])
        group[first].append(sides[first][done[first]])
        done[first] += 1
        grown = True
        while grown:
            grown = False
            for side in (0, 1):
                others = group[1 - side]
                while done[side] < len(sides[side]) and others and _meet(sides[side][done[side]], others[-1]):
                    group[side].append(sides[side][done[side]])
                    done[side] += 1
                    grown = True
        yield group


def _meet(hunk: Hunk, other: Hunk) -> bool:
    if hunk.start < other.end and other.start < hunk.end:
        return True
    if hunk.end != other.start and other.end != hunk.start:
        return False
    if hunk.grows and other.grows:  # which lines would come first?
        return True
    # The same lines on both sides are one change: a merge that is made once more must not double them.
    return (
        bool(hunk.lines and other.lines)
        and max(_found(hunk.lines, other.lines, 0), _found(other.lines, hunk.lines, 0)) >= 0
    )


def _resolved(
    before: Sequence[str], hunks: Sequence[Hunk], others: Sequence[Hunk], start: int, end: int
) -> list[str] | None:
    mine, live = _applied(before, hunks, start, end), _applied(before, others, start, end)
    if not others or mine == live:
        return mine
    if not hunks or _holds(live, hunks, before):
        return live
    return mine if _holds(mine, others, before) else None


def _applied(before: Sequence[str], hunks: Sequence[Hunk], start: int, end: int) -> list[str]:
    lines: list[str] = []
    for hunk in hunks:
        lines += before[start : hunk.start]
        lines += hunk.lines
        start = hunk.end
    return [*lines, *before[start:end]]


def _holds(lines: Sequence[str], hunks: Sequence[Hunk], before: Sequence[str]) -> bool:
    """Return whether lines hold all that hunks brought, in order, and nothing of what they took away."""
    place = 0
    present = set(lines)
    for hunk in hunks:
        if not any(line.strip() for line in hunk.lines) or not present.isdisjoint(before[hunk.start : hunk.end]):
            return False
        found = _found(lines, hunk.lines, place)
        if found < 0:
            return False
        place = found + len(hunk.lines)
    return True


def _found(lines: Sequence[str], wanted: Sequence[str], start: int) -> int:
    if (len(lines) - start) * len(wanted) > STEPS:
        return -1
    for place in range(start, len(lines) - len(wanted) + 1):
        if lines[place] == wanted[0] and list(lines[place : place + len(wanted)]) == list(wanted):
            return place
    return -1
