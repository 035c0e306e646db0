"""How pydantic reads one of some values, by value and type, or by the name of an Enum's member (pure)."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from ..protocol import EnumMember
from .kinds import Choice

#: Choices that a message tells.
MOST_TOLD = 20


def fault(code: Any, message: str) -> PydanticCustomError:
    """Return an error for pydantic to collect."""
    # braces would be places to fill in
    return PydanticCustomError(code, "{message}", {"message": message})


def shown(name: str, value: Any) -> Any:
    """Return what stands for a member of an Enum in JSON: its value, or its name where JSON has no such value."""
    return value if type(value) in {str, int, bool} or (type(value) is float and math.isfinite(value)) else name


def _result(choice: Choice, name: str, value: Any) -> Any:
    return EnumMember(choice.class_name, name) if choice.class_name else value


def _json_choices(choice: Choice) -> dict[tuple[type, Any], Any]:
    found: dict[tuple[type, Any], Any] = {}
    for name, value in choice.members:
        if not choice.class_name or shown(name, value) is value:
            found.setdefault((type(value), value), _result(choice, name, value))
    if choice.class_name:
        for name, value in choice.members:
            found.setdefault((str, name), _result(choice, name, value))
    return found


def _text_choices(choice: Choice) -> dict[tuple[type, Any], Any]:
    found: dict[tuple[type, Any], Any] = {}
    for (_, value), result in _json_choices(choice).items():
        text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        found.setdefault((str, text), result)
    return found


def choice_type(choice: Choice, *, text: bool) -> Any:
    """Return the type by which pydantic reads a choice.

    Args:
        choice: what there is to choose from.
        text: whether it is told by the text of a query string.
    """
    results = _text_choices(choice) if text else _json_choices(choice)
    values = list(dict.fromkeys((type(value), value) for value in _shown_values(choice)))
    plain = [value for _, value in values]
    types = {kind for kind, _ in values}
    names = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
    schema: dict[str, Any] = {"enum": plain}
    if len(types) == 1:
        schema = {"type": names[types.pop()], **schema}
    told = ", ".join(repr(value) for value in plain[:MOST_TOLD])
    message = f"Input should be one of: {told}{', ...' if len(plain) > MOST_TOLD else ''}"
    members = frozenset(result for result in results.values() if isinstance(result, EnumMember))

    def choose(given: Any) -> Any:
        if type(given) in names and (type(given), given) in results:
            return results[type(given), given]
        if isinstance(given, EnumMember) and given in members:
            return given
        raise fault("enum" if choice.class_name else "literal_error", message)

    return Annotated[Any, PlainValidator(choose), WithJsonSchema(schema)]


def _shown_values(choice: Choice) -> list[Any]:
    return [shown(name, value) if choice.class_name else value for name, value in choice.members]
