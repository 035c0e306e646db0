"""User names as folder and URL path segments (pure).

Requirements: distinct names give distinct segments, also where a file system ignores case; a segment needs no quoting
in a URL, is never ``-``, ``.`` or ``..``, and stays short whatever the name. A short name of lower-case letters,
digits and ``. _ -`` is its own segment. Every other name becomes a readable part, two hyphens, and 80 bits of its
SHA-256; names of the first kind never contain two hyphens in a row, so the kinds cannot meet.
"""

from __future__ import annotations

import hashlib
import re

#: How the name of a launch's folder for sockets begins.
SCRATCH_PREFIX = "pnb-"
_PLAIN = re.compile(r"[a-z0-9][a-z0-9._-]*", re.ASCII)
_UNSAFE = re.compile(r"[^a-z0-9]+")
_PLAIN_LENGTH = 48
_READABLE_LENGTH = 24
_DIGEST_LENGTH = 20


def slug(username: str) -> str:
    """Return the segment that stands for a user name in folders and URLs.

    Args:
        username: the user's name as the site knows it, any text but the empty one.

    Raises:
        ValueError: the name is empty.
    """
    if not username:
        raise ValueError("A user name must not be empty.")
    if len(username) <= _PLAIN_LENGTH and "--" not in username and _PLAIN.fullmatch(username):
        return username
    digest = hashlib.sha256(username.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_LENGTH]
    readable = _UNSAFE.sub("-", username.lower())[:_READABLE_LENGTH].strip("-")
    return f"{readable or 'user'}--{digest}"
