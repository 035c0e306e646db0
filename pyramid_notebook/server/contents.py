"""The user's files, each saved in one step.

Jupyter's own manager keeps a copy beside a file while it overwrites the file itself: whoever reads meanwhile sees half
of it, and so it stays when the server is killed.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import tempfile
from asyncio import get_running_loop
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from jupyter_server.services.contents.fileio import FileManagerMixin
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from nbformat import from_dict
from nbformat.sign import NotebookNotary
from tornado.web import HTTPError


class AtomicFileManager(AsyncLargeFileManager):
    """Jupyter's default contents manager, but that a reader sees the old content of a file or the new one."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # one thread: the database of signatures wants to be used in the one that has opened it
        self._writer = ThreadPoolExecutor(1, "notebook-writer")
        self._signer: Any = None

    async def save(self, model: dict[str, Any], path: str = "") -> dict[str, Any]:
        """Save a file; a notebook is checked, signed and written in a thread, which for a long one takes a while.

        Args:
            model: as in Jupyter's contents API.
            path: of the file.

        Raises:
            HTTPError: it cannot be saved.
        """
        own: Any = self  # whose methods have no types
        if model.get("type") != "notebook" or "content" not in model:
            return await super().save(model, path)  # type: ignore[no-any-return, no-untyped-call]
        path = path.strip("/")
        own.run_pre_save_hooks(model=model, path=path)
        os_path = own._get_os_path(path)
        faults: dict[str, Any] = {}
        try:
            await get_running_loop().run_in_executor(self._writer, self._write, model["content"], os_path, faults)
            if not await own.checkpoints.list_checkpoints(path):
                await own.create_checkpoint(path)
        except HTTPError:
            raise
        except Exception as error:
            self.log.exception("%s could not be saved", path)
            raise HTTPError(500, f"Unexpected error while saving file: {path} {error}") from error
        own.validate_notebook_model(model, validation_error=faults)
        saved: dict[str, Any] = await own.get(path, content=False)
        if model.get("message"):
            saved["message"] = model["message"]
        own.run_post_save_hooks(model=saved, os_path=os_path)
        own.emit(data={"action": "save", "path": path})
        return saved

    def _write(self, content: Any, os_path: str, faults: dict[str, Any]) -> None:
        notebook: Any = from_dict(content)  # type: ignore[no-untyped-call]
        self._signer = self._signer or NotebookNotary(parent=self)  # type: ignore[no-untyped-call]
        try:
            if self._signer.check_cells(notebook):
                self._signer.sign(notebook)
            else:
                self.log.warning("Notebook %s is not trusted", os_path)
        except sqlite3.Error:  # the next one opens the database anew
            self._signer = None
            self.log.warning("%s could not be signed", os_path, exc_info=True)
        FileManagerMixin._save_notebook(self, os_path, notebook, faults)

    @contextmanager
    def atomic_writing(
        self, os_path: str, text: bool = True, encoding: str = "utf-8", **options: Any
    ) -> Iterator[IO[Any]]:
        """Open a new file that takes the place of an old one when all is written.

        Args:
            os_path: the file; through a link its target is replaced, not the link.
            text: whether text is written, with UNIX line ends, or bytes.
            encoding: of the text.
            options: of Jupyter's own way, which stays for folders that take no new file, and what is no file.

        Raises:
            HTTPError: 403, the file may not be written.
        """
        target = Path(os.path.realpath(os_path))
        in_place = target.exists() and not target.is_file()
        if in_place or not self.use_atomic_writing or not os.access(target.parent, os.W_OK):
            with super().atomic_writing(os_path, text=text, encoding=encoding, **options) as file:
                yield file
            return
        with self.perm_to_403(os_path), _replacing(target, text=text, encoding=encoding) as file:
            yield file


@contextmanager
def _replacing(target: Path, *, text: bool, encoding: str) -> Iterator[IO[Any]]:
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(target))
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=".~")  # Jupyter does not list such names
    try:
        form = (encoding, "\n") if text else (None, None)
        with os.fdopen(descriptor, "w" if text else "wb", encoding=form[0], newline=form[1]) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, temporary)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
