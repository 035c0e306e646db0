"""What an editor may ask for, read from JSON (pure)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, Self

from ..errors import BadRequest

_LONGEST_NAME = 4096


class What(StrEnum):
    """Which cells are meant."""

    LINE = "line"
    CELL = "cell"
    ALL = "all"
    ABOVE = "above"  # those before the one of the line or id
    THROUGH = "through"  # those, and that one
    BELOW = "below"  # that one, and all behind it
    STALE = "stale"  # what has changed since it ran


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRequest:
    """A request, of whatever verb.

    Attributes:
        file: path of the file on the user's machine.
        text: what the file holds; None where the file is not sent.
        notebook: the notebook that belongs to it, if the request says so.
        mapping: folders of the user's machine, each with the folder below the user's that it stands for.
        language: of the script, where the file's name does not tell.
        rev: version that the file comes from, empty for none.
        force: whether one side is right wherever the two differ: the file, or for a pull the notebook.
        take: whether the editor wants to know what the file should hold then.
        what: which cells a run, or a clearing of outputs, is for; where it is not said, the one of the line or id, or
            all.
        line: of the file, from 1; 0 for none.
        cell: id of a cell, empty for none.
        kernel: name of the kernel for a new notebook, empty for the usual one.
        wait: whether to answer when a run has ended, rather than when it has begun.
    """

    file: str = ""
    text: str | None = None
    notebook: str = ""
    mapping: Mapping[str, str] = field(default_factory=dict)
    language: str = ""
    rev: str = ""
    force: bool = False
    take: bool = False
    what: What = What.ALL
    line: int = 0
    cell: str = ""
    kernel: str = ""
    wait: bool = True

    @classmethod
    def from_json(cls, body: bytes) -> Self:
        """Read a request.

        Raises:
            BadRequest: it is none; the text names the field.
        """
        try:
            values = json.loads(body)
        except (ValueError, RecursionError):
            raise BadRequest("The body must be JSON (RFC 8259), an object.") from None
        if not isinstance(values, dict):
            raise BadRequest("The body must be a JSON object.")
        return cls.from_values({name: value for name, value in values.items() if value is not None})

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Self:
        """Read a request's fields.

        Raises:
            BadRequest: one is unknown, of another type, or no value that it can have.
        """
        known = {item.name for item in fields(cls)}
        for name in values:
            if name not in known:
                near = get_close_matches(str(name), known, 1)
                hint = f" Did you mean {near[0]!r}?" if near else ""
                raise BadRequest(f"There is no field {str(name)[:100]!r}.{hint}")
        request = cls(**{name: _READERS[name](name, value) for name, value in values.items()})
        if "what" not in values and (request.line or request.cell):
            request = replace(request, what=What.LINE if request.line else What.CELL)
        if not request.file and not request.notebook:
            raise BadRequest("The request must name a file or a notebook.")
        return request


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise BadRequest(f"{name!r} must be a text.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadRequest(f"{name!r} holds half of a character (a lone surrogate).") from None
    return value


def _name(name: str, value: object) -> str:
    text = _text(name, value)
    if len(text) > _LONGEST_NAME:
        raise BadRequest(f"{name!r} is longer than {_LONGEST_NAME} characters.")
    return text


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise BadRequest(f"{name!r} must be true or false.")
    return value


def _line(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 1 << 31:
        raise BadRequest(f"{name!r} must be a whole number, and the first line is 1.")
    return value


def _what(name: str, value: object) -> What:
    if value not in list(What):
        raise BadRequest(f"{name!r} must be one of {', '.join(What)}.")
    return What(str(value))


def _mapping(name: str, value: object) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > 1000:
        raise BadRequest(f"{name!r} must be an object of folders, 1000 at most.")
    return {_name(name, root): _name(name, folder) for root, folder in value.items()}


_READERS: dict[str, Any] = {
    **dict.fromkeys(("file", "notebook", "language", "rev", "cell", "kernel"), _name),
    **dict.fromkeys(("force", "take", "wait"), _flag),
    "text": _text,
    "mapping": _mapping,
    "what": _what,
    "line": _line,
}
