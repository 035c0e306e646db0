"""A notebook context becomes a kernelspec, a notebook and a running kernel."""

from __future__ import annotations

import json
import sys
import uuid
from pathlib import Path
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server.serverapp import ServerApp

from ..context import NotebookContext
from ..files import private_folder, write_private
from ..startup import escape_markdown
from .documents import change_notebook, save_notebook

#: Cell tags of ours (nbformat 4.5, "Cell metadata").
GREETING_TAG = "pyramid-notebook-greeting"
STARTUP_TAG = "pyramid-notebook-startup"


async def install(app: ServerApp, context: NotebookContext, data_folder: Path) -> str:
    """Make a context's kernelspec, notebook and kernel, or refresh them.

    Args:
        app: the running server.
        context: what the launch brought along.
        data_folder: Jupyter's data folder of this user.

    Returns:
        Path of the notebook, as in Jupyter's contents API.
    """
    write_kernelspec(context, data_folder)
    path = context.notebook_name
    if await ensure_async(app.contents_manager.file_exists(path)):
        await change_notebook(app, path, lambda content: _refreshed(content, context))
    else:
        await save_notebook(app, path, _new_notebook(context))
        await ensure_async(app.contents_manager.trust_notebook(path))
    await _start_kernel(app, path, context)
    return path


def write_kernelspec(context: NotebookContext, data_folder: Path) -> None:
    """Write the kernelspec of a context (jupyter_client, "Kernel specs") with its startup script beside it."""
    folder = private_folder(data_folder / "kernels" / context.kernel_name)
    arguments = ["-P", "-m", "pyramid_notebook.server.kernel", "-f", "{connection_file}"]
    spec = {
        "argv": [sys.executable, *arguments, "--startup={resource_dir}/startup.py"],
        "display_name": context.title,
        "language": "python",
        "metadata": {"debugger": False},  # debugpy lets every UNIX user in, on a loopback port
    }
    write_private(folder / "startup.py", context.startup)
    write_private(folder / "kernel.json", json.dumps(spec))


async def _start_kernel(app: ServerApp, path: str, context: NotebookContext) -> None:
    # the page attaches to the session that it finds for its path, so the kernel starts while the page loads
    if not await app.session_manager.session_exists(path=path):
        await app.session_manager.create_session(path=path, name=path, type="notebook", kernel_name=context.kernel_name)


def _new_notebook(context: NotebookContext) -> dict[str, Any]:
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": {"name": context.kernel_name, "display_name": context.title, "language": "python"},
            "language_info": {"name": "python"},
        },
        "cells": [_greeting_cell(context), code_cell("")],
    }


def _greeting_cell(context: NotebookContext) -> dict[str, Any]:
    return {
        "cell_type": "markdown",
        "id": uuid.uuid4().hex[:8],
        "metadata": {"tags": [GREETING_TAG]},
        "source": _greeting(context),
    }


def code_cell(source: str, *, tags: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return an empty code cell (nbformat 4.5)."""
    return {
        "cell_type": "code",
        "id": uuid.uuid4().hex[:8],
        "metadata": {"tags": list(tags)} if tags else {},
        "source": source,
        "execution_count": None,
        "outputs": [],
    }


def _greeting(context: NotebookContext) -> str:
    closing = "Use *File*, *Shut down notebook* when you are done."
    return f"# {escape_markdown(context.title)}\n\n{context.greeting.strip()}\n\n{closing}"


def tagged(content: dict[str, Any], tag: str) -> dict[str, Any] | None:
    """Return the first cell of a notebook with a tag."""
    return next((cell for cell in content["cells"] if tag in cell["metadata"].get("tags", ())), None)


def _refreshed(content: dict[str, Any], context: NotebookContext) -> dict[str, Any] | None:
    cell = tagged(content, GREETING_TAG)
    if cell is None or cell["source"] == _greeting(context):  # a greeting that the user removed stays removed
        return None
    cell["source"] = _greeting(context)
    return content
