"""Durations as ISO 8601 writes them (pure)."""

from __future__ import annotations

#: Units of numpy's lengths of time: digits behind the point of a second, and how many such ticks it has.
UNITS = {
    "W": (0, 604_800), "D": (0, 86_400), "h": (0, 3600), "m": (0, 60), "s": (0, 1), "ms": (3, 1), "us": (6, 1),
    "ns": (9, 1), "ps": (12, 1), "fs": (15, 1), "as": (18, 1),
}  # fmt: skip


def duration(ticks: int, digits: int) -> str:
    """Return a duration as text, the longest unit days: ``P1DT2H3M4.5S``, ``-PT0.25S``, ``PT0S``.

    Args:
        ticks: how long it is.
        digits: how many digits behind the point of a second one tick is: 0 for seconds, 3 for milliseconds.
    """
    seconds, fraction = divmod(abs(ticks), 10**digits)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    point = f".{fraction:0{digits}}".rstrip("0") if fraction else ""
    parts = ((hours, "", "H"), (minutes, "", "M"), (seconds, point, "S"))
    time = "".join(f"{number}{rest}{unit}" for number, rest, unit in parts if number or rest)
    date = f"{days}D" if days else ""
    if not time and not date:
        time = "0S"
    return ("-" if ticks < 0 else "") + "P" + date + (f"T{time}" if time else "")
