"""A document that is open: its content as it is now, and its file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from jupyter_server.serverapp import ServerApp

from .cell_cache import CellCache
from .collaboration import extension, split_room

_META = {"metadata": {}, "nbformat": 0, "nbformat_minor": 0}
_AT_ONCE = 20  # cells, or outputs of one, that are read without a thread


class OpenDocument:
    """A document that is open, with its room and its file.

    Args:
        app: the running server.
        room: of jupyter-server-ydoc, with a file and loaded.
    """

    def __init__(self, app: ServerApp, room: Any) -> None:
        from jupyter_ydoc import ydocs

        self.room = room
        self._app = app
        self._file = extension(app).file_loaders[split_room(room.room_id)[2]]
        self._view = ydocs.get(room.file_type, ydocs["file"])(room.ydoc)  # its own: each has one observer
        self._cache: CellCache[dict[str, Any]] | None = None  # of a notebook that is observed

    @property
    def path(self) -> str | None:
        """Where the file is now; None when the user deleted it."""
        path: str | None = self._app.web_app.settings["file_id_manager"].get_path(split_room(self.room.room_id)[2])
        return path

    @property
    def modified(self) -> Any:
        """When the file was changed, as far as the room has heard of it."""
        return self._file.last_modified

    @property
    def state(self) -> bytes:
        """Which changes the document consists of (Yjs, state vector)."""
        state: bytes = self.room.ydoc.get_state()
        return state

    @property
    def autosave(self) -> bool:
        """Whether a page wants this document saved without being told; pages say so where it can be switched."""
        wishes = [state.get("autosave", True) for state in self.room.awareness.states.values() if state]
        return any(wishes) if wishes else True

    async def content(self) -> Any:
        """Return the content as it is now, as in Jupyter's contents API."""
        content = self._content_from_cache()
        if content is not None:
            return content
        cache, version = self._cache, self._cache and self._cache.version
        content = await asyncio.to_thread(_content, self.room.file_type, self.room.ydoc.get_update())
        if content is None:  # cells with one id: the shared document must be mended as well
            return await self._view.aget()
        if cache is not None and cache.version == version:
            cache.values = [dict(cell) for cell in content["cells"]]
        return content

    def _content_from_cache(self) -> Any:
        """Return the content of a notebook, or None where more has to be read for that than others can wait for."""
        cache, view = self._cache, self._view
        if cache is None:
            return None
        missing = cache.missing
        if len(missing) > _AT_ONCE or any(len(view.ycells[place].get("outputs") or ()) > _AT_ONCE for place in missing):
            return None
        for place in missing:
            cache.values[place] = view.get_cell(place)
        cells = [dict(cell) for cell in cache.values if cell is not None]
        names = [cell["id"] for cell in cells if "id" in cell]
        if len(names) != len(set(names)):
            return None
        return {"cells": cells, **_meta_of(self.room.ydoc)}

    def observe(self, changed: Callable[[], None]) -> None:
        """Have a function called at each change of the content; it must not touch the document."""
        if self.room.file_type == "notebook":
            self._cache = CellCache(len(self._view.ycells))

        def on_change(topic: str, event: Any) -> None:
            if topic == "state":  # no content: whether it is dirty, its path, the hash of its file
                return
            if self._cache is not None and topic == "cells":
                self._cache.follow(event)
            elif self._cache is not None:
                self._cache.forget()  # which version a notebook has says whether cells have ids
            changed()

        self._view.observe(on_change)

    def close(self) -> None:
        """Observe no longer."""
        self._view.unobserve()

    async def write(self, content: Any) -> str:
        """Write the file and return its new hash.

        Raises:
            PermissionError: the file is read-only.
            OutOfBandChanges: of jupyter-server-ydoc; the file was changed by others, and must be taken.
            HTTPError: it could not be written.
        """
        model = {"format": self.room.file_format, "type": self.room.file_type, "content": content}
        saved = await self._file.maybe_save_content(model)
        if saved is None:
            raise PermissionError("the file is read-only")
        self._view.hash = saved["hash"]  # a page that is not told takes this for a change by others
        return str(saved["hash"])

    def set_clean(self) -> None:
        """Tell the pages that all is saved."""
        self._view.dirty = False

    async def take_file(self) -> None:
        """Replace the content with that of the file."""
        self._file.last_modified = datetime.min.replace(tzinfo=UTC)  # so that it hears of the change once more
        await self._file.maybe_notify()


def _content(kind: str, update: bytes) -> Any:
    """Return the content of a document, or None where cells of it have one id.

    Args:
        kind: its type.
        update: all of its changes (Yjs, update format version 1), which no later one can mix with.
    """
    from jupyter_ydoc import ydocs
    from pycrdt import Doc

    shared: Any = Doc()
    shared.apply_update(update)
    view = ydocs.get(kind, ydocs["file"])(shared)
    if kind != "notebook":
        return view.get()
    content = view.get(deduplicate=False)
    names = [cell["id"] for cell in content["cells"] if "id" in cell]
    return content if len(names) == len(set(names)) else None


def _meta_of(ydoc: Any) -> dict[str, Any]:
    """Return what a notebook's content has beside its cells (nbformat 4, "Top-level structure")."""
    from jupyter_ydoc.utils import cast_all
    from pycrdt import Map

    meta = ydoc.get("meta", type=Map).to_py() or {}
    cast_all(meta, float, int)  # Yjs knows no integers
    return {name: meta.get(name, usual) for name, usual in _META.items()}
