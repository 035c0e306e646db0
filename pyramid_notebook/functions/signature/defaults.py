"""What a default in the source of a cell is, without running it (pure)."""

from __future__ import annotations

import ast
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from ..protocol import EnumMember
from .cell_names import SCALARS, Names
from .kinds import ANY, Kind, Many, Scalar, Table

_MAKERS: dict[str, Any] = {
    **{maker.__name__: maker for maker in (date, datetime, time, timedelta, Decimal)},
    "UUID": str,  # as text: the module uuid is not pure
}


def read_default(node: ast.expr, names: Names) -> tuple[Kind, Any] | None:
    """Return the kind and the value of a literal, of a member of an Enum, or of a date and the like; or None."""
    if isinstance(node, ast.Attribute):
        choice = names.enums.get(names.origin(node.value))
        is_member = choice and any(name == node.attr for name, _ in choice.members)
        return (choice, EnumMember(choice.class_name, node.attr)) if choice and is_member else None
    try:
        if isinstance(node, ast.Call):
            name = SCALARS.get(names.origin(node.func), "")
            words = {word.arg or "": ast.literal_eval(word.value) for word in node.keywords}
            return Scalar(name), _MAKERS[name](*map(ast.literal_eval, node.args), **words)
        value = ast.literal_eval(node)
        kind = kind_of(value)
    except (ValueError, TypeError, LookupError, ArithmeticError, MemoryError, RecursionError):
        return None
    return (kind, value) if kind else None


def kind_of(value: Any) -> Kind | None:
    """Return the kind of a default that has no annotation; None for what no parameter can be.

    Items that are all of one simple type make a list of that type; None may become anything.
    """
    if value is None:
        return ANY
    if isinstance(value, bool | int | float | str):
        return Scalar(type(value).__name__)
    if isinstance(value, dict):
        return Table(Scalar("str"), ANY)
    if not isinstance(value, list | tuple | set):
        return None
    kinds = {kind_of(item) for item in value}
    if kinds == {Scalar("int"), Scalar("float")}:
        kinds = {Scalar("float")}
    item = kinds.pop() if len(kinds) == 1 else None
    return Many(type(value).__name__, item or ANY)
