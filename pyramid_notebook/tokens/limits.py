"""A limit on how many attempts may fail in a minute, counted in the database: all web workers share it.

Who is over the limit is not looked at any more, right token or not, until the oldest failures are a minute old. That
costs one dictionary look-up where nothing failed: an answer of the database is believed for a second, or until this
process sees a failure itself. A guess fails by definition, so a guesser never profits from that second in one process;
several processes may together let through one guess each in it.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
import time
from collections import OrderedDict
from functools import lru_cache

from sqlalchemy import Engine, bindparam, delete, insert, select

from ..errors import TooManyFailures
from .model import Failure

#: Seconds after which a failure counts no more.
WINDOW = 60
_BELIEVED_SECONDS = 1.0
_MOST_REMEMBERED = 10_000
_FAILURES = (
    select(Failure.at)
    .where(Failure.subject == bindparam("subject"), Failure.at > bindparam("since"))
    .order_by(Failure.at.desc())
    .limit(bindparam("limit"))
)


@lru_cache(maxsize=1024)
def by_address(address: str) -> str:
    """Return what the failures of a client's address count against.

    Of IPv6 that is its /64 network, which is what one customer gets at least (RFC 6177); IPv4 in IPv6 is IPv4.
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return f"address:{_short(address)}"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is None:
            return f"address:{ipaddress.IPv6Network((parsed, 64), strict=False)}"
        parsed = parsed.ipv4_mapped
    return f"address:{parsed}"


def by_user(user: str) -> str:
    """Return what the failures of a user count against."""
    return f"user:{_short(user)}"


class FailureLimit:
    """Counts failures, and refuses who has too many.

    Args:
        engine: the database, with our tables.
        per_minute: so many may fail in a minute.
    """

    def __init__(self, engine: Engine, per_minute: int) -> None:
        self._engine = engine
        self._reader = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._per_minute = per_minute
        self._clean: OrderedDict[str, float] = OrderedDict()

    def check(self, *subjects: str, now: float | None = None) -> None:
        """Refuse an attempt if too many before it failed; call it before any other work is done for the attempt.

        Args:
            subjects: what the attempt counts against, see :func:`by_address` and :func:`by_user`.
            now: seconds since the epoch, None for now.

        Raises:
            TooManyFailures: there were too many; it knows when to try again.
        """
        moment = time.time() if now is None else now
        for subject in subjects:
            if not 0 <= moment - self._clean.get(subject, -math.inf) < _BELIEVED_SECONDS:
                self._ask(subject, moment)

    def record(self, *subjects: str, now: float | None = None) -> None:
        """Remember that an attempt failed.

        Args:
            subjects: what it counts against.
            now: seconds since the epoch, None for now.
        """
        moment = time.time() if now is None else now
        for subject in subjects:
            self._clean.pop(subject, None)
        with self._engine.begin() as connection:
            connection.execute(delete(Failure).where(Failure.at <= moment - WINDOW))
            connection.execute(insert(Failure), [{"subject": subject, "at": moment} for subject in subjects])

    def _ask(self, subject: str, moment: float) -> None:
        values = {"subject": subject, "since": moment - WINDOW, "limit": self._per_minute}
        with self._reader.connect() as connection:
            failed = connection.execute(_FAILURES, values).scalars().all()
        if len(failed) >= self._per_minute:
            raise TooManyFailures(max(1, math.ceil(failed[-1] + WINDOW - moment)))
        if not failed:
            self._clean[subject] = moment
            while len(self._clean) > _MOST_REMEMBERED:
                self._clean.popitem(last=False)


def _short(text: str) -> str:
    """Return a text, or what stands for one that is too long for its column or cannot be encoded."""
    if len(text) <= 64 and text.isprintable():
        return text
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
