"""Goes through a value and makes of it what JSON has words for.

Nothing is told by its ``repr``, and nothing is left out: what JSON has no word for is an error that names its place. A
value is known by its class, and a class by the module that defines it; a module that nobody has loaded has no values,
so none is ever imported for looking.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from math import isfinite
from typing import Any, NoReturn

from ...errors import BadResult, ResultTooLarge

#: Lists and objects within each other that a result may have; many programs read no more.
MOST_LEVELS = 200

_SELF_EVIDENT = frozenset({int, bool, type(None)})
_NAME = re.compile(r"[^\W\d]\w*")

#: Makes of a value what JSON has words for.
Teller = Callable[["Walker", Any], Any]
#: Module, name of a class in it, and what tells values of the class. The first that fits a value counts.
Kind = tuple[str, str, Teller]


class Unfit(Exception):
    """A value is of a kind that a form does not know; another form may."""


def loaded(module: str, name: str) -> type | None:
    """Return a class of a module, or the class of its object of that name; None where nobody has loaded the module."""
    found = getattr(sys.modules.get(module), name, None)
    return found if found is None or isinstance(found, type) else type(found)


def is_a(value: object, module: str, *names: str) -> bool:
    """Tell whether a value is of one of these classes of a module."""
    return any((kind := loaded(module, name)) is not None and isinstance(value, kind) for name in names)


def class_name(value: object) -> str:
    """Return the full name of a value's class, for people."""
    kind = type(value)
    module = "" if kind.__module__ in {"builtins", "__main__"} else f"{kind.__module__}."
    return module + kind.__qualname__


def json_path(parts: Iterable[str | int]) -> str:
    """Return a place in a result as RFC 9535 writes it: ``$.rows[3]['two words']``."""
    texts = []
    for part in parts:
        if isinstance(part, int):
            texts.append(f"[{part}]")
        elif _NAME.fullmatch(part):
            texts.append(f".{part}")
        else:
            texts.append(f"[{part[:60]!r}]")
    return "$" + "".join(texts)


class Walker:
    """One way through one value.

    Args:
        kinds: what is known.
        nan: what becomes of NaN and infinities, one of ``formats.NAN_POLICIES``.
        most_bytes: bytes that the result may have. What is certain to be longer is not gone through to its end.
        what: the form that is made, for people.
    """

    __slots__ = ("_bytes", "_kinds", "_open", "_path", "_tellers", "most_bytes", "nan", "what")

    def __init__(self, kinds: Sequence[Kind], *, nan: str, most_bytes: int, what: str = "JSON") -> None:
        self.nan = nan
        self.most_bytes = most_bytes
        self.what = what
        self._kinds = kinds
        self._tellers = _OBVIOUS.copy()
        self._path: list[str | int] = []
        self._open: set[int] = set()
        self._bytes = 0

    @property
    def place(self) -> str:
        """Where the walk is."""
        return json_path(self._path)

    def plain(self, value: Any) -> Any:
        """Return a value as dictionaries with texts as keys, lists, texts, finite numbers, truth values and None.

        Raises:
            Unfit: something in it is of a kind that JSON does not know.
            BadResult: something in it has no word in JSON, holds itself, or lies too deep.
        """
        kind = type(value)
        if kind is str:
            self.spend(len(value))
            return value
        if kind in _SELF_EVIDENT:
            return value
        if kind is float:
            return value if isfinite(value) else self.not_finite(value)
        teller = self._tellers.get(kind)
        if teller is None:
            teller = self._tellers[kind] = self._teller(kind)
        return teller(self, value)

    def _teller(self, kind: type) -> Teller:
        for module, name, teller in self._kinds:
            known = loaded(module, name)
            if known is not None and issubclass(kind, known):
                return teller
        raise AssertionError("the last of the kinds is object")

    def items(self, owner: Any, values: Collection[Any]) -> list[Any]:
        """Return the members of a list as plain values.

        Args:
            owner: the list that the result will be for; it must not hold itself.
            values: what it holds.
        """
        self.spend(2 * len(values))  # a digit and a comma
        if self._is_plain(values):
            return list(values)
        self._enter(owner)
        told = []
        self._path.append(0)
        for number, value in enumerate(values):
            self._path[-1] = number
            told.append(self.plain(value))
        self._leave(owner)
        return told

    def column(self, name: str, values: Sequence[Any]) -> list[Any]:
        """Return what stands in a column of a table of records as plain values."""
        if self._is_plain(values):
            return list(values)
        if self.nan == "error":
            self._refuse_gaps(name, values)
        told = []
        self._path += [0, name]
        for number, value in enumerate(values):
            self._path[-2] = number
            told.append(self.plain(value))
        del self._path[-2:]
        return told

    def members(self, owner: Any, pairs: Iterable[tuple[Any, Any]]) -> dict[str, Any]:
        """Return the members of an object as plain values.

        Args:
            owner: the object that the result will be for; it must not hold itself.
            pairs: keys and values.
        """
        self._enter(owner)
        told: dict[str, Any] = {}
        for key, value in pairs:
            name = key if type(key) is str else self.key(key)
            self.spend(5 + len(name))  # "":1,
            if name in told:
                raise BadResult(f'Two keys of {self.place} are both told as "{name:.60}": keys are texts in JSON.')
            self._path.append(name)
            told[name] = self.plain(value)
            self._path.pop()
        self._leave(owner, deeper=False)
        return told

    def key(self, key: Any) -> str:
        """Return the text that a key, or the name of a column, has in an object."""
        if isinstance(key, float) and not isfinite(key) and self.nan == "error":
            raise BadResult(f"A key of {self.place} is {not_finite_name(key)}. {_NAN_ADVICE}")
        told = self.plain(key)
        if isinstance(told, str):
            return told
        if told is None or isinstance(told, bool):
            return {None: "null", True: "true", False: "false"}[told]
        if isinstance(told, int | float):
            return repr(told)
        raise BadResult(
            f"A key of {self.place} is of the type {class_name(key)}, and keys are texts in JSON. Of a table with "
            "several levels of rows or columns, return value.reset_index(), or give the columns one level."
        )

    def not_finite(self, number: float) -> str | None:
        """Return what NaN or an infinity becomes."""
        if self.nan == "null":
            return None
        if self.nan == "text":
            return not_finite_name(number)
        raise BadResult(f"{self.place} is {not_finite_name(number)}, and JSON has no word for it. {_NAN_ADVICE}")

    def spend(self, least: int) -> None:
        """Count bytes that the result is certain to have."""
        self._bytes += least
        if self._bytes > self.most_bytes:
            raise too_large(self.what, self._bytes, self.most_bytes, at_least=True)

    def refuse(self, what: str, advice: str) -> NoReturn:
        """Raise that there is something that this form has no word for."""
        raise BadResult(f"{self.place} is {what}, and {self.what} has no word for it. {advice}")

    def _is_plain(self, values: Collection[Any]) -> bool:
        kinds = set(map(type, values))
        if kinds <= _SELF_EVIDENT:
            return True
        if kinds == {str}:
            self.spend(sum(map(len, values)))
            return True
        return kinds == {float} and all(map(isfinite, values))

    def _refuse_gaps(self, name: str, values: Sequence[Any]) -> None:
        gaps = [number for number, value in enumerate(values) if isinstance(value, float) and not isfinite(value)]
        if gaps:
            place = json_path([*self._path, gaps[0], name])
            raise BadResult(
                f"The column {name[:60]!r} has {len(gaps)} of {len(values)} values that JSON has no word for; the "
                f"first is {place}, {not_finite_name(values[gaps[0]])}. {_NAN_ADVICE}"
            )

    def _enter(self, owner: Any) -> None:
        if id(owner) in self._open:
            raise BadResult(f"{self.place} holds itself, and {self.what} cannot tell that.")
        if len(self._path) >= MOST_LEVELS:
            raise BadResult(f"The result has more than {MOST_LEVELS} levels of lists and objects within each other.")
        self._open.add(id(owner))

    def _leave(self, owner: Any, *, deeper: bool = True) -> None:
        self._open.discard(id(owner))
        if deeper:
            self._path.pop()


def as_object(walker: Walker, value: Any) -> dict[str, Any]:
    """Tell a mapping."""
    return walker.members(value, value.items())


def as_list(walker: Walker, value: Any) -> list[Any]:
    """Tell a sequence."""
    return walker.items(value, value)


#: What most results are made of: no kind before these fits the classes themselves.
_OBVIOUS: dict[type, Teller] = {dict: as_object, list: as_list}
_NAN_ADVICE = "Ask for nan=null or nan=text, or replace it in the notebook."


def not_finite_name(number: float) -> str:
    """Return what ECMAScript, and most others, call NaN or an infinity."""
    if number != number:  # noqa: PLR0124 - only NaN does
        return "NaN"
    return "Infinity" if number > 0 else "-Infinity"


def too_large(what: str, size: int, most: int, *, at_least: bool = False) -> ResultTooLarge:
    """Return the error for a result that is too long, with its size in bytes."""
    has = "at least " if at_least else ""
    return ResultTooLarge(f"The result has {has}{size:,} bytes as {what}, and {most:,} are allowed. Return less of it.")
