"""What annotations in the source of a cell mean, without running any of it (pure)."""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence
from typing import Any

from .cell_names import SCALARS, SHAPES, Names
from .kinds import ANY, LIMITS, NULL, Choice, Either, Kind, Many, Row, Scalar, Table, limited

KNOWN = (
    "int, float, str, bool, list, dict, tuple, set, date, datetime, time, timedelta, Decimal, UUID, Any, Optional, "
    "Union, Literal, Annotated with Field, and Enum classes with literal members that a cell with parameters defines"
)
#: Parts that all annotations of a notebook may have: names for types can be used many times in each other.
_MOST_PARTS = 2000
_MOST_NESTING = 50


class Misread(ValueError):
    """An annotation cannot be understood; the text says why."""


class Annotations:
    """Reads annotations.

    Args:
        names: what the names in them stand for.
    """

    def __init__(self, names: Names) -> None:
        self._names = names
        self._parts = 0

    def kind(self, node: ast.expr, nesting: int = 0) -> Kind:
        """Return what an annotation means.

        Raises:
            Misread: it is none that we know.
        """
        self._parts += 1
        if self._parts > _MOST_PARTS or nesting > _MOST_NESTING:
            raise Misread("the type is too large, or made of itself")
        match node:
            case ast.Constant(value=None):
                return NULL
            case ast.Constant(value=str() as text):
                return self.kind(_expression(text), nesting + 1)
            case ast.BinOp(op=ast.BitOr(), left=left, right=right):
                return _either([self.kind(left, nesting + 1), self.kind(right, nesting + 1)])
            case ast.Subscript(value=value, slice=inner):
                parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
                return self._generic(self._names.origin(value), parts, nesting + 1) or self._refuse(node)
        return self._named(self._names.origin(node), nesting) or self._refuse(node)

    def described(self, node: ast.expr) -> str:
        """Return the description in an annotation, ``Annotated[int, "text"]`` or ``Field(description=...)``."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node = _expression(node.value)
        if not isinstance(node, ast.Subscript) or self._names.origin(node.value) != "typing.Annotated":
            return ""
        for part in node.slice.elts[1:] if isinstance(node.slice, ast.Tuple) else []:
            words = part.keywords if isinstance(part, ast.Call) else []
            for told in [part, *(word.value for word in words if word.arg == "description")]:
                if isinstance(told, ast.Constant) and isinstance(told.value, str):
                    return told.value
        return ""

    def _named(self, name: str, nesting: int) -> Kind | None:
        names = self._names
        if name in names.aliases:
            return self.kind(names.aliases[name], nesting + 1)
        if name in {"NoneType", "types.NoneType"}:
            return NULL
        if name in SHAPES:
            return Table(Scalar("str"), ANY) if SHAPES[name] == "dict" else Many(SHAPES[name], ANY)
        return Scalar(SCALARS[name]) if name in SCALARS else names.enums.get(name)

    def _refuse(self, node: ast.expr) -> Kind:
        if isinstance(node, ast.Name) and node.id in self._names.others:
            raise Misread(f"{node.id[:100]} {self._names.others[node.id]}. Known are {KNOWN}")
        hint = ": write str" if self._names.origin(node) in {"Path", "pathlib.Path"} else ""
        raise Misread(f"the type {ast.unparse(node)[:100]} is not known{hint}. Known are {KNOWN}")

    def _generic(self, name: str, parts: Sequence[ast.expr], nesting: int) -> Kind | None:
        if name == "typing.Literal":
            return _literal_choice(parts)
        if name == "typing.Union" or (name == "typing.Optional" and len(parts) == 1):
            kinds = [self.kind(part, nesting) for part in parts]
            return _either([*kinds, NULL] if name == "typing.Optional" else kinds)
        if name == "typing.Annotated":
            kind = self.kind(parts[0], nesting)
            for part in parts[1:]:
                kind = self._with_limits(kind, part)
            return kind
        return self._shaped(SHAPES.get(name, ""), parts, nesting)

    def _shaped(self, shape: str, parts: Sequence[ast.expr], nesting: int) -> Kind | None:
        if shape == "tuple" and not _is_ellipsis(parts[-1:]):
            return Row(tuple(self.kind(part, nesting) for part in parts)) if parts else None
        if len(parts) != {"": 0, "tuple": 2, "dict": 2}.get(shape, 1):
            return None
        first = self.kind(parts[0], nesting)
        if shape != "dict":
            return Many(shape, first)
        if not isinstance(first, Scalar) or first in (NULL, ANY):
            raise Misread("the keys of a dict must be of a simple type, such as str")
        return Table(first, self.kind(parts[1], nesting))

    def _with_limits(self, kind: Kind, part: ast.expr) -> Kind:
        if not isinstance(part, ast.Call) or self._names.origin(part.func) != "pydantic.Field":
            return kind
        if part.args:
            raise Misread("the default belongs behind an equals sign, not into Field")
        given = {}
        for word in part.keywords:
            if word.arg not in LIMITS | {"description"}:
                raise Misread(f"Field can have description, {', '.join(sorted(LIMITS))} here")
            if word.arg in LIMITS:
                given[word.arg] = _literal(word.value, f"{word.arg} of Field must be a literal")
        fitting = limited(kind, tuple(given.items())) if given else kind
        if fitting is None:
            raise Misread(f"{', '.join(given)} of Field means nothing for this type")
        return fitting


def _either(kinds: Sequence[Kind]) -> Kind:
    arms = [arm for kind in kinds for arm in (kind.arms if isinstance(kind, Either) else (kind,))]
    unique = tuple(dict.fromkeys(arms))
    if ANY in unique or len(unique) == 1:
        return unique[0] if len(unique) == 1 else ANY
    return Either(unique)


def _literal_choice(parts: Sequence[ast.expr]) -> Kind:
    told = "the values of Literal must be texts, numbers, True, False or None"
    values = [_literal(part, told) for part in parts]
    if any(value is not None and type(value) not in {str, int, bool} for value in values):
        raise Misread(told)
    return Choice(tuple((str(value), value) for value in values))


def _literal(node: ast.expr, message: str) -> Any:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError, MemoryError):
        raise Misread(message) from None
    if isinstance(value, float) and not math.isfinite(value):
        raise Misread(message)
    return value


def _is_ellipsis(nodes: Sequence[ast.expr]) -> bool:
    return any(isinstance(node, ast.Constant) and node.value is ... for node in nodes)


def _expression(text: str) -> ast.expr:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise Misread(f"the type {text[:100]!r} is no Python") from None
