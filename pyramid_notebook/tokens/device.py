"""How a device login goes on: the states of one request of a program, and the code that a person types (pure).

The protocol is OAuth 2.0 Device Authorization Grant (RFC 8628). A program asks for a token and gets two codes. It shows
the user code to its user, who enters it on a page of the site and approves or denies; it polls with the device code
until one or the other has happened. :data:`TRANSITIONS` is all that can happen to a request.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

#: Seconds that a request waits for its user, and between two polls (RFC 8628 section 3.2).
LIFETIME_SECONDS, INTERVAL_SECONDS = 600, 5
#: What a program that polls too often has to wait more from then on (RFC 8628 section 3.5).
SLOW_DOWN_SECONDS = 5
#: Consonants only, so that no code reads as a word, and none of Y and the digits that look like letters.
USER_CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
USER_CODE_LENGTH = 8
_LONGEST_INPUT = 100


class State(StrEnum):
    """What has become of a request."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    CONSUMED = "consumed"
    EXPIRED = "expired"


class Event(StrEnum):
    """What can happen to a request."""

    APPROVE = "approve"
    DENY = "deny"
    ISSUE = "issue"
    EXPIRE = "expire"


#: What follows; nothing else is possible, and nothing follows on denied, consumed and expired.
TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.PENDING, Event.APPROVE): State.APPROVED,
    (State.PENDING, Event.DENY): State.DENIED,
    (State.PENDING, Event.EXPIRE): State.EXPIRED,
    (State.APPROVED, Event.ISSUE): State.CONSUMED,
    (State.APPROVED, Event.EXPIRE): State.EXPIRED,
}


class Answer(StrEnum):
    """What a program is told when it polls; all but ``token`` are error codes of RFC 8628 section 3.5 or RFC 6749."""

    TOKEN = "token"  # noqa: S105 - says that there is one
    AUTHORIZATION_PENDING = "authorization_pending"
    SLOW_DOWN = "slow_down"
    ACCESS_DENIED = "access_denied"
    EXPIRED_TOKEN = "expired_token"  # noqa: S105 - an error code
    INVALID_GRANT = "invalid_grant"


_ANSWERS = {
    State.PENDING: Answer.AUTHORIZATION_PENDING,
    State.APPROVED: Answer.TOKEN,
    State.DENIED: Answer.ACCESS_DENIED,
    State.CONSUMED: Answer.INVALID_GRANT,
    State.EXPIRED: Answer.EXPIRED_TOKEN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a request has come.

    Attributes:
        state: as it was last written down; see :meth:`at` for now.
        expires: when its time is over, in seconds since the epoch.
        interval: seconds that the program has to leave between two polls.
        polled: when it last polled, in seconds since the epoch; None for never.
    """

    state: State
    expires: float
    interval: int = INTERVAL_SECONDS
    polled: float | None = None

    def at(self, now: float) -> State:
        """Return the state at a time, in seconds since the epoch."""
        return TRANSITIONS.get((self.state, Event.EXPIRE), self.state) if now >= self.expires else self.state

    def after(self, event: Event, now: float) -> Progress | None:
        """Return what follows when something happens, or None where it cannot happen any more."""
        state = TRANSITIONS.get((self.at(now), event))
        return replace(self, state=state) if state else None

    def poll(self, now: float) -> tuple[Progress, Answer]:
        """Return what follows when the program polls, and what it is told."""
        state = self.at(now)
        polled = replace(self, state=state, polled=now)
        if state is State.PENDING and self.polled is not None and now < self.polled + self.interval:
            return replace(polled, interval=self.interval + SLOW_DOWN_SECONDS), Answer.SLOW_DOWN
        return polled, _ANSWERS[state]


def read_user_code(text: str) -> str | None:
    """Return the letters of a user code however they were typed, or None where it cannot be one.

    Lower case, blanks, dashes and other punctuation make no difference (RFC 8628 section 6.1).
    """
    if len(text) > _LONGEST_INPUT:
        return None
    letters = "".join(character for character in text if character.isalnum())
    if not letters.isascii() or len(letters) != USER_CODE_LENGTH or not set(letters.upper()) <= set(USER_CODE_LETTERS):
        return None
    return letters.upper()


def show_user_code(code: str) -> str:
    """Return a user code as people read it best: ``WDJB-MJHT``."""
    half = USER_CODE_LENGTH // 2
    return f"{code[:half]}-{code[half:]}"


def printable(text: str, length: int) -> str:
    """Return what a program says about itself as something that a page can show.

    Args:
        text: anything. Control characters, and those that turn the direction of what follows, become question marks.
        length: characters that are kept.
    """
    return "".join(character if character.isprintable() else "?" for character in text[:length]).strip()
