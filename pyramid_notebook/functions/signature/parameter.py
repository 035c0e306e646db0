"""One parameter of a notebook: its schema, and how its value is read (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ConfigDict, PydanticUserError, TypeAdapter
from pydantic_core import PydanticSerializationError, SchemaError, ValidationError, to_jsonable_python

from ...errors import BadParameters, Fault, NotAFunction
from ..protocol import EnumMember
from .choices import shown
from .coercion import json_type, not_plain, text_type
from .declarations import MISSING, Declaration
from .kinds import Choice, Either, Kind, Many, Scalar, Style, style

#: Faults that are told of one value; further ones are counted.
_MOST_FAULTS = 100
LONGEST_NAME, _LONGEST_MESSAGE = 100, 500
_CONFIG = ConfigDict(allow_inf_nan=False, hide_input_in_errors=True)


@dataclass(frozen=True)
class Parameter:
    """One parameter.

    Attributes:
        name: an identifier.
        kind: of its values.
        annotation: source of its type; empty where the default tells it.
        required: whether a call must give it.
        default: the value that the notebook gives it; :data:`MISSING` where there is none, or an expression. A member
            of an Enum is an :class:`EnumMember`.
        description: from the comment behind it, or its annotation.
        style: how a query string tells it: ``text``, once; ``list``, once for each item; ``json``, as a JSON text;
            ``mixed``, once or several times.
        schema: JSON Schema (2020-12) of its values, with default and description.
    """

    name: str
    kind: Kind
    annotation: str
    required: bool
    default: Any
    description: str
    style: Style
    schema: Mapping[str, Any] = field(compare=False)
    _json: TypeAdapter[Any] = field(repr=False, compare=False)
    _text: TypeAdapter[Any] = field(repr=False, compare=False)

    @property
    def is_list(self) -> bool:
        """Whether a query string always tells a list of it."""
        return self.style == "list"

    @classmethod
    def of(cls, declared: Declaration) -> Parameter:
        """Return the parameter that a cell declares.

        Raises:
            NotAFunction: its limits contradict its type.
        """
        try:
            json: TypeAdapter[Any] = TypeAdapter(json_type(declared.kind), config=_CONFIG)
            text: TypeAdapter[Any] = TypeAdapter(text_type(declared.kind), config=_CONFIG)
            schema = json.json_schema()
        except (PydanticUserError, SchemaError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
            reason = str(error).splitlines()[-1].strip()[:200] if str(error) else type(error).__name__
            raise NotAFunction(f"{declared.place}: the limits of {declared.name[:100]} do not work: {reason}") from None
        default = _default(declared, json)
        schema |= _default_schema(default, declared.kind, json)
        if declared.description:
            schema["description"] = declared.description
        return cls(
            name=declared.name,
            kind=declared.kind,
            annotation=declared.annotation,
            required=not declared.has_default,
            default=default,
            description=declared.description,
            style=style(declared.kind),
            schema=schema,
            _json=json,
            _text=text,
        )

    def of_json(self, value: Any) -> Any:
        """Return a value of JSON as what the notebook gets.

        Raises:
            BadParameters: it does not fit.
        """
        if message := not_plain(value):
            raise BadParameters([Fault(self.name, message, "not_plain")])
        return self._read(self._json, value)

    def of_texts(self, texts: Sequence[str]) -> Any:
        """Return what a query string says, each text of it, as what the notebook gets.

        Raises:
            BadParameters: it does not fit.
        """
        is_single = len(texts) == 1 and not self.is_list
        if len(texts) > 1 and self.style in {"text", "json"}:
            raise BadParameters([Fault(self.name, f"Given {len(texts)} times, and takes one value only", "repeated")])
        return self._read(self._text, texts[0] if is_single else list(texts))

    def _read(self, adapter: TypeAdapter[Any], value: Any) -> Any:
        try:
            return adapter.validate_python(value)
        except ValidationError as error:
            raise BadParameters(self._faults(error, value)) from None
        except (RecursionError, ArithmeticError, ValueError, TypeError):
            raise BadParameters([Fault(self.name, "Input cannot be read", "value_error")]) from None

    def _faults(self, error: ValidationError, value: Any) -> list[Fault]:
        count = error.error_count()
        if count > _MOST_FAULTS:
            # to tell a million faults takes seconds
            try:
                TypeAdapter(json_type(self.kind, fail_fast=True), config=_CONFIG).validate_python(value)
            except ValidationError as first:
                error = first
            if error.error_count() > _MOST_FAULTS:
                return [Fault(self.name, f"Input has {count} values that do not fit", "many")]
        found = error.errors(include_url=False, include_context=False, include_input=False)
        faults = [
            Fault("/".join((self.name, *map(cut, item["loc"]))), item["msg"][:_LONGEST_MESSAGE], item["type"])
            for item in found
        ]
        if count > len(faults):
            faults.append(Fault(self.name, f"There are {count - len(faults)} more faults in it", "many"))
        return faults


def cut(name: object) -> str:
    """Return a name as an answer may tell it: short, and in UTF-8."""
    text = str(name)[: LONGEST_NAME + 1].encode("utf-8", "replace").decode()
    return f"{text[:LONGEST_NAME]}..." if len(text) > LONGEST_NAME else text


def _default(declared: Declaration, adapter: TypeAdapter[Any]) -> Any:
    if declared.kind != Scalar("UUID") or not isinstance(declared.default, str):
        return declared.default
    try:
        return adapter.validate_python(declared.default)
    except ValidationError:
        return MISSING


def _default_schema(default: Any, kind: Kind, adapter: TypeAdapter[Any]) -> dict[str, Any]:
    """Return the default for a schema; nothing where JSON has no such value, or the annotation contradicts it."""
    if default is MISSING or not _is_told(default):
        return {}
    try:
        value = to_jsonable_python(_members_shown(default, kind), inf_nan_mode="constants")
        adapter.validate_python(value)
    except (PydanticSerializationError, ValidationError, ValueError, TypeError, ArithmeticError, RecursionError):
        return {}
    return {} if not_plain(value) else {"default": value}


def _is_told(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_told, value)) and all(map(_is_told, value.values()))
    if isinstance(value, list | tuple | set):
        return all(map(_is_told, value))
    return not isinstance(value, bytes | complex) and value is not ...


def _members_shown(value: Any, kind: Kind) -> Any:
    if isinstance(value, set):
        return sorted(value, key=repr)  # in the same order in each process
    if not isinstance(value, EnumMember):
        return value
    for choice in _choices(kind):
        for name, shown_value in choice.members:
            if (choice.class_name, name) == (value.class_name, value.name):
                return shown(name, shown_value)
    return value.name


def _choices(kind: Kind) -> Iterable[Choice]:
    if isinstance(kind, Choice):
        yield kind
    for part in kind.arms if isinstance(kind, Either) else (kind.item,) if isinstance(kind, Many) else ():
        yield from _choices(part)
