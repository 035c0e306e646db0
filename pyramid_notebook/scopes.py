"""What a token may do: scopes, and the notebooks that one of them is restricted to (pure).

A grant has a text form, which is what the database keeps, what people type, and what OAuth calls a scope token
(RFC 6749 section 3.3): the scope, and where it is restricted a colon and its path patterns, separated by commas, in
which everything that a scope token must not hold is percent-encoded: ``sync``, ``run``, ``run:reports/*.ipynb``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Literal
from urllib.parse import quote, unquote_to_bytes

from .errors import ScopeError

#: So many grants can one token have.
MOST_GRANTS = 20
#: So many patterns may restrict one grant, and so many characters has each at most.
MOST_PATHS = 20
MOST_CHARACTERS = 250

_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_WILDCARDS = re.compile(r"((?:(?<=/)|(?<![\s\S]))\*\*/|\*\*|\*)")


class Scope(StrEnum):
    """What a program may do with the notebooks of the user that its token belongs to."""

    SYNC = "sync"
    """Push files of an editor into open notebooks."""
    RUN = "run"
    """Call notebooks as functions."""
    CONSOLE = "console"
    """Attach to kernels and run code in them."""
    SHELL = "shell"
    """Everything that the user may do; it includes the other scopes."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """A scope lets pass; true."""

    def __bool__(self) -> Literal[True]:
        return True


@dataclass(frozen=True, slots=True)
class Denied:
    """A scope does not let pass; false.

    Attributes:
        reason: why, as a sentence for the person whose program was denied.
    """

    reason: str

    def __bool__(self) -> Literal[False]:
        return False


@dataclass(frozen=True, slots=True)
class Grant:
    """One scope that a token has.

    Attributes:
        scope: what it may do.
        paths: patterns of notebook paths, of which one must fit; empty for all notebooks. ``*`` stands for any
            characters but slashes, ``**`` for any characters, and ``**/`` for any folders or none.

    Raises:
        ScopeError: there is no such scope, it cannot be restricted, or a pattern cannot be used.
    """

    scope: Scope
    paths: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "scope", _scope(self.scope))
        object.__setattr__(self, "paths", tuple(self.paths))
        if self.paths and self.scope is not Scope.RUN:
            raise ScopeError(f"The scope {self.scope} cannot be restricted to notebooks; only run can.")
        if len(self.paths) > MOST_PATHS:
            raise ScopeError(f"A scope can be restricted to {MOST_PATHS} patterns at most.")
        for pattern in self.paths:
            _check_pattern(pattern)

    def allows(self, scope: Scope, path: str = "") -> Allowed | Denied:
        """Tell whether this grant is enough.

        Args:
            scope: what is asked for.
            path: the notebook's path below the user's folder, decoded, without a slash at its start.
        """
        if self.scope not in (scope, Scope.SHELL):
            return Denied(f"The token has the scope {self.scope}; this needs {scope}.")
        if not self.paths:
            return Allowed()
        if not _is_plain(path):
            return Denied("The token is restricted to certain notebooks, and this is not the path of one.")
        if any(matches(pattern, path) for pattern in self.paths):
            return Allowed()
        return Denied(f"The token is restricted to {', '.join(self.paths)}; {path} is none of these.")

    def __str__(self) -> str:
        # what quote() leaves as it is are letters, digits, and these
        paths = ",".join(quote(path, safe="/*!$&'()+:;=?@[]_.-~", errors="surrogatepass") for path in self.paths)
        return f"{self.scope}:{paths}" if paths else str(self.scope)

    @classmethod
    def parse(cls, text: str) -> Grant:
        """Return the grant of a text such as ``run:reports/*.ipynb``.

        Raises:
            ScopeError: it is not the text of a grant; the message names the part that is wrong.
        """
        name, colon, patterns = text.partition(":")
        return cls(_scope(name), tuple(map(_decoded, patterns.split(","))) if colon else ())


def parse_grants(text: str) -> tuple[Grant, ...]:
    """Return the grants of a text in which spaces separate them (RFC 6749 section 3.3), each once.

    Raises:
        ScopeError: one of them is not the text of a grant.
    """
    return tuple(dict.fromkeys(map(Grant.parse, text.split())))


def format_grants(grants: Iterable[Grant]) -> str:
    """Return the text of which :func:`parse_grants` makes the same grants."""
    return " ".join(map(str, dict.fromkeys(grants)))


def allows(grants: Iterable[Grant], scope: Scope, path: str = "") -> Allowed | Denied:
    """Tell whether one of the grants is enough; else why the nearest one, one of the same scope, is not.

    Args:
        grants: all grants of a token.
        scope: what is asked for.
        path: see :meth:`Grant.allows`.
    """
    nearest = Denied(f"The token does not have the scope {scope}, which this needs.")
    for grant in grants:
        answer = grant.allows(scope, path)
        if isinstance(answer, Allowed):
            return answer
        if grant.scope is scope:
            nearest = answer
    return nearest


@lru_cache(maxsize=1024)  # a program calls the same few notebooks again and again
def matches(pattern: str, path: str) -> bool:
    """Tell whether a pattern fits the whole of a path.

    The time is proportional to the product of their lengths, whatever somebody wrote into the pattern: it follows all
    positions of the path that the pattern can have come to, piece by piece, and never goes back.
    """
    reached = [True, *(False for _ in path)]
    for piece in _pieces(pattern):
        reached = _advance(piece, path, reached)
    return reached[-1]


def _advance(piece: str, path: str, reached: list[bool]) -> list[bool]:
    """Return the positions in the path that can be reached from the given ones by one piece of a pattern."""
    size = len(path) + 1
    if "*" not in piece:
        width = len(piece)
        return [i >= width and reached[i - width] and path.startswith(piece, i - width) for i in range(size)]
    result = [False] * size
    open_ended = False
    for i in range(size):
        if piece == "*" and i and path[i - 1] == "/":
            open_ended = False
        if piece == "**/":
            result[i] = reached[i] or (open_ended and path[i - 1] == "/")
            open_ended = open_ended or reached[i]
        else:
            result[i] = open_ended = open_ended or reached[i]
    return result


@lru_cache(maxsize=1024)
def _pieces(pattern: str) -> tuple[str, ...]:
    return tuple(piece for piece in _WILDCARDS.split(pattern) if piece)


def _scope(name: str) -> Scope:
    try:
        return Scope(name)
    except ValueError:
        known = ", ".join(Scope)
        raise ScopeError(f"There is no scope {name[:50]!r}. The scopes are {known}.") from None


def _decoded(text: str) -> str:
    if _ESCAPE.search(text):
        raise ScopeError(f"The pattern {text[:50]!r} has a % that is not followed by two hexadecimal digits.")
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeError:
        raise ScopeError(f"The pattern {text[:50]!r} is not UTF-8.") from None


def _check_pattern(pattern: str) -> None:
    shown = repr(pattern[:50])
    if len(pattern) > MOST_CHARACTERS:
        raise ScopeError(f"The pattern {shown}... has more than {MOST_CHARACTERS} characters.")
    try:
        pattern.encode("utf-8")
    except UnicodeError:
        raise ScopeError(f"The pattern {shown} is not UTF-8.") from None
    if not _is_plain(pattern):
        raise ScopeError(
            f"The pattern {shown} cannot be used. Write the path of a notebook below the user's folder, such as "
            "reports/*.ipynb, without a slash at its ends and without the folders . and .."
        )


def _is_plain(path: str) -> bool:
    """Tell whether a path means what it says: no empty or dot segments, no control characters or backslashes."""
    segments = path.split("/")
    return not ({"", ".", ".."}.intersection(segments) or "\\" in path or _CONTROL.search(path))
