"""The OpenRPC document of the API (OpenRPC 1.3, pure)."""

from __future__ import annotations

from functools import cache
from typing import Any

from .methods import METHODS


@cache
def document() -> dict[str, Any]:
    """Return the document."""
    return {
        "openrpc": "1.3.2",
        "info": {"title": "Kernels over JSON-RPC", "version": "1"},
        "methods": [
            {
                "name": method.name,
                "summary": method.about,
                "paramStructure": "either",
                "params": [
                    {
                        "name": name,
                        "required": name in method.required,
                        "schema": dict(schema),
                        **({"description": schema["description"]} if "description" in schema else {}),
                    }
                    for name, schema in method.params.items()
                ],
                "result": {"name": "result", "schema": dict(method.result)},
            }
            for method in METHODS.values()
        ],
    }
