"""What a token looks like, and what is kept of it.

A token is ``pnb_`` and 256 random bits in base64url (RFC 4648 section 5) without padding. The prefix lets people and
scanners of repositories tell what they have found. Only its SHA-256 is stored: nothing that is slow to compute is
needed where there are 256 bits to guess.
"""

from __future__ import annotations

import hashlib
import re
import secrets

PREFIX = "pnb_"
_BYTES = 32
_TOKEN = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}", re.ASCII)


def new_token() -> str:
    """Return a new token of 47 characters."""
    return PREFIX + secrets.token_urlsafe(_BYTES)


def looks_like_token(text: str) -> bool:
    """Tell whether a text has the form of a token, and is nothing more."""
    return _TOKEN.fullmatch(text) is not None


def holds_token(text: str) -> bool:
    """Tell whether something that has the form of a token stands anywhere in a text, such as a URL that is decoded."""
    return _TOKEN.search(text) is not None


def digest(token: str) -> bytes:
    """Return what is stored of a token, the 32 bytes of its SHA-256 (FIPS 180-4)."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
