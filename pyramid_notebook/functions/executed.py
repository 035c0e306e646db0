"""The executed notebook: what the cells of a call displayed, in their places (pure)."""

from __future__ import annotations

import copy
import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from ..errors import BadResult
from .program import Program
from .protocol import Event, Result


class Outputs:
    """Collects the outputs of one call, by the number of the cell in the notebook (nbformat 4, "Code cell outputs")."""

    def __init__(self) -> None:
        self._of_cells: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
        self._displays: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self._cell = -1
        self._clears = False

    def take(self, event: Event) -> None:
        """Take what happened; what has nothing to do with outputs is left."""
        kind = event["event"]
        if kind == "cell":
            self._cell, self._clears = int(event["cell"]), False
        elif kind == "clear" and event.get("wait"):
            self._clears = True
        elif kind == "clear":
            self._of_cells[self._cell].clear()
        elif kind == "output":
            self._add(dict(event["output"]), str(event.get("display_id", "")), is_update=bool(event.get("update")))

    def _add(self, output: dict[str, Any], display_id: str, *, is_update: bool) -> None:
        if is_update:
            for shown in self._displays[display_id]:
                shown.update(data=output["data"], metadata=output.get("metadata", {}))
            return
        outputs = self._of_cells[self._cell]
        if self._clears:
            outputs.clear()
            self._clears = False
        last = outputs[-1] if outputs else {}
        if output["output_type"] == "stream" and last.get("name") == output["name"]:
            last["text"] += output["text"]
            return
        outputs.append(output)
        if display_id:
            self._displays[display_id].append(output)

    def notebook(self, content: Mapping[str, Any], program: Program) -> Result:
        """Return the executed notebook.

        Args:
            content: of the notebook as it was called.
            program: what ran of it.
        """
        executed = copy.deepcopy(dict(content))
        ran = {cell.index: number for number, cell in enumerate(program.cells, 1)}
        for index, cell in enumerate(executed["cells"]):
            if cell.get("cell_type") == "code":
                cell["outputs"] = self._of_cells.get(index, [])
                cell["execution_count"] = ran.get(index)
        try:
            body = json.dumps(executed, indent=1, allow_nan=False).encode()
        except ValueError:
            raise BadResult("The executed notebook is not JSON: what it displays holds NaN or an infinity.") from None
        return Result(content_type="application/x-ipynb+json", body=body)
