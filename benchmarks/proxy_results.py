"""What was measured, and its ratios: values of the same round are compared, and the median of that is told (pure)."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict


class Results:
    """Values by measure, way and round."""

    def __init__(self) -> None:
        self._values: defaultdict[tuple[str, str], dict[int, float]] = defaultdict(dict)
        #: How many requests failed, by way.
        self.failed: Counter[str] = Counter()
        #: What was left out, and why.
        self.notes: list[str] = []

    def add(self, measure: str, way: str, turn: int, value: float) -> None:
        """Keep a value of a round."""
        self._values[measure, way][turn] = value

    def median(self, measure: str, way: str) -> float | None:
        """Return the median of all rounds, or None where nothing was measured."""
        values = self._values.get((measure, way))
        return statistics.median(values.values()) if values else None

    def told(self) -> list[str]:
        """Return in words what was left out, and how many requests failed."""
        failed = [f"{way}: {number:,} requests failed." for way, number in self.failed.items() if number]
        return [*self.notes, *(failed or ["No request failed."])]

    def ratio(self, measure: str, way: str, peer: str) -> float | None:
        """Return the median, over the rounds, of the way's value divided by its peer's in the same round."""
        ratios = self._ratios(measure, way, peer)
        return statistics.median(ratios) if ratios else None

    def spread(self, measure: str, way: str, peer: str) -> str:
        """Return the median of these ratios, the least and the largest, in words."""
        ratios = self._ratios(measure, way, peer)
        if not ratios:
            return "not measured"
        return f"{statistics.median(ratios):.2f}, rounds from {min(ratios):.2f} to {max(ratios):.2f}"

    def _ratios(self, measure: str, way: str, peer: str) -> list[float]:
        values, others = self._values.get((measure, way), {}), self._values.get((measure, peer), {})
        return [values[turn] / others[turn] for turn in values.keys() & others.keys() if others[turn]]
