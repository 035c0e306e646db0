"""The parameters that the cells with the tag ``parameters`` declare, read from their source (pure).

Declared is what stands at the left edge of a cell as ``x: int``, ``x: int = 3`` or ``x = 3``: with a literal, a date
and the like, or a member of an Enum behind the equals sign; with an annotation anything may stand there. Everything
else just runs: ``b = a * 2``, ``e = a == 1``, ``h = dict(x=1)``, tuples of names, imports, functions, and names that
begin with an underscore. A comment behind a declaration describes it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...errors import NotAFunction
from .annotations import Annotations, Misread
from .cell_names import Names
from .cell_source import comments, parse
from .defaults import read_default
from .kinds import ANY, NULL, Either, Kind

#: Characters that all cells with parameters of a notebook may have.
_MOST_CHARACTERS = 100_000
_DESCRIPTION_LENGTH = 1000
_TYPE_COMMENT = re.compile(r"type:\s*(\S+)\s*(.*)", re.DOTALL)
_DIRECTIVE = re.compile(r"(noqa|pragma|fmt|pylint|mypy|pyright|ruff|isort|type: ?ignore)\b", re.IGNORECASE)


class _Missing:
    """Stands for a default that no literal tells."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Any = _Missing()


@dataclass(frozen=True, slots=True)
class Declaration:
    """A parameter as its cell declares it.

    Attributes:
        name: of the parameter.
        kind: of its values.
        annotation: its source, or empty.
        has_default: whether the notebook gives it a value.
        default: that value, if it is a literal, else :data:`MISSING`.
        description: from the comment behind it, or the annotation.
        place: where it stands, for people.
    """

    name: str
    kind: Kind
    annotation: str
    has_default: bool
    default: Any
    description: str
    place: str = ""


def declarations(sources: Sequence[str], before: Sequence[str] = ()) -> tuple[tuple[Declaration, ...], ...]:
    """Return what each cell declares.

    Args:
        sources: of the cells with parameters.
        before: sources of cells that run earlier, for their imports and Enum classes only.

    Raises:
        NotAFunction: a cell is no Python, or a type cannot be understood.
    """
    if sum(map(len, sources)) > _MOST_CHARACTERS:
        raise NotAFunction(f"The cells with parameters have more than {_MOST_CHARACTERS} characters.")
    names = Names()
    for source in before if sum(map(len, before)) <= _MOST_CHARACTERS else ():
        try:
            tree, _ = parse(source)
        except NotAFunction:
            continue
        for statement in tree.body:
            names.learn(statement)
    annotations = Annotations(names)
    places = [f"Parameters cell {number}" for number in range(1, len(sources) + 1)]
    if len(sources) == 1:
        places = ["The cell with parameters"]
    return tuple(_of_cell(source, names, annotations, place) for source, place in zip(sources, places, strict=True))


def merged(earlier: Declaration | None, later: Declaration) -> Declaration:
    """Return what two declarations of one name mean, of which the later one may be without a type or a value."""
    if earlier is None:
        return later
    if not later.annotation and earlier.annotation:
        later = replace(later, kind=earlier.kind, annotation=earlier.annotation)
    if not later.has_default:
        later = replace(later, has_default=earlier.has_default, default=earlier.default)
    kind = _nullable(later.kind) if later.default is None else later.kind
    return replace(later, kind=kind, description=later.description or earlier.description)


def _of_cell(source: str, names: Names, annotations: Annotations, place: str) -> tuple[Declaration, ...]:
    tree, text = parse(source, place)
    described = comments(text)
    found: dict[str, Declaration] = {}
    for statement in tree.body:
        where = f"{place}, line {statement.lineno}"
        try:
            made = list(_declared(statement, names, annotations, described.get(statement.end_lineno or 0, "")))
        except Misread as error:
            raise NotAFunction(f"{where}: {error}.") from None
        for item in made:
            found[item.name] = merged(found.get(item.name), replace(item, place=where))
        if not made:
            _hear_of_expression(statement, found)
        names.learn(statement)
    return tuple(found.values())


def _declared(statement: ast.stmt, names: Names, annotations: Annotations, comment: str) -> Iterator[Declaration]:
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.simple:
        name, value = statement.target.id, statement.value
        if name.startswith("_") or names.origin(statement.annotation) == "typing.TypeAlias":
            return
        try:
            kind, described = annotations.kind(statement.annotation), annotations.described(statement.annotation)
        except Misread as error:
            raise Misread(f"{name[:100]}: {error}. What is no parameter belongs into a cell without the tag") from None
        known = read_default(value, names) if value else None
        default = known[1] if known else MISSING
        kind = _nullable(kind) if default is None else kind
        description = (_described(comment) or described)[:_DESCRIPTION_LENGTH]
        yield Declaration(name, kind, ast.unparse(statement.annotation), value is not None, default, description)
    elif isinstance(statement, ast.Assign) and all(isinstance(target, ast.Name) for target in statement.targets):
        known = read_default(statement.value, names)
        if not known:
            return
        kind, annotation, text = _of_comment(comment, annotations) or (known[0], "", _described(comment))
        kind = _nullable(kind) if known[1] is None else kind
        for target in statement.targets:
            if isinstance(target, ast.Name) and not target.id.startswith("_"):
                yield Declaration(target.id, kind, annotation, True, known[1], text[:_DESCRIPTION_LENGTH])


def _hear_of_expression(statement: ast.stmt, found: dict[str, Declaration]) -> None:
    """Note that a name has a value by now, but none that we know: ``x: int``, and then ``x = load()``."""
    if isinstance(statement, ast.Assign):
        for target in statement.targets:
            for node in ast.walk(target):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in found:
                    found[node.id] = replace(found[node.id], has_default=True, default=MISSING)
    elif isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
        name = statement.target.id
        if name in found:
            found[name] = replace(found[name], default=MISSING)


def _nullable(kind: Kind) -> Kind:
    if kind in (ANY, NULL):
        return kind
    return Either(tuple(dict.fromkeys((*(kind.arms if isinstance(kind, Either) else (kind,)), NULL))))


def _of_comment(comment: str, annotations: Annotations) -> tuple[Kind, str, str] | None:
    """Return what a type comment says (PEP 484); it is no code, so one that nobody understands is prose."""
    match = _TYPE_COMMENT.fullmatch(comment)
    if not match or _DIRECTIVE.match(comment):
        return None
    try:
        kind = annotations.kind(ast.Constant(match.group(1)))
    except Misread:
        return None
    return kind, match.group(1), match.group(2).lstrip("# ")


def _described(comment: str) -> str:
    return "" if _DIRECTIVE.match(comment) else comment
