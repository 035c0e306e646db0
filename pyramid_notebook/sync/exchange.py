"""A file's cells go into the live notebook, and the notebook's into the file, so that neither loses what it has.

The way of a push: the file is parsed (in a thread); its notebook is found and opened; file, notebook and the version
that both come from are merged (in a thread); if nobody has changed the notebook meanwhile, what the merge has found is
done in one step; the notebook is saved; only then there is an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal
from uuid import uuid4

from jupyter_server.serverapp import ServerApp

from ..errors import (
    BadRequest,
    FileChanged,
    NoNotebook,
    NotSaved,
    SyncUnsupported,
    TooLarge,
    UnknownLanguage,
    UnknownRev,
    UnsafePath,
    Unsynced,
)
from ..server.collaboration import extension, missing_names
from ..server.live import LiveNotebook, LiveNotebooks
from ..server.saving import Saving, reason_of
from .ancestors import Ancestors
from .cells import Cell
from .finding import Finder
from .headers import header_of
from .matching import Match
from .merge import Change, Merge, merge, plan, take_over
from .merge.plan import Operation
from .percent import Script, parse, write
from .percent.languages import language_of, language_of_file
from .requests import SyncRequest

#: Cells that a file may have.
MOST_CELLS = 10_000
_ATTEMPTS = 3  # at merging in a thread, while somebody types in a page


@dataclass(frozen=True, slots=True)
class Pushed:
    """What became of a push.

    Attributes:
        match: the notebook.
        answer: for the editor.
        script: the file that was pushed.
        ids: of the notebook's cells, one for each of the script; empty where the notebook does not have it.
    """

    match: Match
    answer: dict[str, Any]
    script: Script
    ids: tuple[str, ...]

    def id_at(self, line: int) -> str:
        """Return the id of the cell at a line of the file, from 1, or an empty text."""
        index = self.script.cell_at(line)
        return "" if index is None else self.ids[index]

    def line_of(self, cell_id: str) -> int | None:
        """Return where a cell begins in the file, or None."""
        return self.script.cells[self.ids.index(cell_id)].first_line if cell_id in self.ids else None


class Exchange:
    """Pushes and pulls, of one server.

    Args:
        app: the running server.
        notebooks: the live ones.
        saving: what saves them.
        ancestors: the versions that files come from.
    """

    def __init__(self, app: ServerApp, notebooks: LiveNotebooks, saving: Saving, ancestors: Ancestors) -> None:
        self.notebooks = notebooks
        self.finder = Finder(app)
        self._app = app
        self._saving = saving
        self._ancestors = ancestors

    @asynccontextmanager
    async def opened(self, match: Match) -> AsyncIterator[LiveNotebook]:
        """Open a notebook for one request; others of the same notebook wait.

        Raises:
            SyncUnsupported: it cannot be opened with the packages that are installed.
            NoNotebook: there is none.
        """
        if extension(self._app) is None:
            raise SyncUnsupported("Editor sync needs jupyter-collaboration, which this server has not loaded.")
        if problem := missing_names():
            raise SyncUnsupported(f"Editor sync does not work with the packages of this server: {problem}.")
        if not match.exists:
            raise NoNotebook(f"There is no notebook {match.notebook!r} yet. Pair it with the file to make it.")
        notebook = await self.notebooks.open(match.notebook)
        with notebook.held():
            async with notebook.lock:
                yield notebook

    async def read(self, request: SyncRequest) -> Script:
        """Parse the file that a request holds.

        Raises:
            UnknownLanguage: nobody knows how its language writes comments.
            TooLarge: it has too many cells.
        """
        try:
            language = language_of(request.language) if request.language else language_of_file(request.file)
        except LookupError:
            language = None
        if language is None:
            name = request.language or PurePath(request.file).suffix or request.file
            raise UnknownLanguage(f"The language of {name[:100]!r} is not known. Name it: language, such as 'python'.")
        script = await asyncio.to_thread(parse, request.text or "", language)
        if len(script.cells) > MOST_CELLS:
            raise TooLarge(f"The file has {len(script.cells)} cells; {MOST_CELLS} are the most.")
        return script

    async def push(self, request: SyncRequest) -> Pushed:
        """Bring a file's cells into its notebook.

        Raises:
            SyncError: it cannot be done; the live notebook is as it was, but with :class:`NotSaved`.
        """
        if request.text is None:
            raise BadRequest("The request must hold the file's 'text'.")
        script = await self.read(request)
        mine = [cell.cell for cell in script.cells]
        found = await self.finder.find(request, script.notebook, mine)
        async with self.opened(found) as notebook:
            base = await self._base(request, notebook)
            live, merged = await self._merge(notebook, base, mine, request)
            news, file, agreed = await asyncio.to_thread(_news, script, merged, live, is_applied=True)
            answer = {"notebook": notebook.path, "rule": str(found.rule)} | news
            answer["rev"] = await self._keep(merged.ancestor if merged.changes_mine else agreed, notebook)
            if request.take and answer["pull"]:
                answer["text"] = await asyncio.to_thread(script.updated, file)
                answer["text_rev"] = await self._keep(agreed, notebook)
            answer["saved"] = False
            try:
                await self.save(notebook)
            except NotSaved as error:
                error.pushed = answer
                raise
            answer["saved"] = True
        places = {cell.mine: cell.cell.id for cell in merged.cells if cell.mine is not None}
        return Pushed(found, answer, script, tuple(places.get(place, "") for place in range(len(mine))))

    async def pull(self, request: SyncRequest) -> dict[str, Any]:
        """Return what a file should hold that takes over its notebook's cells; the notebook stays as it is.

        Raises:
            SyncError: it cannot be done.
        """
        script = await self.read(request)
        mine = [cell.cell for cell in script.cells]
        found = await self.finder.find(request, script.notebook, mine)
        async with self.opened(found) as notebook:
            live = await notebook.cells()
            answer: dict[str, Any] = {"notebook": notebook.path, "rule": str(found.rule), "conflicts": []}
            if request.text is None:
                header = header_of(notebook.metadata, notebook.path, request.file, script.language)
                text, base = await asyncio.to_thread(write, live, script.language, header=header), live
            elif request.rev and not request.force:
                merged = await asyncio.to_thread(merge, await self._base(request, notebook), mine, live)
                news, file, base = await asyncio.to_thread(_news, script, merged, live, is_applied=False)
                answer["conflicts"] = news["conflicts"]
                text = await asyncio.to_thread(script.updated, file)
            else:
                if not request.force:
                    _refuse_loss(mine, live, notebook.path, "file", "the notebook")
                text, base = await asyncio.to_thread(script.updated, live), live
            answer["rev"] = await self._keep(base, notebook)
        return answer | {"text": text, "changed": text != request.text}

    async def save(self, notebook: LiveNotebook) -> None:
        """Save a notebook.

        Raises:
            FileChanged: another program has written its file, and that version stands.
            NotSaved: it cannot be saved.
        """
        try:
            is_saved = await self._saving.save(notebook.room)
        except Exception as error:
            raise NotSaved(
                f"The notebook has the change, but {notebook.path!r} could not be saved: {reason_of(error)}."
            ) from error
        if not is_saved:
            raise FileChanged

    async def agreed(self, notebook: LiveNotebook, cells: Sequence[Cell]) -> str:
        """Return the rev of a file that says what a notebook says, or an empty text where it says something else."""
        live = await notebook.cells()
        found = await asyncio.to_thread(merge, None, cells, live)
        return "" if found.changes_live else await self._keep(live, notebook)

    async def _keep(self, cells: Sequence[Cell], notebook: LiveNotebook) -> str:
        """Keep a version, and return its rev; an empty text where it cannot be kept, and the next sync has none."""
        try:
            return await asyncio.to_thread(self._ancestors.keep, cells, notebook.file_id)
        except (OSError, UnsafePath) as error:
            self._app.log.warning("A version of %s could not be kept: %s", notebook.path, error)
            return ""

    async def _base(self, request: SyncRequest, notebook: LiveNotebook) -> tuple[Cell, ...] | None:
        if not request.rev:
            return None
        base = await asyncio.to_thread(self._ancestors.find, request.rev, notebook.file_id)
        if base is None and not request.force:
            raise UnknownRev
        return base

    async def _merge(
        self, notebook: LiveNotebook, base: Sequence[Cell] | None, mine: Sequence[Cell], request: SyncRequest
    ) -> tuple[tuple[Cell, ...], Merge]:
        """Merge a file into its notebook; return the cells that this had, and the merge with them."""
        prefer: Literal["mine", "live"] = "mine" if request.force else "live"

        def merged(live: tuple[Cell, ...]) -> tuple[Merge, list[Operation]]:
            found = merge(base, mine, live, prefer=prefer, new_id=new_id)
            return found, plan(live, found.cells) if found.changes_live else []

        attempt = 0
        while True:
            attempt += 1
            waits = attempt > _ATTEMPTS  # somebody types, and types: now everybody waits
            live = await notebook.cells()
            version = notebook.version
            found, operations = merged(live) if waits else await asyncio.to_thread(merged, live)
            if base is None and not request.force:
                _refuse_loss_of(found, live, notebook)
            if not operations or await notebook.apply(operations, version, at_once=waits):
                return live, found


def new_id() -> str:
    """Return an id for a new cell, as nbformat itself makes them."""
    return uuid4().hex[:8]


def _refuse_loss_of(found: Merge, live: Sequence[Cell], notebook: LiveNotebook) -> None:
    """Raise where a push without a base would undo what nobody knows to be the file's own earlier version."""
    lost = {cell.live for cell in found.cells if cell.changed_live & {Change.SOURCE, Change.TYPE}}
    lost |= set(found.deleted_live)
    cells = [live[place] for place in sorted(place for place in lost if place is not None)]
    texts = [cell.source for cell in cells if cell.source.strip() or notebook.shows_something(cell.id)]
    _refuse(texts, notebook.path, "notebook", "the file")


def _refuse_loss(mine: Sequence[Cell], live: Sequence[Cell], path: str, who: str, other: str) -> None:
    texts = {cell.source for cell in live}
    _refuse([cell.source for cell in mine if cell.source.strip() and cell.source not in texts], path, who, other)


def _refuse(lost: Sequence[str], path: str, who: str, other: str) -> None:
    if not lost:
        return
    line = lost[0].strip().partition("\n")[0][:60]
    others = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
    cure = (
        "Pull it first, or sync with force, to make the notebook what the file is."
        if who == "notebook"
        else "Sync it first, or pull with force, to make the file what the notebook is."
    )
    raise Unsynced(f"The {who} of {path!r} holds what {other} lacks: the cell {line!r}{others}. {cure}")


def _news(
    script: Script, merged: Merge, live: Sequence[Cell], *, is_applied: bool
) -> tuple[dict[str, Any], tuple[Cell, ...], tuple[Cell, ...]]:
    """Return what an editor is told of a merge, what its file should hold, and the version that this comes from."""
    taken = take_over(merged, [cell.cell for cell in script.cells], live, is_applied=is_applied)
    lines = {id(cell.cell): cell.first_line for cell in script.cells}
    answer = {
        "cells": [
            {
                "id": cell.cell.id,
                "index": index,
                "line": None if cell.mine is None else script.cells[cell.mine].first_line,
                "changes": sorted(cell.changed_live),
            }
            for index, cell in enumerate(merged.cells)
            if cell.changed_live
        ],
        "deleted": [live[place].id for place in merged.deleted_live],
        "conflicts": [
            {
                "id": conflict.id,
                "line": lines.get(id(conflict.mine)),
                "kind": str(conflict.kind),
                "base": _source(conflict.base),
                "mine": _source(conflict.mine),
                "live": _source(conflict.live),
            }
            for conflict in merged.conflicts
        ],
        "pull": merged.changes_mine,
    }
    return answer, taken.file, taken.base


def _source(cell: Cell | None) -> str | None:
    return None if cell is None else cell.source
