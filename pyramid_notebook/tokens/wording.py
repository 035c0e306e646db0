"""How pages about tokens say things to people (pure)."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from ..scopes import Grant, Scope

#: What a scope allows.
ABOUT = {
    Scope.SYNC: "Change your notebooks from an editor and run their code",
    Scope.RUN: "Call your notebooks as functions",
    Scope.CONSOLE: "Attach to your kernels and run any code in them",
    Scope.SHELL: "Do everything that you may do with your notebooks",
}
_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"))
_LAST_MOMENT = 253402300799.0  # of the year 9999, after which Python has no dates


def about(grant: Grant) -> str:
    """Return what a grant allows, for people."""
    only = f", only {', '.join(grant.paths)}" if grant.paths else ""
    return ABOUT[grant.scope] + only


def moment_in_words(moment: float, now: float) -> tuple[str, str, str]:
    """Return a moment for programs (RFC 3339), for people, and as its distance from now."""
    exact = datetime.fromtimestamp(min(moment, _LAST_MOMENT), UTC)
    if moment > now:
        distance = f"in {span(math.ceil((moment - now) / 60) * 60)}"  # a whole minute, so 90 days begin as 90 days
    else:
        distance = f"{span(now - moment)} ago" if now - moment >= 60 else "just now"
    return exact.isoformat(timespec="seconds"), f"{exact:%Y-%m-%d %H:%M} UTC", distance


def span(seconds: float) -> str:
    """Return a length of time in its largest unit, rounded down."""
    for size, unit in _UNITS:
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
    return "less than a minute"


def count_in_words(number: int) -> str:
    """Return how many tokens there are."""
    return f"{number} token" if number == 1 else f"{number} tokens"
