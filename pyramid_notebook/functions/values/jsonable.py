"""Strict JSON: what each kind of value becomes, and nothing by its ``repr``.

Texts, numbers (whole ones exactly), truth values, None, lists, tuples, sets and dictionaries are what one expects; a
set is sorted. Dates, times and durations are texts of ISO 8601; ``Decimal``, ``UUID`` and paths are their texts; a
member of an Enum is its value; a dataclass, a pydantic model and a named tuple are objects. What numpy, pandas, polars
and pyarrow have is in ``foreign.py``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from ...errors import BadResult
from .durations import duration
from .foreign import KINDS as FOREIGN
from .renderings import ways
from .walker import Kind, Teller, Unfit, Walker, as_list, as_object, class_name, json_path, too_large

_ENCODE = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")).encode
_SURROGATE = re.compile("[\ud800-\udfff]")


def json_body(value: Any, *, nan: str = "error", most_bytes: int) -> bytes:
    """Return a value as JSON (RFC 8259) in UTF-8.

    Args:
        value: any.
        nan: what becomes of NaN and infinities, one of ``formats.NAN_POLICIES``.
        most_bytes: bytes that it may have.

    Raises:
        Unfit: something in the value is of a kind that JSON does not know.
        BadResult: something in it has no word in JSON, and the text says where; or it is too long.
    """
    plain = Walker(KINDS, nan=nan, most_bytes=most_bytes).plain(value)
    try:
        body = _ENCODE(plain).encode()
    except UnicodeEncodeError:
        raise BadResult(f"{_surrogate(plain)} is a text with half a character, which has no UTF-8.") from None
    except ValueError as error:  # all else was looked at: the interpreter's limit on digits
        raise BadResult(f"The result holds a number that is too long to be written: {error}.") from None
    if len(body) > most_bytes:
        raise too_large("JSON", len(body), most_bytes)
    return body


def _surrogate(plain: Any) -> str:
    """Return the place of the first text that has no UTF-8."""
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), plain)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, str) and _SURROGATE.search(value):
            return json_path(path)
        if isinstance(value, dict):
            if any(_SURROGATE.search(key) for key in value):
                return f"A key of {json_path(path)}"
            waiting += (((*path, key), item) for key, item in value.items())
        elif isinstance(value, list):
            waiting += (((*path, number), item) for number, item in enumerate(value))
    return "The result"


def _text(walker: Walker, value: Any) -> str:
    text = str.__str__(value) if isinstance(value, str) else str(value)
    walker.spend(len(text))
    return text


def _decimal(walker: Walker, value: Any) -> Any:
    return str(value) if value.is_finite() else walker.plain(float("nan") if value.is_nan() else float(value))


def _timedelta(_: Walker, value: Any) -> str:
    microseconds = (value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds
    return duration(microseconds * 1000 + getattr(value, "nanoseconds", 0), 9)  # pandas has those


def _tuple(walker: Walker, value: Any) -> Any:
    names = getattr(type(value), "_fields", None)
    if names is None or not all(isinstance(name, str) for name in names):
        return walker.items(value, value)
    return walker.members(value, zip(names, value, strict=True))


def _set(walker: Walker, value: Any) -> list[Any]:
    told = walker.items(value, value)
    try:
        return sorted(told)
    except TypeError:  # not all of one kind
        return sorted(told, key=_ENCODE)


def _unknown(walker: Walker, value: Any) -> Any:
    fields = getattr(type(value), "__dataclass_fields__", None)
    if fields is not None and not isinstance(value, type):
        names = [name for name, field in fields.items() if field._field_type.name == "_FIELD"]
        return walker.members(value, ((name, getattr(value, name)) for name in names))
    known = " or ".join(f"format={name}" for name in ways(value))
    if known:
        alone = "Return it by itself and ask" if walker.place != "$" else "Ask"
        advice = f"{alone} for {known}, or return the numbers in it."
    else:
        methods = (name for name in ("to_dict", "tolist", "to_list", "to_dicts") if hasattr(type(value), name))
        method = next(methods, "")
        advice = f"Return value.{method}()." if method else "Return numbers, texts, lists, dictionaries or tables."
    raise Unfit(f"{walker.place} is of the type {class_name(value)}, and {walker.what} has no word for it. {advice}")


def _refusal(what: str, advice: str) -> Teller:
    return lambda walker, _: walker.refuse(what, advice)


_BYTES = _refusal("bytes", "Ask for format=file, or return Response(value, content_type=…), which sends them.")
_ITERATOR = _refusal("an iterator", "Return list(value).")
_ISO: Callable[[Walker, Any], str] = lambda _, value: value.isoformat()  # noqa: E731 - one of many in the table

#: Whatever JSON has a word for. The first that fits counts, so a class stands before what it is made of.
KINDS: tuple[Kind, ...] = (
    ("enum", "Enum", lambda walker, value: walker.plain(value.value)),
    *FOREIGN,
    ("builtins", "str", _text),
    ("builtins", "int", lambda _, value: int.__int__(value)),
    ("builtins", "float", lambda walker, value: walker.plain(float.__float__(value))),
    ("datetime", "date", _ISO),  # datetime is one
    ("datetime", "time", _ISO),
    ("datetime", "timedelta", _timedelta),
    ("decimal", "Decimal", _decimal),
    ("uuid", "UUID", _text),
    ("pathlib", "PurePath", _text),
    *(("builtins", name, _BYTES) for name in ("bytes", "bytearray", "memoryview")),
    ("builtins", "complex", _refusal("a complex number", "Return value.real and value.imag.")),
    ("builtins", "tuple", _tuple),
    ("collections.abc", "Sequence", as_list),
    ("collections", "deque", as_list),
    ("collections.abc", "Set", _set),
    ("collections.abc", "Mapping", as_object),
    ("collections.abc", "ValuesView", as_list),
    ("collections.abc", "Iterator", _ITERATOR),
    ("collections.abc", "Awaitable", _refusal("something that was not awaited", "Put await before it.")),
    ("builtins", "object", _unknown),
)
