"""Which cell of a row is which cell of another version of it (pure).

Rules from the surest to the boldest, each for what the earlier ones have left:

1. the same id;
2. the same type and text, in the same order;
3. the same type and text, moved;
4. unless both have ids: alike texts in order, between cells that stayed; and where equally many are left, those of the
   same place, unless they have next to nothing in common: an output would stand under foreign code;
5. likewise, alike texts anywhere: moved and edited.

Ids and exact texts cost O(n log n). What compares texts has a budget (:mod:`.similarity`): when it is spent, the
cells that are left count as new ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from heapq import nsmallest
from itertools import pairwise

from ..cells import Cell
from .sequences import Pair, common, heaviest_run, longest_run, nth_pairs
from .similarity import Comparison

#: How much cells must be alike: to look no further; in order; moved; and where all that speaks for it is the place.
SURE = 0.8
ALIKE = 0.5
ALIKE_AND_MOVED = 0.6
SAME_PLACE = 0.25
#: Pairs up to which each is compared; beyond, only those that share rare words or a place.
ALL_PAIRS = 900
#: Of a cell so many of its rarest words are looked up, each in so many cells at most; the best of those are compared.
RAREST = 6
HOLDERS = 32
BEST = 3


def align(old: Sequence[Cell], new: Sequence[Cell]) -> list[int | None]:
    """Return for each new cell the index of the old cell that it is, or None; no old cell stands for two.

    Args:
        old: the cells of the earlier version.
        new: those of the later one; ids may be missing on either side.
    """
    row = _Alignment(old, new)
    row.by_id()
    row.by_text()
    if row.is_open:
        comparison = Comparison(old, new)
        for olds, news in list(row.gaps()):
            row.join(_alike_in_order(comparison, olds, news))
        for olds, news in list(row.gaps()):
            row.join(_same_places(comparison, old, new, olds, news))
        row.join(_moved_and_edited(comparison, row.left(row.of_old), row.left(row.of_new)))
    return row.of_new


def is_version_of(new: Sequence[Cell], old: Sequence[Cell]) -> bool:
    """Return whether one row can be meant for another: half of the old texts at least are found again, or it has none.

    Args:
        new: cells of an editor's file.
        old: cells of a notebook that only the file's name speaks for.
    """
    texts = {cell.source for cell in new}
    written = [cell.source for cell in old if cell.source.strip()]
    return 2 * sum(source in texts for source in written) >= len(written)


class _Alignment:
    """Which cells belong together so far, in both directions."""

    def __init__(self, old: Sequence[Cell], new: Sequence[Cell]) -> None:
        self.old, self.new = old, new
        self.of_old: list[int | None] = [None] * len(old)
        self.of_new: list[int | None] = [None] * len(new)
        self._open = min(len(old), len(new))

    @property
    def is_open(self) -> bool:
        """Whether both sides have cells left."""
        return self._open > 0

    def join(self, pairs: Sequence[Pair]) -> None:
        for left, right in pairs:
            self.of_old[left], self.of_new[right] = right, left
        self._open -= len(pairs)

    @staticmethod
    def left(partners: Sequence[int | None]) -> list[int]:
        return [place for place, partner in enumerate(partners) if partner is None]

    def by_id(self) -> None:
        places: dict[Hashable, list[int]] = {}
        for right, cell in enumerate(self.new):
            if cell.id:
                places.setdefault(cell.id, []).append(right)
        if places:
            self.join(nth_pairs((cell.id for cell in self.old), places))

    def by_text(self) -> None:
        if not self.is_open:
            return
        old, new = self._keys()
        self.join([(left, right) for left, right in common(old, new) if self.of_old[left] is None])
        if self.is_open:
            places: dict[Hashable, list[int]] = {}
            for right in self.left(self.of_new):
                places.setdefault(new[right], []).append(right)
            olds = self.left(self.of_old)
            self.join([(olds[number], right) for number, right in nth_pairs((old[left] for left in olds), places)])

    def _keys(self) -> tuple[list[Hashable], list[Hashable]]:
        """Return what tells whether an old cell and a new one may be the same, for each of them.

        Cells that an id has joined hold the order: what stood between two of them stays there if it can. A cell with
        an id that is not found is another cell, unless all are like that: then the ids were given anew, as happens to
        notebooks of old formats.
        """
        ids_speak = any(place is not None for place in self.of_old) and all(cell.id for cell in self.old)
        old: list[Hashable] = [
            (cell.type, cell.source) if right is None else right
            for cell, right in zip(self.old, self.of_old, strict=True)
        ]
        new: list[Hashable] = [
            right if left is not None else (cell.id if ids_speak and cell.id else (cell.type, cell.source))
            for right, (cell, left) in enumerate(zip(self.new, self.of_new, strict=True))
        ]
        return old, new

    def gaps(self) -> Iterator[tuple[list[int], list[int]]]:
        """Yield the cells left between neighbours that stayed in order, old and new ones, where there are both."""
        joined = [(left, right) for right, left in enumerate(self.of_new) if left is not None]
        kept = [joined[place] for place in longest_run([left for left, _ in joined])]
        for (left, right), (next_left, next_right) in pairwise([(-1, -1), *kept, (len(self.old), len(self.new))]):
            if next_left - left == 1 or next_right - right == 1:
                continue
            olds = [place for place in range(left + 1, next_left) if self.of_old[place] is None]
            news = [place for place in range(right + 1, next_right) if self.of_new[place] is None]
            if olds and news:
                yield olds, news


def _alike_in_order(comparison: Comparison, olds: Sequence[int], news: Sequence[int]) -> list[Pair]:
    if len(olds) == len(news):
        pairs = list(zip(olds, news, strict=True))
        if all(comparison.alike(left, right) >= SURE for left, right in pairs):
            return pairs
    weighed = [(left, right, comparison.alike(left, right)) for left, right in _candidates(comparison, olds, news)]
    return heaviest_run(pair for pair in weighed if pair[2] >= ALIKE)


def _same_places(
    comparison: Comparison, old: Sequence[Cell], new: Sequence[Cell], olds: Sequence[int], news: Sequence[int]
) -> list[Pair]:
    if len(olds) != len(news):
        return []
    return [
        (left, right)
        for left, right in zip(olds, news, strict=True)
        if old[left].type is new[right].type
        and not (old[left].id and new[right].id)
        and (_one_begins_the_other(old[left].source, new[right].source) or comparison.alike(left, right) >= SAME_PLACE)
    ]


def _one_begins_the_other(text: str, other: str) -> bool:
    return text.startswith(other) or other.startswith(text)


def _moved_and_edited(comparison: Comparison, olds: Sequence[int], news: Sequence[int]) -> list[Pair]:
    weighed = [(comparison.alike(left, right), left, right) for left, right in _candidates(comparison, olds, news)]
    found: list[Pair] = []
    lefts: set[int] = set()
    rights: set[int] = set()
    for weight, left, right in sorted(weighed, key=lambda pair: (-pair[0], abs(pair[1] - pair[2]), pair[1:])):
        if weight >= ALIKE_AND_MOVED and left not in lefts and right not in rights:
            found.append((left, right))
            lefts.add(left)
            rights.add(right)
    return found


def _candidates(comparison: Comparison, olds: Sequence[int], news: Sequence[int]) -> list[Pair]:
    """Return the pairs that are worth a comparison: all if they are few."""
    if len(olds) * len(news) <= ALL_PAIRS:
        return [(left, right) for left in olds for right in news]
    # The same place from the start and from the end; dict.fromkeys keeps the order, so that results do not vary.
    pairs = [*zip(olds, news, strict=False), *zip(reversed(olds), reversed(news), strict=False)]
    return list(dict.fromkeys([*pairs, *_sharing_rare_words(comparison, olds, news)]))


def _sharing_rare_words(comparison: Comparison, olds: Sequence[int], news: Sequence[int]) -> Iterator[Pair]:
    holders: dict[str, list[int]] = {}
    for left in olds:
        for word in comparison.words(0, left):
            holders.setdefault(word, []).append(left)
        if comparison.is_spent:
            return
    for right in news:
        known = [holders[word] for word in comparison.words(1, right) if word in holders]
        shared = Counter[int]()
        for found in nsmallest(RAREST, known, key=len):
            if len(found) <= HOLDERS:
                shared.update(found)
        yield from ((left, right) for left, _ in shared.most_common(BEST))
