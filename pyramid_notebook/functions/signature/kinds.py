"""What a parameter may be (pure)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

Limits: TypeAlias = tuple[tuple[str, Any], ...]
_NUMERIC = frozenset(("ge", "gt", "le", "lt", "multiple_of"))
_LENGTHS = frozenset(("min_length", "max_length"))
#: Arguments of pydantic's ``Field`` that are heard.
LIMITS = _NUMERIC | _LENGTHS | {"pattern"}
_LIMITS_OF = {
    "str": _LENGTHS | {"pattern"},
    **dict.fromkeys(("int", "float", "Decimal"), _NUMERIC),
    **dict.fromkeys(("list", "set", "frozenset", "tuple", "dict"), _LENGTHS),
}


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value: ``int``, ``str``, ``date``, ..., ``null``, or ``any``, which is whatever JSON has."""

    name: str
    limits: Limits = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some values: a Literal, or with the name of its class an Enum, which is given by value or by name.

    Attributes:
        members: name and value of each; of a Literal the name is the value's text.
        class_name: of the Enum.
    """

    members: tuple[tuple[str, Any], ...]
    class_name: str = ""


@dataclass(frozen=True, slots=True)
class Many:
    """Any number of items of one kind: ``list``, ``set``, ``frozenset``, or ``tuple``."""

    shape: str
    item: Kind
    limits: Limits = ()


@dataclass(frozen=True, slots=True)
class Row:
    """A tuple of a fixed length."""

    items: tuple[Kind, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A dict."""

    key: Kind
    value: Kind
    limits: Limits = ()


@dataclass(frozen=True, slots=True)
class Either:
    """A union."""

    arms: tuple[Kind, ...]


Kind: TypeAlias = Scalar | Choice | Many | Row | Table | Either
ANY, NULL = Scalar("any"), Scalar("null")
#: How a query string tells a parameter: one text, one text for each item, a JSON text, or a text or several of them.
Style: TypeAlias = Literal["text", "list", "json", "mixed"]


def style(kind: Kind) -> Style:
    """Return how a query string tells a parameter of this kind."""
    if isinstance(kind, Either):
        styles = {style(arm) for arm in kind.arms if arm != NULL}
        return styles.pop() if len(styles) == 1 else "mixed" if styles & {"list", "mixed"} else "text"
    if isinstance(kind, Many | Row):
        return "list"
    return "json" if isinstance(kind, Table) else "mixed" if kind == ANY else "text"


def limited(kind: Kind, limits: Limits) -> Kind | None:
    """Return a kind with limits, those of a union on each arm that can have them; None where nothing can."""
    if isinstance(kind, Either):
        arms = [(arm, limited(arm, limits)) for arm in kind.arms]
        return Either(tuple(new or arm for arm, new in arms)) if any(new for _, new in arms) else None
    if isinstance(kind, Choice | Row):
        return None
    name = kind.name if isinstance(kind, Scalar) else kind.shape if isinstance(kind, Many) else "dict"
    if not {limit for limit, _ in limits} <= _LIMITS_OF.get(name, frozenset()):
        return None
    return replace(kind, limits=(*kind.limits, *limits))
