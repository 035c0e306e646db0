"""A file and a notebook become a pair: the one that is missing is made from the other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server.serverapp import ServerApp

from ..errors import BadRequest, NoMatch, NotebookExists
from ..server.documents import make_notebook
from .cells import Cell, CellType
from .exchange import Exchange, new_id
from .headers import header_of
from .matching import SUFFIX, Match, Rule, checked_notebook
from .merge import merge
from .percent import Script, write
from .requests import SyncRequest


class Pairing:
    """Makes pairs.

    Args:
        app: the running server.
        exchange: reads files, and opens notebooks.
    """

    def __init__(self, app: ServerApp, exchange: Exchange) -> None:
        self._app = app
        self._exchange = exchange
        self._making = asyncio.Lock()  # the second of two that want to make a notebook finds it

    async def pair(self, request: SyncRequest) -> dict[str, Any]:
        """Make what is missing of a pair, and return which that was, and what the file shall hold.

        Raises:
            SyncError: it cannot be done; nothing was made.
        """
        if not request.file:
            raise BadRequest("The request must name a 'file'.")
        script = await self._exchange.read(request)
        mine = [cell.cell for cell in script.cells]
        made = []
        async with self._making:
            found = await self._found(request, script, mine)
            if not found.exists:
                await self._make_notebook(found.notebook, script, request.kernel)
                found = Match(found.notebook, found.rule, exists=True)
                made.append("notebook")
        async with self._exchange.opened(found) as notebook:
            text = request.text
            if text is None:
                live = await notebook.cells()
                header = header_of(notebook.metadata, notebook.path, request.file, script.language)
                text = await asyncio.to_thread(write, live, script.language, header=header)
                mine = list(live)
                made.insert(0, "file")
            rev = await self._exchange.agreed(notebook, mine)
            path = notebook.path
        return {"notebook": path, "rev": rev, "made": "both" if len(made) == 2 else "".join(made), "text": text}

    async def _found(self, request: SyncRequest, script: Script, mine: Sequence[Cell]) -> Match:
        try:
            found = await self._exchange.finder.find(request, script.notebook, mine)
        except NoMatch:
            notebook = self._new_name(request.file)
            if await ensure_async(self._app.contents_manager.file_exists(notebook)):
                raise
            return Match(notebook, Rule.BESIDE, exists=False)
        if found.rule is Rule.NAME and found.notebook != self._new_name(request.file):  # the copy gets one of its own
            return Match(self._new_name(request.file), Rule.BESIDE, exists=False)
        return found

    def _new_name(self, file: str) -> str:
        """Return the name of a notebook beside a file where its place is known, else in the user's folder."""
        path = PurePosixPath(file)
        folder = PurePosixPath(self._exchange.finder.folder)
        if path.is_relative_to(folder):
            path = path.relative_to(folder)
        elif path.is_absolute() or "\\" in file:
            path = PurePosixPath(PureWindowsPath(file).name)
        return checked_notebook(path.with_suffix(SUFFIX).as_posix())

    async def _make_notebook(self, notebook: str, script: Script, kernel: str) -> None:
        manager = self._app.contents_manager
        if await ensure_async(manager.dir_exists(notebook)):
            raise NotebookExists(f"{notebook!r} is a folder.")
        cells = await asyncio.to_thread(_cells_of, script)
        metadata = await self._metadata(kernel, script)
        await make_notebook(
            self._app, notebook, {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
        )

    async def _metadata(self, kernel: str, script: Script) -> dict[str, Any]:
        """Return metadata with the kernel that was asked for, or else one of the script's language."""
        manager: Any = self._app.kernel_manager
        found = await ensure_async(manager.kernel_spec_manager.get_all_specs())
        specs = {name: entry["spec"] for name, entry in found.items()}
        if kernel and kernel not in specs:
            known = ", ".join(sorted(specs))
            raise BadRequest(f"This server has no kernel {kernel[:100]!r}. It has: {known}.")
        wanted = [kernel, script.kernel_name, manager.default_kernel_name, *sorted(specs)]
        language = script.language.name
        for name in wanted:
            spec = specs.get(name)
            if spec and (name == kernel or spec["language"].casefold() == language.casefold()):
                shown = {"name": name, "display_name": spec["display_name"], "language": spec["language"]}
                return {"kernelspec": shown, "language_info": {"name": spec["language"]}}
        return {"language_info": {"name": language}}  # Jupyter asks for a kernel


def _cells_of(script: Script) -> list[dict[str, Any]]:
    """Return the cells of a notebook that is made of a script."""
    named = merge(None, [cell.cell for cell in script.cells], (), new_id=new_id).cells
    return [_stored(cell.cell) for cell in named] or [_stored(Cell(CellType.CODE, "", new_id()))]


def _stored(cell: Cell) -> dict[str, Any]:
    """Return a new cell as nbformat 4.5 has it."""
    value: dict[str, Any] = {
        "id": cell.id,
        "cell_type": str(cell.type),
        "source": cell.source,
        "metadata": dict(cell.metadata),
    }
    return value | ({"outputs": [], "execution_count": None} if cell.type is CellType.CODE else {})
