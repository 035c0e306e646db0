"""How much two cells are alike (pure).

Between 0 and 1: the part of their text, by length, that both have. It is the greater of two bounds of it that are
cheap: what they begin and end with, and the words and signs that they share in any order.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from ..cells import Cell

#: Characters above which a text is looked at by lines and not by words.
LONG = 20_000
#: What an alignment may spend: characters cut into words, or eight times as many into lines, and comparisons; about
#: 0.5 s together.
CHARACTERS = 4_000_000
TEXT = 50  # what each text costs beside its characters
COMPARISONS = 20_000
#: A text of at least so many characters that only grew, or was only cut, is this much alike at least.
WHOLE = 8
GROWN = 0.55
#: Another type makes a cell a little less the same.
OTHER_TYPE = 0.9

_WORDS = re.compile(r"\w+|[^\w\s]")


class Comparison:
    """Compares cells of two rows, each cut into words once, until its budget is spent; from then on nothing is alike.

    Args:
        old: cells of one row.
        new: cells of the other.
    """

    def __init__(self, old: Sequence[Cell], new: Sequence[Cell]) -> None:
        self._rows = (old, new)
        self._words: tuple[dict[int, tuple[Counter[str], int]], ...] = ({}, {})
        self._characters = CHARACTERS
        self._comparisons = COMPARISONS

    @property
    def is_spent(self) -> bool:
        """Whether nothing more is compared."""
        return self._comparisons <= 0

    def words(self, row: int, place: int) -> Counter[str]:
        """Return the words of a cell with their numbers.

        Args:
            row: 0 for the old row, 1 for the new one.
            place: index of the cell in it.
        """
        return self._cut(row, place)[0]

    def alike(self, left: int, right: int) -> float:
        """Return how much an old cell and a new one are alike, 0 to 1."""
        if self._comparisons <= 0:
            return 0.0
        self._comparisons -= 1
        old, new = self._rows[0][left], self._rows[1][right]
        if old.id and new.id:  # two names: whoever gave them knew that these are two cells
            return 0.0
        factor = 1.0 if old.type is new.type else OTHER_TYPE
        if old.source == new.source:
            return factor
        if not old.source or not new.source:
            return 0.0
        ends = shared_ends(old.source, new.source)
        if ends > 0.9:
            return ends * factor
        (words, weight), (other_words, other_weight) = self._cut(0, left), self._cut(1, right)
        if len(words) > len(other_words):
            words, other_words = other_words, words
        shared = sum(
            len(word) * min(number, other_words[word]) for word, number in words.items() if word in other_words
        )
        shorter = min(len(old.source), len(new.source))
        grown = GROWN if shorter >= WHOLE and ends * (len(old.source) + len(new.source)) >= 2 * shorter else 0.0
        return max(ends, grown, 2 * shared / (weight + other_weight or 1)) * factor

    def _cut(self, row: int, place: int) -> tuple[Counter[str], int]:
        known = self._words[row].get(place)
        if known is None:
            known = self._words[row][place] = self._counted(self._rows[row][place].source)
        return known

    def _counted(self, text: str) -> tuple[Counter[str], int]:
        self._characters -= len(text) + TEXT if len(text) <= LONG else len(text) // 8
        if self._characters < 0:
            self._comparisons = 0
            return Counter(), 0
        words = Counter(_WORDS.findall(text) if len(text) <= LONG else text.split("\n"))
        return words, sum(len(word) * number for word, number in words.items())


def shared_ends(text: str, other: str) -> float:
    """Return the part of two texts that their equal beginning and equal end make up, 0 to 1."""
    start = _shared_start(text, other)
    length = min(len(text), len(other)) - start
    end = _shared_end(text, other, length)
    return 2 * (start + end) / (len(text) + len(other) or 1)


def _shared_start(text: str, other: str) -> int:
    low, high = 0, min(len(text), len(other))
    while low < high:  # a search by halves: comparing slices is fast, going through characters is not
        middle = (low + high + 1) // 2
        if text[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _shared_end(text: str, other: str, limit: int) -> int:
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        if text[len(text) - middle : len(text) - low] == other[len(other) - middle : len(other) - low]:
            low = middle
        else:
            high = middle - 1
    return low
