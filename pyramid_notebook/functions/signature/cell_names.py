"""The names that cells give to types, modules and Enum classes, read without running them (pure)."""

from __future__ import annotations

import ast
from typing import Any

from .kinds import Choice

#: Where the simple types come from, and what :class:`Scalar` calls them.
SCALARS = {
    **{f"builtins.{name}": name for name in ("int", "float", "str", "bool")},
    **{f"datetime.{name}": name for name in ("date", "datetime", "time", "timedelta")},
    "decimal.Decimal": "Decimal",
    "uuid.UUID": "UUID",
    "typing.Any": "any",
    "builtins.object": "any",
}
#: Where the types with items come from, and what they are here.
SHAPES = {
    **{f"builtins.{name}": name for name in ("list", "dict", "set", "frozenset", "tuple")},
    **{f"typing.{name}": name.lower() for name in ("List", "Dict", "Set", "FrozenSet", "Tuple")},
    **dict.fromkeys(("typing.Sequence", "collections.abc.Sequence"), "list"),
    **dict.fromkeys(("typing.Mapping", "collections.abc.Mapping"), "dict"),
}
_ENUMS = frozenset(("enum.Enum", "enum.IntEnum", "enum.StrEnum"))
_TYPING = ("Annotated", "Literal", "Optional", "TypeAlias", "Union")
_MORE = (*(f"typing.{name}" for name in _TYPING), *sorted(_ENUMS), "enum.auto", "pydantic.Field")
#: Where a name comes from that no cell with parameters imports: another cell does, or it is built in.
_USUAL = {name.rpartition(".")[2]: name for name in (*_MORE, *reversed(SHAPES), *SCALARS)}


class Names:
    """What the names in cells stand for; later cells know those of earlier ones.

    Attributes:
        enums: the Enum classes.
        aliases: expressions that were given a name, such as ``Size = Literal["s", "m"]``.
        others: of names that are no types, why.
    """

    def __init__(self) -> None:
        self.enums: dict[str, Choice] = {}
        self.aliases: dict[str, ast.expr] = {}
        self.others: dict[str, str] = {}
        self._imports: dict[str, str] = {}

    def learn(self, statement: ast.stmt) -> None:
        """Take note of an import, a class, a function or an assignment."""
        match statement:
            case ast.Import() | ast.ImportFrom():
                self._learn_imports(statement)
            case ast.ClassDef():
                self._learn_class(statement)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                self._set(self.others, name, "is a function")
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    if isinstance(target, ast.Name):
                        self._set(self.aliases, target.id, value)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                self._set(self.aliases, name, value)

    def origin(self, node: ast.expr) -> str:
        """Return where a name comes from, such as ``datetime.date``; empty for what is no name."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.insert(0, node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id in self.others:
            return ""
        name = node.id
        if name in self._imports:
            name = self._imports[name]
        elif not parts and name not in self.enums and name not in self.aliases:
            name = _USUAL.get(name, name)
        whole = ".".join([name, *parts])
        return f"typing.{whole.removeprefix('typing_extensions.')}" if whole.startswith("typing_ext") else whole

    def _set(self, table: dict[str, Any], name: str, value: Any) -> None:
        for other in (self._imports, self.enums, self.aliases, self.others):
            other.pop(name, None)
        table[name] = value

    def _learn_imports(self, statement: ast.Import | ast.ImportFrom) -> None:
        for alias in statement.names:
            if isinstance(statement, ast.ImportFrom):
                self._set(self._imports, alias.asname or alias.name, f"{statement.module}.{alias.name}")
            else:
                root = alias.name.partition(".")[0]
                self._set(self._imports, alias.asname or root, alias.name if alias.asname else root)

    def _learn_class(self, statement: ast.ClassDef) -> None:
        bases = [self.origin(base) for base in statement.bases]
        if _ENUMS.isdisjoint(bases):
            self._set(self.others, statement.name, "is a class of the notebook, and no Enum")
            return
        members: dict[str, Any] = {}
        for item in statement.body:
            if not isinstance(item, ast.Assign) or not isinstance(item.targets[0], ast.Name):
                continue
            name = item.targets[0].id
            if name.startswith("_"):
                continue
            try:
                members[name] = self._member(name, item.value, members, is_text="enum.StrEnum" in bases)
            except (ValueError, TypeError, RecursionError, MemoryError):
                self._set(self.others, statement.name, f"has a member, {name}, which is no literal")
                return
        if members:
            self._set(self.enums, statement.name, Choice(tuple(members.items()), statement.name))
        else:
            self._set(self.others, statement.name, "has no members")

    def _member(self, name: str, node: ast.expr, members: dict[str, Any], *, is_text: bool) -> Any:
        if isinstance(node, ast.Call) and self.origin(node.func) == "enum.auto" and not node.args:
            numbers = [value for value in members.values() if isinstance(value, int)]
            return name.lower() if is_text else max(numbers, default=0) + 1
        return ast.literal_eval(node)
