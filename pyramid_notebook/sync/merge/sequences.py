"""What two rows have in common, and the longest part of a row that needs no move (pure).

Every function is bounded by O(n log n) steps and a constant; none is quadratic, whatever the rows hold.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterable, Sequence
from itertools import count, islice
from operator import lt

#: Pairs of equal elements that may be looked at for a longest common subsequence; about 60 ms.
PAIRS = 100_000

Pair = tuple[int, int]


def longest_run(values: Sequence[int]) -> list[int]:
    """Return the places of a longest strictly increasing subsequence (Fredman 1975: patience sorting).

    Args:
        values: numbers in any order; equal ones are never both in the result.
    """
    if all(map(lt, values, islice(values, 1, None))):  # nothing moved: what is asked for most of the time
        return list(range(len(values)))
    lasts: list[int] = []
    ends: list[int] = []
    before: list[int] = []
    for place, value in enumerate(values):
        if not lasts or value > lasts[-1]:
            length = len(lasts)
            lasts.append(value)
            ends.append(place)
        else:
            length = bisect_left(lasts, value)
            lasts[length] = value
            ends[length] = place
        before.append(ends[length - 1] if length else -1)
    return _followed_back(before, ends[-1] if ends else -1)


def heaviest_run(pairs: Iterable[tuple[int, int, float]]) -> list[Pair]:
    """Return the pairs of the heaviest chain whose two sides both increase.

    Args:
        pairs: index on the one side, index on the other, and a weight above 0.
    """
    ordered = sorted(pairs, key=lambda pair: (pair[0], -pair[1]))
    # A frontier: chains by the index that they end with, each heavier than all that end earlier.
    ends: list[int] = []
    weights: list[float] = []
    places: list[int] = []
    before: list[int] = []
    for place, (_, right, weight) in enumerate(ordered):
        at = bisect_left(ends, right)
        before.append(places[at - 1] if at else -1)
        total = weight + (weights[at - 1] if at else 0.0)
        if at < len(ends) and ends[at] == right and weights[at] >= total:
            continue
        stop = bisect_right(weights, total, lo=at)
        ends[at:stop], weights[at:stop], places[at:stop] = [right], [total], [place]
    return [ordered[place][:2] for place in _followed_back(before, places[-1] if places else -1)]


def common(old: Sequence[Hashable], new: Sequence[Hashable]) -> list[Pair]:
    """Return the pairs of places of a common subsequence, in order.

    It is a longest one (Hunt and Szymanski 1977) unless equal elements are so many that this would take long; then the
    n-th of the equal elements on the one side stands for the n-th on the other.
    """
    start, shorter = 0, min(len(old), len(new))
    while start < shorter and old[start] == new[start]:
        start += 1
    tail, rest = 0, shorter - start
    while tail < rest and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    pairs = [(place, place) for place in range(start)]
    if tail < rest:
        middle = _common_middle(old[start : len(old) - tail], new[start : len(new) - tail])
        pairs += [(left + start, right + start) for left, right in middle]
    return pairs + [(len(old) - back, len(new) - back) for back in range(tail, 0, -1)]


def _common_middle(old: Sequence[Hashable], new: Sequence[Hashable]) -> list[Pair]:
    places: dict[Hashable, list[int]] = {}
    for right, element in enumerate(new):
        places.setdefault(element, []).append(right)
    if sum(len(places.get(element, ())) for element in old) > PAIRS:
        pairs = nth_pairs(old, places)
    else:
        # Of one left place the right ones come from the last to the first, so that a run takes at most one of them.
        pairs = [(left, right) for left, element in enumerate(old) for right in reversed(places.get(element, ()))]
    return [pairs[place] for place in longest_run([right for _, right in pairs])]


def nth_pairs(old: Iterable[Hashable], places: dict[Hashable, list[int]]) -> list[Pair]:
    """Return pairs of the n-th of the equal elements of one side with the n-th of the other, by left place.

    Args:
        old: elements of the left side.
        places: for each element of the right side its places, in order.
    """
    numbers: dict[Hashable, count[int]] = {}
    pairs = []
    for left, element in enumerate(old):
        found = places.get(element)
        if found is not None and (number := next(numbers.setdefault(element, count()))) < len(found):
            pairs.append((left, found[number]))
    return pairs


def _followed_back(before: Sequence[int], last: int) -> list[int]:
    run = []
    while last >= 0:
        run.append(last)
        last = before[last]
    run.reverse()
    return run
