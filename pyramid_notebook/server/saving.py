"""Open documents are saved: a second after the last change, and while changes go on, every few seconds.

jupyter-collaboration itself waits until a document rests, and a cell that prints keeps it from that as long as it
runs. So its own saving is switched off (``document_save_delay``), and each open document has a :class:`Saver`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from jupyter_server.serverapp import ServerApp
from tornado.web import HTTPError

from ..errors import UnsafePath
from .collaboration import (
    ROOM_EVENTS,
    extension,
    missing_names,
    open_rooms,
    set_aside,
    stay,
    stored_model,
)
from .open_document import OpenDocument
from .recovery import Note, Notes, recover

#: Event that tells pages that a document could not be saved, or with an empty reason, that it could at last.
SAVE_EVENT = "urn:pyramid-notebook:save:v1"
_SAVE_EVENT_SCHEMA = {
    "$id": SAVE_EVENT,
    "version": "1",
    "title": "Saving of open documents",
    "type": "object",
    "properties": {
        "path": {"type": "string", "title": "Path as in Jupyter's contents API"},
        "reason": {"type": "string", "title": "Why it could not be saved; empty when it was saved at last"},
    },
    "required": ["path", "reason"],
    "additionalProperties": False,
}
_QUIET_SECONDS = 1.0
_LONGEST_SECONDS = 4.0  # with a second for the writing, a change is on disk after five
_RETRY_SECONDS = 5.0


class Saver:
    """Saves one open document.

    Args:
        app: the running server.
        document: the document.
        notes: where it is noted while it differs from its file.
        tell: called with path and reason when saving fails, and with an empty reason when it works again.
    """

    def __init__(self, app: ServerApp, document: OpenDocument, notes: Notes, tell: Callable[[str, str], None]) -> None:
        self.document = document
        self._app = app
        self._notes = notes
        self._tell = tell
        self._lock = asyncio.Lock()
        self._changed = asyncio.Event()
        self._version = self._taken = self._saved = 0  # how many changes there were, are being and have been saved
        self._first = self._last = 0.0
        self._failure = ""
        self._held = False
        self._copy = ""
        self._modified = document.modified  # the file was the same as the document when it had this time, hash, state
        self._hash = ""
        self._state = document.state
        document.observe(self._on_change)
        self._task = asyncio.create_task(self._run())

    def close(self) -> None:
        """Save no longer; the room is gone."""
        if self._held:  # the user did not want it saved
            self._notes.remove(self.document.room.room_id)
        self._task.cancel()
        self.document.close()

    @property
    def unsaved(self) -> bool:
        """Whether there are changes that are not in the file."""
        return self._version != self._saved

    async def save(self, *, compare: bool = False) -> bool:
        """Save the document now.

        Args:
            compare: look whether the file has it already, however sure we are.

        Returns:
            Whether the file has what the document had when this was called. It has not if the user deleted it, or
            another program has written it; then that version stands.

        Raises:
            Exception: it could not be saved; :func:`reason_of` says why.
        """
        try:
            async with self._lock:
                is_saved = await self._save(compare=compare)
        except Exception as error:
            self._note_failure(error)
            raise
        if self._failure:
            self._failure = ""
            self._tell(self.document.path or "", "")
        return is_saved

    def _on_change(self) -> None:
        self._last = time.monotonic()
        if self._version == self._taken:
            self._first = self._last
        self._version += 1
        self._changed.set()

    async def _run(self) -> None:
        await self._read_hash()
        while True:
            await self._changed.wait()
            self._write_note()
            while (rest := self._due - time.monotonic()) > 0:  # noqa: ASYNC110 - each change moves the moment
                await asyncio.sleep(rest)
            self._changed.clear()
            self._held = not self.document.autosave
            if self._held:
                continue
            try:
                await self.save()
            except Exception:  # it is told by now
                await asyncio.sleep(_RETRY_SECONDS)
                self._changed.set()

    @property
    def _due(self) -> float:
        return min(self._last + _QUIET_SECONDS, self._first + _LONGEST_SECONDS)

    async def _read_hash(self) -> None:
        path = self.document.path
        with suppress(HTTPError, OSError):  # if it is gone again, a note without a hash is a safe one
            model = await stored_model(self._app, path or "", self.document.room.room_id, content=False)
            if model["last_modified"] == self._modified:
                self._hash = model["hash"]

    async def _save(self, *, compare: bool) -> bool:
        from jupyter_server_ydoc.utils import OutOfBandChanges

        document, path = self.document, self.document.path
        if path is None:  # the user deleted it
            return False
        version, state = self._version, document.state
        self._taken = version
        content = await document.content()
        if document.modified != self._modified or compare:  # others wrote it, or the page asked for it to be saved
            model = await stored_model(self._app, path, document.room.room_id, content=True)
            if model["content"] == content:
                self._agree(version, state, model["hash"])
                return True
        try:
            written = await document.write(content)
        except OutOfBandChanges:
            self._copy = await set_aside(self._app, path, document.room.room_id, content, name=self._copy)
            await document.take_file()
            return False
        self._agree(version, state, written)
        if version == self._version:
            document.set_clean()
        return True

    def _agree(self, version: int, state: bytes, hash_of_file: str) -> None:
        self._saved, self._state, self._hash = version, state, hash_of_file
        self._modified = self.document.modified
        if version == self._version:
            self._notes.remove(self.document.room.room_id)
        else:
            self._write_note()

    def _write_note(self) -> None:
        known = self.document.modified == self._modified
        try:
            self._notes.write(
                Note(self.document.room.room_id, self._hash if known else "", self._state.hex() if known else "")
            )
        except (OSError, UnsafePath):  # the disk is full: an older note, if there is one, does as well
            self._app.log.warning("Unsaved changes of %s could not be noted", self.document.path)

    def _note_failure(self, error: Exception) -> None:
        stay(self.document.room)
        reason = reason_of(error)
        if reason != self._failure:
            self._failure = reason
            self._app.log.error("%s could not be saved: %s", self.document.path, reason)
            self._tell(self.document.path or "", reason)


class Saving:
    """Saves all open documents of a server.

    Args:
        app: the server.
        folder: where unsaved documents are noted.
    """

    def __init__(self, app: ServerApp, folder: Path) -> None:
        self.app = app
        self._notes = Notes(folder)
        self._savers: dict[str, Saver] = {}
        self._watching = False

    async def begin(self) -> None:
        """Recover what the last server could not save, and save from now on; call it before a page can come."""
        if extension(self.app) is None:
            return
        if problem := missing_names():
            self.app.log.warning("%s: open documents are saved only when nobody changes them for a second", problem)
            return
        events = self.app.web_app.settings["event_logger"]
        events.register_event_schema(_SAVE_EVENT_SCHEMA)
        events.add_listener(schema_id=ROOM_EVENTS, listener=self._on_room_event)
        self._watching = True
        await recover(self.app, self._notes)

    async def save_all(self) -> list[dict[str, str]]:
        """Save all open documents now, and return those that could not be, each with ``path`` and ``reason``."""
        if not self._watching:
            return []
        self._look()
        unsaved = []
        for saver in list(self._savers.values()):
            try:
                await saver.save(compare=True)
                if saver.unsaved:  # somebody typed meanwhile
                    await saver.save()
            except Exception as error:
                unsaved.append({"path": saver.document.path or "", "reason": reason_of(error)})
        return unsaved

    async def save(self, room: Any) -> bool:
        """Save the document of a room now; see :meth:`Saver.save`."""
        self._look()
        return await self._savers[room.room_id].save()

    async def _on_room_event(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        self._look()

    def _look(self) -> None:
        rooms = open_rooms(self.app)
        for name, saver in list(self._savers.items()):
            if rooms.get(name) is not saver.document.room:
                saver.close()
                del self._savers[name]
        for name, room in rooms.items():
            if name not in self._savers:
                self._savers[name] = Saver(self.app, OpenDocument(self.app, room), self._notes, self._tell)

    def _tell(self, path: str, reason: str) -> None:
        self.app.web_app.settings["event_logger"].emit(schema_id=SAVE_EVENT, data={"path": path, "reason": reason})


def reason_of(error: BaseException) -> str:
    """Return why a document could not be saved, for people."""
    cause = error if isinstance(error, OSError) else error.__cause__
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    if isinstance(error, HTTPError):
        return str(error.log_message or error.reason or error)
    return str(error) or type(error).__name__
