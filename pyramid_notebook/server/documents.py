"""Notebooks, whether somebody has them open or not.

With jupyter-collaboration an open notebook lives in a shared document; writing its file would be noticed a second
later and could undo what somebody types. So a change goes into the shared document where there is one, and into the
file where not.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server.serverapp import ServerApp

from .collaboration import extension

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


async def make_notebook(app: ServerApp, path: str, content: dict[str, Any]) -> None:
    """Write a new notebook's file, and make the folders in which it is."""
    folder = PurePosixPath()
    for part in PurePosixPath(path).parent.parts:
        folder /= part
        if not await ensure_async(app.contents_manager.dir_exists(str(folder))):
            await ensure_async(app.contents_manager.save({"type": "directory"}, str(folder)))
    await save_notebook(app, path, content)


async def save_notebook(app: ServerApp, path: str, content: dict[str, Any]) -> None:
    """Write a notebook's file through Jupyter's contents manager."""
    model = {"type": "notebook", "format": "json", "content": content}
    await ensure_async(app.contents_manager.save(model, path))


async def _shared_document(app: ServerApp, path: str) -> Any:
    collaboration = extension(app)
    if collaboration is None:
        return None
    return await collaboration.get_document(path=path, content_type="notebook", file_format="json", copy=False)
