"""What was typed just before a server was killed comes back.

While an open document differs from its file there is a note of it in ``runtime/unsaved/``. A server that ends well
leaves none. What a server finds at its start, before any page can come, was cut off: the words are in the store of
jupyter-collaboration, and go from there into the file, where a room would overwrite them with the file's content.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server.serverapp import ServerApp
from tornado.web import HTTPError

from ..errors import UnsafePath
from ..files import private_folder, read_private, write_private
from .collaboration import StoredDocument, contents_type, set_aside, split_room, state_covers, stored_model

_LOAD_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Note:
    """A document that differs from its file.

    Attributes:
        room_id: of the document's room.
        hash: of the file when it was the same as the document, or empty where that is not known.
        state: state vector of the document at that time, in hexadecimal digits.
    """

    room_id: str
    hash: str
    state: str


class Notes:
    """The notes of one user's server.

    Args:
        folder: where they lie; made when the first one is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, note: Note) -> None:
        """Write the note of a document, in place of an older one."""
        private_folder(self.folder)
        write_private(self._path(note.room_id), json.dumps(asdict(note)))

    def remove(self, room_id: str) -> None:
        """Remove the note of a document, if there is one."""
        self._path(room_id).unlink(missing_ok=True)

    def left(self) -> list[Note]:
        """Return the notes that lie there; what is no note is removed."""
        found = []
        for path in sorted(self.folder.glob("*.json")):
            try:
                found.append(Note(**json.loads(read_private(path) or "")))
            except (ValueError, TypeError, UnsafePath):
                path.unlink(missing_ok=True)
        return found

    def _path(self, room_id: str) -> Path:
        return self.folder / f"{hashlib.sha256(room_id.encode()).hexdigest()[:32]}.json"


async def recover(app: ServerApp, notes: Notes) -> None:
    """Bring the files up to date with what was typed before the last server was killed.

    A file that others have changed since stays as it is, and the document goes into one beside it.

    Args:
        app: the server, which no page has reached yet.
        notes: those that the last server left; the ones that are dealt with are removed.
    """
    for note in notes.left():
        try:
            async with asyncio.timeout(_LOAD_SECONDS):
                await _recover_one(app, note)
        except Exception:
            app.log.exception("A document could not be recovered; its note stays in %s", notes.folder)
        else:
            notes.remove(note.room_id)


async def _recover_one(app: ServerApp, note: Note) -> None:
    document = StoredDocument(app, note.room_id)
    path = document.path
    if path is None or not await document.load():
        return
    stored = await _stored(app, path, note.room_id)
    if stored.get("content") == document.content:
        return
    # a store that missed a change, on a full disk for example, is older than the file
    if note.hash and stored.get("hash") == note.hash and state_covers(document.state, bytes.fromhex(note.state)):
        file_format, kind, _ = split_room(note.room_id)
        model = {"type": contents_type(kind), "format": file_format, "content": document.content}
        await ensure_async(app.contents_manager.save(model, path))
        app.log.warning("%s has what was not saved when the last server ended", path)
    else:
        await set_aside(app, path, note.room_id, document.content)


async def _stored(app: ServerApp, path: str, room_id: str) -> dict[str, Any]:
    try:
        return await stored_model(app, path, room_id, content=True)
    except HTTPError as error:
        if error.status_code in (400, 404):  # it is gone, or others left what is no notebook
            return {}
        raise
