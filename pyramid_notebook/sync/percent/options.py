"""What stands behind ``# %%``, as jupytext reads it: a title and metadata (pure).

Nothing here raises, and nothing takes more than linear time in plain JSON; odder values are tried on short texts only.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

_KEY = re.compile(r"[a-zA-Z0-9_.@/-]+", re.ASCII)
_WORD = re.compile(r"[a-zA-Z_.]+[a-zA-Z0-9_.]*", re.ASCII)
_OPTION = re.compile(r"\s*(?:([a-zA-Z0-9_.@/-]+)=(?=\S)|([a-zA-Z_.][a-zA-Z0-9_.]*)(?=\s|\Z))", re.ASCII)
#: The key of what cannot be read.
UNREADABLE = "incorrectly_encoded_metadata"
#: Characters of options, and values in them, up to which values that are no plain JSON are looked for.
_PATIENCE = 2_000, 40


def title_and_metadata(text: str) -> tuple[str, dict[str, Any]]:
    """Divide the options of a marker.

    Args:
        text: a title, then JSON, or then ``key=value`` and single words.

    Returns:
        The title, with ``[markdown]`` and the like in it, and values that a notebook can hold. What cannot be read is
        kept under the key `UNREADABLE`.
    """
    brace, equal = text.find("{"), text.find("=")
    if brace >= 0 and not 0 <= equal < brace:
        value = _value(text[brace:])
        return text[:brace].strip(), value if isinstance(value, dict) else {UNREADABLE: text[brace:]}
    words = (text[:equal] if equal >= 0 else text).split(" ")
    if equal >= 0:  # the last word is a key
        while words and not words[-1]:
            words.pop()
        words = words[:-1]
    while words and (not words[-1].strip() or words[-1].startswith(".")):
        words.pop()
    title = " ".join(words)
    return title, _pairs(text[len(title) :].strip())


def _pairs(text: str) -> dict[str, Any]:
    """Return what ``key=value`` and single words say; quick where values are plain JSON."""
    found: dict[str, Any] = {}
    position = 0
    while position < len(text):
        option = _OPTION.match(text, position)
        if option is None:
            return _pairs_from_the_right(text)
        key, value, position = option[1] or option[2], None, option.end()
        if option[1]:
            try:
                value, position = _DECODER.raw_decode(text, position)
            except (ValueError, RecursionError):
                return _pairs_from_the_right(text)
        if key in found or not _is_plain(value) or not (position == len(text) or text[position].isspace()):
            return _pairs_from_the_right(text)
        found[key] = value
    return found


def _pairs_from_the_right(text: str) -> dict[str, Any]:
    """Return the same where values may be Python's: the last key has the shortest value that can be read."""
    found: dict[str, Any] = {}
    length, values = _PATIENCE
    if len(text) > length:
        return {UNREADABLE: text}
    while text:
        word = text[text.rfind(" ") + 1 :]
        if not text.startswith("--") and _WORD.fullmatch(word):
            found.setdefault(word, None)
            text = text[: -len(word)].strip()
            continue
        for key, start, equal in _keys_from_the_right(text) if values > 0 else ():
            values -= 1
            value = _value(text[equal + 1 :])
            if value is not _FAILED:
                found.setdefault(key, value)
                text = text[:start].strip()
                break
        else:
            return {**found, UNREADABLE: text}
    return found


def _keys_from_the_right(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield each key, its offset, and that of its equal sign."""
    equal = text.rfind("=")
    while equal >= 0:
        before = text[:equal].rstrip()
        start = before.rfind(" ") + 1
        if _KEY.fullmatch(before[start:]):
            yield before[start:], start, equal
        equal = text.rfind("=", 0, equal)


def _refuse(_constant: str) -> None:
    raise ValueError("no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
_FAILED = object()


def _value(text: str) -> Any:
    """Return the value of a text in JSON or as Python writes it, `_FAILED` for others."""
    try:
        value = _DECODER.decode(text.strip())
    except (ValueError, RecursionError):
        if len(text) > _PATIENCE[0]:
            return _FAILED
        from ast import literal_eval

        try:
            value = literal_eval(text.strip())
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return _FAILED
        if isinstance(value, tuple):
            value = list(value)
    return value if _is_plain(value) else _FAILED


def _is_plain(value: object, depth: int = 0) -> bool:
    """Return whether a notebook can hold a value: JSON, as every reader of it understands it."""
    if isinstance(value, list | dict) and depth < 20:
        inner = (*value, *value.values()) if isinstance(value, dict) else value
        keys = value if isinstance(value, dict) else ()
        return all(isinstance(key, str) for key in keys) and all(_is_plain(item, depth + 1) for item in inner)
    if isinstance(value, str):
        return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or (isinstance(value, int) and -(2**63) <= value < 2**63)
