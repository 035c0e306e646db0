"""Notebooks, whether somebody has them open or not.

With jupyter-collaboration an open notebook lives in a shared document; writing its file would be noticed a second
later and could undo what somebody types. So a change goes into the shared document where there is one, and into the
file where not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server.serverapp import ServerApp

#: Takes the content of a notebook (nbformat 4.5) and returns the new one, or None to leave it as it is.
Change = Callable[[dict[str, Any]], dict[str, Any] | None]


async def change_notebook(app: ServerApp, path: str, change: Change) -> None:
    """Change a notebook where it lives.

    Args:
        app: the running server.
        path: of an existing notebook, as in Jupyter's contents API.
        change: what to do; called once.
    """
    document = await _shared_document(app, path)
    if document is not None:
        content = change(await document.aget())
        if content is not None:
            await document.aset(content)
        return
    model = await ensure_async(app.contents_manager.get(path, content=True, type="notebook"))
    content = change(dict(model["content"]))
    if content is not None:
        await save_notebook(app, path, content)


async def save_notebook(app: ServerApp, path: str, content: dict[str, Any]) -> None:
    """Write a notebook's file through Jupyter's contents manager."""
    model = {"type": "notebook", "format": "json", "content": content}
    await ensure_async(app.contents_manager.save(model, path))


async def flush(app: ServerApp) -> None:
    """Write every shared document that differs from its file; called before the server ends."""
    collaboration = _collaboration(app)
    if collaboration is None:
        return
    for room in list(collaboration.ywebsocket_server.rooms.values()):
        kind = getattr(room, "file_type", None)
        if kind is None:  # a room without a file, such as the one of who is here
            continue
        document = await collaboration.get_document(room_id=room.room_id, copy=True)
        try:
            await _flush_one(app, collaboration, room, document, kind)
        except Exception:
            # one document that cannot be written must not cost the others
            app.log.exception("The document of room %s could not be saved", room.room_id)


async def _flush_one(app: ServerApp, collaboration: Any, room: Any, document: Any, kind: str) -> None:
    path = app.web_app.settings["file_id_manager"].get_path(room.room_id.rpartition(":")[2])
    if document is None or path is None:
        return
    content = await document.aget()
    stored = await ensure_async(app.contents_manager.get(path, content=True, type=kind, format=room.file_format))
    if content != stored["content"]:
        app.log.info("Saving %s before the end", path)
        model = {"type": kind, "format": room.file_format, "content": content}
        await ensure_async(app.contents_manager.save(model, path))


def _collaboration(app: ServerApp) -> Any:
    apps = app.extension_manager.extension_apps.get("jupyter_server_ydoc", set())
    return next(iter(apps), None)


async def _shared_document(app: ServerApp, path: str) -> Any:
    collaboration = _collaboration(app)
    if collaboration is None:
        return None
    return await collaboration.get_document(path=path, content_type="notebook", file_format="json", copy=False)
