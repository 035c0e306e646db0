"""The one place that knows the inside of jupyter-collaboration: its rooms, and whether its names are still there.

A shared document lives in a room of jupyter-server-ydoc, which loads it from its file, saves it, and keeps each change
in a store (``runtime/documents.db``). What we use of that is documented nowhere, so :func:`missing_names` looks at the
start whether it is there.
"""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from pathlib import PurePosixPath
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server.serverapp import ServerApp
from tornado.web import HTTPError

from ..errors import BadNotebook, NoNotebook

#: Event that rooms emit whenever something happens to them (jupyter-server-ydoc, ``events/session.yaml``).
ROOM_EVENTS = "https://schema.jupyter.org/jupyter_collaboration/session/v1"
#: What a class must have; for a method, which attributes it sets on its instance.
_NAMES = {
    "app.YDocExtension": ("document_save_delay", "document_cleanup_delay", "ystore_class", "get_document"),
    "app.YDocExtension.get_document": ("_room_locks",),
    "app.YDocExtension.initialize_handlers": ("ywebsocket_server", "file_loaders"),
    "rooms.DocumentRoom": ("room_id", "file_type", "file_format", "ready", "cleaner", "initialize"),
    "rooms.DocumentRoom.__init__": ("_save_delay", "ydoc", "awareness", "_update_lock"),
    "loaders.FileLoader": ("path", "maybe_save_content", "maybe_notify"),
    "loaders.FileLoader.__init__": ("last_modified",),
    "stores.SQLiteYStore": ("apply_updates", "start", "stop", "__aenter__"),
    "utils": ("OutOfBandChanges", "encode_file_path"),
}


def missing_names() -> str:
    """Return what the installed jupyter-server-ydoc lacks of what we use, as a sentence, or an empty text."""
    import jupyter_server_ydoc
    from jupyter_server_ydoc import app, loaders, rooms, stores, utils

    modules = {"app": app, "loaders": loaders, "rooms": rooms, "stores": stores, "utils": utils}
    for owner, names in _NAMES.items():
        module, _, inner = owner.partition(".")
        for name in names:
            if not _has(modules[module], inner, name):
                return f"jupyter-server-ydoc {jupyter_server_ydoc.__version__} has no {name} in {owner}"
    return ""


def _has(module: Any, inner: str, name: str) -> bool:
    found = module
    for part in filter(None, inner.split(".")):
        found = getattr(found, part, None)
    if not hasattr(found, "__code__"):
        return hasattr(found, name)
    owner, _, method = inner.rpartition(".")
    methods = [vars(base).get(method) for base in getattr(module, owner).__mro__]
    return any(name in item.__code__.co_names for item in methods if hasattr(item, "__code__"))


def extension(app: ServerApp) -> Any:
    """Return the running extension of jupyter-collaboration, or None."""
    apps = app.extension_manager.extension_apps.get("jupyter_server_ydoc", set())
    return next(iter(apps), None)


def contents_type(kind: str) -> str:
    """Return the type in Jupyter's contents API of what has this type in the page (a schema, say, is a file)."""
    return kind if kind in ("notebook", "file", "directory") else "file"


def split_room(room_id: str) -> tuple[str, str, str]:
    """Return format, type and file id, which a room's id consists of."""
    file_format, kind, file_id = room_id.split(":", 2)
    return file_format, kind, file_id


async def stored_model(app: ServerApp, path: str, room_id: str, *, content: bool) -> dict[str, Any]:
    """Return what Jupyter's contents API says of the file of a room, with its hash."""
    file_format, kind, _ = split_room(room_id)
    model = await ensure_async(
        app.contents_manager.get(path, content=content, type=contents_type(kind), format=file_format, require_hash=True)
    )
    if content and isinstance(model["content"], str):
        model["content"] = model["content"].replace("\r\n", "\n")  # as rooms load it
    return dict(model)


async def set_aside(app: ServerApp, path: str, room_id: str, content: Any, *, name: str = "") -> str:
    """Write a document that is not what its file shall be to a file beside it.

    Args:
        app: the running server.
        path: of the file.
        room_id: of the document's room.
        content: of the document.
        name: path of an earlier copy that this one replaces; empty for a new name.

    Returns:
        The path of the copy.
    """
    file_format, kind, _ = split_room(room_id)
    original = PurePosixPath(path)
    if not name:
        wanted = f"{original.stem} (recovered){original.suffix}"
        folder = str(original.parent).removeprefix(".")
        free = await ensure_async(app.contents_manager.increment_filename(wanted, folder, insert=" "))
        name = str(original.with_name(free))
    model = {"type": contents_type(kind), "format": file_format, "content": content}
    await ensure_async(app.contents_manager.save(model, name))
    app.log.warning("The version of %s that was not saved is kept as %s", path, name)
    return name


class StoredDocument:
    """A document as the store has it, while no room is open.

    Args:
        app: the running server.
        room_id: of the document's room.
    """

    def __init__(self, app: ServerApp, room_id: str) -> None:
        self._app = app
        _, self._kind, self._file_id = split_room(room_id)
        self.content: Any = None
        self.state = b""

    @property
    def path(self) -> str | None:
        """Where the file is now; None when the user deleted it."""
        path: str | None = self._app.web_app.settings["file_id_manager"].get_path(self._file_id)
        return path

    async def load(self) -> bool:
        """Read the store; False when it does not know the document."""
        from jupyter_ydoc import ydocs
        from pycrdt import Doc
        from pycrdt.store import YDocNotFound

        shared: Any = Doc()
        make_store = extension(self._app).ywebsocket_server.ystore_class
        async with make_store(path=f".{self._kind}:{self._file_id}.y", log=self._app.log) as store:
            try:
                await store.apply_updates(shared)
            except YDocNotFound:
                return False
        self.content = await ydocs.get(self._kind, ydocs["file"])(shared).aget()
        self.state = shared.get_state()
        return True


async def room_of(app: ServerApp, path: str) -> Any:
    """Return the room of a notebook, loaded; where nobody has the notebook open, it is opened.

    A room that nobody enters goes again after a while, see :func:`leave`.

    Args:
        app: the running server.
        path: of the notebook, as in Jupyter's contents API.

    Raises:
        NoNotebook: there is none.
        BadNotebook: its file holds something else.
        HTTPError: its file cannot be read.
    """
    from jupyter_server_ydoc.utils import encode_file_path

    # an index of what is no file would be made, too
    if not path.endswith(".ipynb") or not await ensure_async(app.contents_manager.file_exists(path)):
        raise NoNotebook(f"There is no notebook {path!r}.")
    ours = extension(app)
    room_id = encode_file_path("json", "notebook", app.web_app.settings["file_id_manager"].index(path))
    try:
        await ours.get_document(room_id=room_id, copy=False, create=True)
        room = ours.ywebsocket_server.rooms[room_id]
        if not room.ready:  # a page that is just coming in has made it, and loads it
            async with ours._room_locks[room_id]:
                await room.initialize()
    except (HTTPError, CancelledError):
        raise
    except BaseException as error:  # pycrdt's PanicException is no Exception
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        app.log.warning("%s cannot be opened", path, exc_info=True)
        raise BadNotebook(f"The notebook {path!r} holds what no notebook can, and cannot be opened.") from None
    if room._update_lock.locked():  # it is being loaded anew, from its file
        async with room._update_lock:
            pass
    return room


def stay(room: Any) -> None:
    """Let a room not go, although nobody is in it."""
    if room.cleaner is not None:
        room.cleaner.cancel()


def leave(app: ServerApp, room: Any) -> None:
    """Let a room go after the usual while, unless somebody is in it or comes in."""
    delay = extension(app).document_cleanup_delay
    if not room.clients and delay is not None:
        stay(room)
        room.cleaner = asyncio.create_task(_clean(app, room, delay))


async def _clean(app: ServerApp, room: Any, delay: float) -> None:
    await asyncio.sleep(delay)
    ours = extension(app)
    async with ours._room_locks[room.room_id]:
        if room.clients or ours.ywebsocket_server.rooms.get(room.room_id) is not room:
            return
        await ours.ywebsocket_server.delete_room(room=room)
        file_id = split_room(room.room_id)[2]
        if file_id in ours.file_loaders and not ours.file_loaders[file_id].number_of_subscriptions:
            await ours.file_loaders.remove(file_id)


def open_rooms(app: ServerApp) -> dict[str, Any]:
    """Return the rooms of documents that are loaded, by their ids."""
    rooms = extension(app).ywebsocket_server.rooms
    return {name: room for name, room in rooms.items() if getattr(room, "file_type", None) and room.ready}


def state_covers(state: bytes, wanted: bytes) -> bool:
    """Whether a document has all changes of another one.

    Args:
        state: state vector of the document (Yjs: the number of pairs, then client and clock, all as variable-length
            unsigned integers of lib0).
        wanted: state vector of the other one.
    """
    have = _clocks(state)
    return all(have.get(client, 0) >= clock for client, clock in _clocks(wanted).items())


def _clocks(state: bytes) -> dict[int, int]:
    from pycrdt import Decoder

    decoder = Decoder(state or b"\0")
    return {decoder.read_var_uint(): decoder.read_var_uint() for _ in range(decoder.read_var_uint())}
