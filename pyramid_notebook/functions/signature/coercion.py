"""How pydantic reads a parameter, from JSON and from the text of a query string (pure).

JSON is read as pydantic's lax mode does, with a few differences, each of which saves somebody from a wrong answer: a
bool is no number, a number is no date, literals are compared with their type, and NaN and infinities are refused.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Literal, Union

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetPydanticSchema,
    WrapValidator,
)
from pydantic_core import ValidationError, core_schema

from .choices import MOST_TOLD, choice_type, fault
from .kinds import ANY, NULL, Choice, Either, Kind, Limits, Many, Row, Scalar, Table

#: Levels of lists and dicts within each other; pickle, and much of what notebooks do, fails below some hundreds.
MOST_DEPTH = 100


def not_plain(value: Any) -> str:
    """Return what is wrong with a value whatever its kind: it is too deep, or has numbers that JSON has not; or ''."""
    level: list[Any] = [value]
    for _ in range(MOST_DEPTH + 1):
        items: list[Any] = []
        for item in level:
            if type(item) is dict:
                items.extend(item.values())
            elif type(item) is list:
                items.extend(item)
            elif type(item) is float and not math.isfinite(item):
                return "Input should have finite numbers only"
        if not items:
            return ""
        level = items
    return f"Input should have at most {MOST_DEPTH} levels of lists and dicts within each other"


def json_type(kind: Kind, *, fail_fast: bool = False) -> Any:
    """Return the type by which pydantic reads a value of JSON.

    Args:
        kind: of the value.
        fail_fast: whether only the first wrong item of a list is told.
    """
    match kind:
        case Scalar(name, limits):
            base, *validators = _SCALARS[name]
            return Annotated[(base, Field(**dict(limits)), *validators)]
        case Choice():
            return choice_type(kind, text=False)
        case Many(shape, item, limits):
            return _many_type(shape, json_type(item, fail_fast=fail_fast), limits, Field(fail_fast=fail_fast))
        case Row(items):
            return tuple[tuple(json_type(item, fail_fast=fail_fast) for item in items)]  # type: ignore[misc]
        case Table(key, value, limits):
            return Annotated[dict[text_type(key), json_type(value, fail_fast=fail_fast)], Field(**dict(limits))]  # type: ignore[misc]
        case Either(arms):
            found = _union([json_type(arm, fail_fast=fail_fast) for arm in arms if arm != NULL], kind, "smart")
            return found | None if NULL in arms else found


def text_type(kind: Kind, *, nested: bool = False) -> Any:
    """Return the type by which pydantic reads what a query string says.

    Args:
        kind: of the value.
        nested: whether it is an item of another value, which has one text only.
    """
    found: Any = None
    match kind:
        case Scalar("null"):
            found = Annotated[None, BeforeValidator(_empty_is_null)]
        case Scalar():
            found = json_type(kind)
        case Choice():
            found = choice_type(kind, text=True)
        case Many(shape, item, limits) if not nested:
            found = _many_type(shape, text_type(item, nested=True), limits)
        case Row(items) if not nested:
            found = tuple[tuple(text_type(item, nested=True) for item in items)]  # type: ignore[misc]
        case Either(arms):
            # in order: smart mode would leave the "5" of an `int | str` a text
            found = _union([text_type(arm, nested=nested) for arm in arms if arm != NULL], kind, "left_to_right")
            if NULL in arms:
                keeps_text = any(isinstance(arm, Scalar) and arm.name in {"str", "any"} for arm in arms)
                found = found | None if keeps_text else Annotated[found | None, BeforeValidator(_empty_is_null)]
        case _:
            found = Annotated[json_type(kind), BeforeValidator(_json_of_text)]
    return found


def _many_type(shape: str, item: Any, limits: Limits, *more: Any) -> Any:
    whole: Any = {
        "list": list[item],
        "set": set[item],
        "frozenset": frozenset[item],
        "tuple": tuple[item, ...],
    }[shape]
    return Annotated[(whole, Field(**dict(limits)), *more)]


def _union(arms: list[Any], kind: Either, mode: Literal["smart", "left_to_right"]) -> Any:
    if len(arms) == 1:
        return arms[0]
    told = f"Input should fit one of: {', '.join(_told(arm) for arm in kind.arms[:MOST_TOLD])}"

    def one_fault(value: Any, handler: Callable[[Any], Any]) -> Any:
        try:
            return handler(value)
        except ValidationError:
            raise fault("union", told) from None

    return Annotated[Union[tuple(arms)], Field(union_mode=mode), WrapValidator(one_fault)]  # noqa: UP007 - made here


def _told(kind: Kind) -> str:
    match kind:
        case Scalar(name):
            return name
        case Choice(members, class_name):
            return class_name or " or ".join(repr(value) for _, value in members[:MOST_TOLD])
        case Many(shape, item):
            return f"{shape} of {_told(item)}" if item != ANY else shape
    return "tuple" if isinstance(kind, Row) else "dict"


def _no_bool(code: str, message: str) -> BeforeValidator:
    def check(value: Any) -> Any:
        if value is True or value is False:
            raise fault(code, message)
        return value

    return BeforeValidator(check)


def _iso(position: int, sign: str, classes: tuple[type, ...], code: str, message: str) -> BeforeValidator:
    """Refuse numbers, and text of digits: pydantic takes them for seconds since 1970, and ``2020`` is no such thing."""

    def check(value: Any) -> Any:
        if isinstance(value, classes) or (isinstance(value, str) and value[position : position + 1] == sign):
            return value
        raise fault(code, message)

    return BeforeValidator(check)


def _plain_zone(value: Any) -> Any:
    """Give a time a zone of the standard library: the process of a call need not load pydantic to read it."""
    if value.tzinfo is None or isinstance(value.tzinfo, timezone):
        return value
    offset = value.utcoffset()
    return value if offset is None else value.replace(tzinfo=timezone(offset))


def _seconds(value: Any) -> Any:
    digits = value.strip().removeprefix("-").replace(".", "", 1) if isinstance(value, str) else ""
    return float(value) if digits.isascii() and digits.isdecimal() else value


def _empty_is_null(value: Any) -> Any:
    return None if value == "" else value


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def _json_of_text(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        found = json.loads(value, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise fault("json_invalid", "Input should be JSON in a text") from None
    if message := not_plain(found):
        raise fault("json_invalid", message)
    return found


_NUMBER = "Input should be a valid number"
_SCALARS: dict[str, tuple[Any, ...]] = {
    "any": (Any,),
    "null": (None,),
    "str": (str,),
    "bool": (bool,),
    "int": (int, _no_bool("int_type", "Input should be a valid integer")),
    "float": (float, _no_bool("float_type", _NUMBER)),
    "Decimal": (Decimal, _no_bool("decimal_type", _NUMBER)),
    # the module uuid is not pure
    "UUID": (Any, GetPydanticSchema(lambda _source, _handler: core_schema.uuid_schema())),
    "date": (date, _iso(4, "-", (date,), "date_type", "Input should be a date such as 2026-12-31")),
    "datetime": (
        datetime,
        _iso(4, "-", (datetime,), "datetime_type", "Input should be a date and time such as 2026-12-31T23:59:00"),
        AfterValidator(_plain_zone),
    ),
    "time": (
        time,
        _iso(2, ":", (time,), "time_type", "Input should be a time such as 23:59:00"),
        AfterValidator(_plain_zone),
    ),
    "timedelta": (
        timedelta,
        BeforeValidator(_seconds),
        _no_bool("time_delta_type", "Input should be a duration such as PT1H30M, or a number of seconds"),
    ),
}
