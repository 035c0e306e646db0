"""The user's files, each saved in one step.

Jupyter's own manager keeps a copy beside a file while it overwrites the file itself: whoever reads meanwhile sees half
of it, and so it stays when the server is killed.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from asyncio import to_thread
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from jupyter_server.services.contents.fileio import FileManagerMixin
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager


class AtomicFileManager(AsyncLargeFileManager):
    """Jupyter's default contents manager, but that a reader sees the old content of a file or the new one."""

    async def _save_notebook(self, os_path: str, nb: Any, capture_validation_error: Any = None) -> None:
        """Write a notebook in a thread, with all that waits for the disk."""
        await to_thread(FileManagerMixin._save_notebook, self, os_path, nb, capture_validation_error)

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
