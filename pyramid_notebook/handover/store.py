"""Tickets that hand a sign-in over, and visits that come of them, in files that all web workers share.

What is stored is the SHA-256 of a secret and never the secret itself. Whoever can remove a ticket's file first has it:
that is what makes it good for one use.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..files import private_folder, read_private, write_private
from ..layout import visits_folder
from ..names import slug

#: Seconds for which a ticket and a visit are valid.
TICKET_SECONDS, VISIT_SECONDS = 30, 8 * 3600
#: So many visits of one user there are at once; the oldest ends for a new one.
MOST_VISITS = 20
_SECRET_BYTES = 32
_SEGMENT = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}", re.ASCII)
_TICKETS = "-"  # no user's segment is that


@dataclass(frozen=True, slots=True)
class Ticket:
    """Hands a sign-in over.

    Attributes:
        user: who is signed in.
        target: path and query that it is for.
        state: SHA-256 of what the browser has that asked for it, in hexadecimal digits.
        made: seconds since the epoch.
    """

    user: str
    target: str
    state: str
    made: float


class Handover:
    """The tickets and visits of one site.

    Args:
        root: the notebook folder.
        signed_out: when a user signed out of the site last, in seconds since the epoch.
        clock: tells seconds since the epoch.
    """

    def __init__(self, root: Path, signed_out: Callable[[str], float], clock: Callable[[], float] = time.time) -> None:
        self._root = root
        self._signed_out = signed_out
        self._clock = clock

    def issue(self, user: str, target: str, state: str) -> str:
        """Make a ticket, and return its secret.

        Raises:
            UnsafePath: the notebook folder cannot be used.
        """
        self._own(user)  # from now on a sign-out is written down there
        ticket, secret = Ticket(user, target, state, self._clock()), new_secret()
        folder = self._folder(_TICKETS)
        self._sweep(folder, TICKET_SECONDS)
        write_private(folder / digest(secret), json.dumps(asdict(ticket)))
        return secret

    def redeem(self, secret: str, browser: str) -> Ticket | None:
        """Return the ticket of a secret, once; None where there is none, or any more, or it is another browser's.

        Args:
            secret: what came in the address.
            browser: the secret of the browser, see :attr:`Ticket.state`.
        """
        values = _take(visits_folder(self._root, _TICKETS) / digest(secret))
        if values is None:
            return None
        ticket = Ticket(**values)
        is_late = self._clock() > ticket.made + TICKET_SECONDS or ticket.made <= self._signed_out(ticket.user)
        is_other = not hmac.compare_digest(ticket.state, digest(browser))
        return None if is_late or is_other else ticket

    def begin(self, ticket: Ticket) -> str:
        """Begin a visit, and return its secret."""
        folder, secret = self._own(ticket.user), new_secret()
        self._sweep(folder, VISIT_SECONDS)
        visits = sorted(_visits(folder), key=_age)
        for path in visits[: max(0, len(visits) - MOST_VISITS + 1)]:
            path.unlink(missing_ok=True)
        write_private(folder / digest(secret), json.dumps({"user": ticket.user, "began": ticket.made}))
        return secret

    def visitor(self, secret: str, segment: str) -> str | None:
        """Return whose visit a secret belongs to, or None where it is over, or there is none.

        Args:
            secret: what the browser's cookie holds.
            segment: of the user whose notebooks it is for.
        """
        if not _SEGMENT.fullmatch(segment):
            return None
        text = read_private(visits_folder(self._root, segment) / digest(secret))
        values = json.loads(text) if text else None
        if not isinstance(values, dict) or slug(values["user"]) != segment:
            return None
        user, began = str(values["user"]), float(values["began"])
        is_over = self._clock() > began + VISIT_SECONDS or began <= self._signed_out(user)
        return None if is_over else user

    def _own(self, user: str) -> Path:
        return self._folder(slug(user))

    def _folder(self, segment: str) -> Path:
        path = visits_folder(self._root, segment)
        for folder in (self._root, path.parent.parent, path.parent, path):
            private_folder(folder)
        return path

    def _sweep(self, folder: Path, seconds: float) -> None:
        oldest = self._clock() - seconds
        for path in _visits(folder):
            if _age(path) < oldest:
                path.unlink(missing_ok=True)


def new_secret() -> str:
    """Return 256 random bits."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def digest(secret: str) -> str:
    """Return the SHA-256 of a secret in hexadecimal digits."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _take(path: Path) -> dict[str, Any] | None:
    text = read_private(path)
    try:
        path.unlink()
    except FileNotFoundError:  # there never was one, or somebody else was first
        return None
    return json.loads(text) if text else None


def _visits(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if len(path.name) == 64]


def _age(path: Path) -> float:
    with suppress(FileNotFoundError):
        return path.lstat().st_mtime
    return 0.0
