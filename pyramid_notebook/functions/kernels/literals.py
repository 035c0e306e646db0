"""Values of parameters as source text of a kernel's language (pure).

Python's own calls bind values and need no text. For kernels of other languages, and Python kernels of other
environments, each value is written as a literal that means exactly that value; a name is one that the notebook
declares, so it is an identifier.
"""

from __future__ import annotations

import json
import pickle
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import NotAFunction
from ..protocol import EnumMember

_NAME = re.compile(r"[^\W\d][\w.]*")


def assignment(language: str, name: str, value: Any) -> str:
    """Return a line that gives a name a value.

    Args:
        language: of the kernel, in lower case.
        name: of the parameter.
        value: None, bool, int, float, str, or lists and dictionaries of them; for Python also what
            :mod:`.signature` makes of the other types.

    Raises:
        NotAFunction: nobody knows how to write that in this language.
    """
    if language not in _LANGUAGES or not _NAME.fullmatch(name):
        known = ", ".join(sorted(_LANGUAGES))
        raise NotAFunction(f"Parameters cannot be given to a kernel of {language!r}: known are {known}.")
    form, literal = _LANGUAGES[language]
    return form.format(name=name, value=literal(value))


def _python(value: Any) -> str:
    if isinstance(value, EnumMember):
        return f"{value.class_name}[{value.name!r}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_python(key)}: {_python(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple, set, frozenset)):
        items = "".join(f"{_python(item)}, " for item in value)
        kind = type(value).__name__
        return f"({items})" if kind == "tuple" else f"[{items}]" if kind == "list" else f"{kind}([{items}])"
    if value is None or isinstance(value, (bool, int, str, bytes)):
        return repr(value)
    if isinstance(value, float):
        return f"float({str(value)!r})"
    if type(value).__module__ in ("datetime", "decimal", "uuid"):  # these have no literals
        return f"__import__('pickle').loads({pickle.dumps(value, protocol=4)!r})"
    raise _unknown("python", value)


_R = {"None": "NULL", "True": "TRUE", "False": "FALSE", "inf": "Inf", "-inf": "-Inf", "nan": "NaN"}
_JULIA = {"None": "nothing", "True": "true", "False": "false", "inf": "Inf", "-inf": "-Inf", "nan": "NaN"}


def _r(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value}L" if abs(value) < 1 << 31 else str(value)
    if value is None or isinstance(value, (bool, float)):
        return _R.get(str(value), repr(value))
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, list):
        return f"list({', '.join(map(_r, value))})"
    if isinstance(value, Mapping):
        return f"list({', '.join(f'{_quoted(str(key))} = {_r(item)}' for key, item in value.items())})"
    raise _unknown("r", value)


def _julia(value: Any) -> str:
    if value is None or isinstance(value, (bool, int, float)):
        return _JULIA.get(str(value), repr(value))
    if isinstance(value, str):
        return _quoted(value).replace("$", "\\$")
    if isinstance(value, list):
        return f"[{', '.join(map(_julia, value))}]"
    if isinstance(value, Mapping):
        return f"Dict({', '.join(f'{_julia(str(key))} => {_julia(item)}' for key, item in value.items())})"
    raise _unknown("julia", value)


def _javascript(value: Any) -> str:
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise _unknown("javascript", value) from None


def _bash(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, str) and "\0" not in value:
        return shlex.quote(value)
    if isinstance(value, list) and all(isinstance(item, (str, int, float)) for item in value):
        return f"({' '.join(map(_bash, value))})"
    raise _unknown("bash", value)


def _quoted(text: str) -> str:
    r"""Return a string in double quotes in which all but plain ASCII stands as ``\uXXXX`` or ``\UXXXXXXXX``."""
    parts = []
    for letter in text:
        code = ord(letter)
        if letter in '"\\':
            parts.append(f"\\{letter}")
        elif 0x20 <= code < 0x7F:
            parts.append(letter)
        elif not code or 0xD800 <= code < 0xE000:
            raise NotAFunction("A text with NUL, or with half a surrogate pair, cannot be given to this kernel.")
        else:
            parts.append(f"\\u{code:04x}" if code < 1 << 16 else f"\\U{code:08x}")
    return f'"{"".join(parts)}"'


def _unknown(language: str, value: object) -> NotAFunction:
    return NotAFunction(f"A value of type {type(value).__name__} cannot be given to a kernel of {language}.")


_LANGUAGES: dict[str, tuple[str, Callable[[Any], str]]] = {
    "python": ("{name} = {value}", _python),
    "r": ("{name} <- {value}", _r),
    "julia": ("{name} = {value}", _julia),
    "javascript": ("{name} = {value};", _javascript),
    "bash": ("{name}={value}", _bash),
}
