"""The parameters of a notebook, and what a call binds to them (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any

from ...errors import BadParameters, Fault, NotAFunction
from .declarations import MISSING, Declaration, declarations, merged
from .parameter import LONGEST_NAME, Parameter, cut

__all__ = ["MISSING", "Parameter", "Signature"]

#: Parameters that a notebook may have, and texts that a query string may have.
_MOST_PARAMETERS, _MOST_PAIRS = 1000, 10_000
#: Unknown names that are told; further ones are counted.
_MOST_UNKNOWN = 20


@dataclass(frozen=True)
class Signature:
    """All parameters of a notebook.

    Attributes:
        parameters: in the order in which they are declared.
        names_by_cell: the names that each cell with parameters declares.
    """

    parameters: tuple[Parameter, ...]
    names_by_cell: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, sources: Sequence[str], *, before: Sequence[str] = ()) -> Signature:
        """Return the parameters that cells declare; :mod:`.declarations` tells which lines do. Nothing is run.

        Args:
            sources: of the cells with parameters, in Python.
            before: sources of cells that run earlier, whose imports and Enum classes the annotations may use.

        Raises:
            NotAFunction: a cell is no Python, or a type cannot be understood; the text says where.
        """
        cells = declarations(sources, before)
        found: dict[str, Declaration] = {}
        for cell in cells:
            for declared in cell:
                found[declared.name] = merged(found.get(declared.name), declared)
        if len(found) > _MOST_PARAMETERS:
            raise NotAFunction(f"A notebook can have {_MOST_PARAMETERS} parameters; this one has {len(found)}.")
        names = tuple(tuple(declared.name for declared in cell) for cell in cells)
        return cls(tuple(map(Parameter.of, found.values())), names)

    def bind(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of the parameters that were given as JSON; the others keep what the notebook says.

        Args:
            given: values by name, as :mod:`json` reads them.

        Raises:
            BadParameters: names are unknown or missing, or values do not fit; it tells all faults.
        """
        return self._bind(given, text=False)

    def bind_query(self, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
        """Return the values of the parameters that a query string gives.

        A parameter without a type gets text. A list gets one item for each time that its name is given. A dict is
        given as a JSON text. Of a union the first type counts that a text fits. Empty text is None where None is
        allowed and text is not.

        Args:
            pairs: names and texts, decoded, in their order.

        Raises:
            BadParameters: as above.
        """
        if len(pairs) > _MOST_PAIRS:
            raise BadParameters([Fault("", f"There are more than {_MOST_PAIRS} values", "too_many")])
        given: dict[str, list[str]] = {}
        for name, text in pairs:
            given.setdefault(name, []).append(text)
        return self._bind(given, text=True)

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema (2020-12, as in OpenAPI 3.1) of an object with the parameters."""
        return {
            "type": "object",
            "properties": {parameter.name: dict(parameter.schema) for parameter in self.parameters},
            "required": [parameter.name for parameter in self.parameters if parameter.required],
            "additionalProperties": False,
        }

    @cached_property
    def _by_name(self) -> dict[str, Parameter]:
        return {parameter.name: parameter for parameter in self.parameters}

    def _bind(self, given: Mapping[str, Any], *, text: bool) -> dict[str, Any]:
        values: dict[str, Any] = {}
        faults: list[Fault] = []
        for name, value in given.items():
            if parameter := self._by_name.get(name):
                try:
                    values[name] = parameter.of_texts(value) if text else parameter.of_json(value)
                except BadParameters as error:
                    faults.extend(error.faults)
        missing = [item.name for item in self.parameters if item.required and item.name not in given]
        faults.extend(Fault(name, "Required, and not given", "missing") for name in missing)
        if unknown := [name for name in given if name not in self._by_name]:
            faults.extend(self._unknown(unknown))
        if faults:
            raise BadParameters(faults)
        return values

    def _unknown(self, names: Sequence[str]) -> Iterable[Fault]:
        known = [name for name in self._by_name if len(name) <= LONGEST_NAME]
        told = f"known are {', '.join(known[:_MOST_UNKNOWN])}" if known else "this notebook has no parameters"
        for name in names[:_MOST_UNKNOWN]:
            near = get_close_matches(name, known, n=1) if len(name) <= LONGEST_NAME else []
            yield Fault(cut(name), f"Unknown; did you mean {near[0]}?" if near else f"Unknown; {told}", "unknown")
        if len(names) > _MOST_UNKNOWN:
            yield Fault("", f"There are {len(names) - _MOST_UNKNOWN} more unknown names", "unknown")
