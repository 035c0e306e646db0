"""Which notebook a request is about, among those of the user's folder."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server.serverapp import ServerApp

from ..errors import NoMatch
from ..server.collaboration import open_rooms, split_room
from .cells import Cell, CellType
from .matching import SUFFIX, Match, Rule, checked_notebook, match
from .merge import is_version_of
from .requests import SyncRequest

#: Entries of folders that are looked at for notebooks; who has more must name the notebook.
MOST_ENTRIES = 100_000
_MOST_BYTES = 50_000_000


class Finder:
    """Finds notebooks of one user.

    Args:
        app: the running server.
    """

    def __init__(self, app: ServerApp) -> None:
        self._app = app
        self.folder = Path(app.root_dir)

    async def find(self, request: SyncRequest, header: str = "", cells: Sequence[Cell] = ()) -> Match:
        """Return which notebook a request is about.

        Args:
            request: of an editor.
            header: the notebook that the header of the file names, or an empty text.
            cells: of the file.

        Raises:
            BadPath: a path cannot be one, or leads out of the user's folder.
            NoMatch: it is not certain.
        """
        if not request.file:
            named = Match(checked_notebook(request.notebook), Rule.EXPLICIT, exists=False)
        else:
            try:
                named = match(request.file, (), explicit=request.notebook, mapping=request.mapping, header=header)
            except NoMatch:
                return await asyncio.to_thread(self._search, request, header, cells, self._open())
        if await ensure_async(self._app.contents_manager.file_exists(named.notebook)):
            return Match(named.notebook, named.rule, exists=True)
        if not request.file:
            return named
        return await asyncio.to_thread(self._search, request, header, cells, self._open())

    def _open(self) -> list[str]:
        manager = self._app.web_app.settings["file_id_manager"]
        return [manager.get_path(split_room(room_id)[2]) or "" for room_id in open_rooms(self._app)]

    def _search(self, request: SyncRequest, header: str, cells: Sequence[Cell], opened: Sequence[str]) -> Match:
        return match(
            request.file,
            self._notebooks(),
            explicit=request.notebook,
            mapping=request.mapping,
            header=header,
            folder=str(self.folder),
            open_notebooks=opened,
            is_related=lambda notebook: is_version_of(cells, self._stored(notebook)),
        )

    def _notebooks(self) -> Iterator[str]:
        entries = 0
        for folder, folders, files in os.walk(self.folder):
            entries += len(folders) + len(files)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            below = Path(folder).relative_to(self.folder)
            yield from ((below / name).as_posix() for name in files if name.endswith(SUFFIX))
            if entries > MOST_ENTRIES:
                return

    def _stored(self, notebook: str) -> list[Cell]:
        """Return the texts of a notebook's file; what cannot be read is as good as a text that nothing is like."""
        try:
            # a pipe would be waited for, and a device has no end
            descriptor = os.open(self.folder / notebook, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                status = os.fstat(descriptor)
                if not stat.S_ISREG(status.st_mode) or status.st_size > _MOST_BYTES:
                    raise ValueError("no file that is read")
                values: Any = json.loads(file.read(_MOST_BYTES))
            return [Cell(CellType.CODE, "".join(cell["source"]).rstrip("\n")) for cell in values["cells"]]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return [Cell(CellType.RAW, "\0")]
