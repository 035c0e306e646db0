"""What this machine remembers of the files that it has pushed: which notebook is whose, and the version both had last.

One small file for each, below ``$XDG_STATE_HOME/pyramid-notebook/sync``, usually ``~/.local/state`` (XDG Base Directory
Specification). What cannot be read is as if it were not there: the site then compares the two anew.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from ...errors import NotebookError
from ...files import locked, private_folder, read_private, write_private

#: Files that are remembered; the oldest are forgotten.
MOST = 1000
#: Seconds for which another command with the same file is waited for; it may have to wait for a server that starts.
LOCK_SECONDS = 70
_VERSION = 1


class Known(NamedTuple):
    """What is remembered of one file.

    Attributes:
        notebook: its notebook, below the user's folder.
        rev: the version that both had last.
        hints: what the file and the configuration said of the notebook then.
    """

    notebook: str = ""
    rev: str = ""
    hints: str = ""


NOTHING = Known()


def default_folder() -> Path:
    """Return where this user's files of it are."""
    configured = os.environ.get("XDG_STATE_HOME", "")
    # the specification has relative paths ignored
    folder = Path(configured) if configured.startswith("/") else Path.home() / ".local" / "state"
    return folder / "pyramid-notebook" / "sync"


class Memory:
    """What is remembered of one file of a site.

    Args:
        notebooks: address of the user's notebooks.
        file: the file's absolute path.
        folder: where it is kept, None for the user's own.
    """

    def __init__(self, notebooks: str, file: str, folder: Path | None = None) -> None:
        self._names = {"site": notebooks, "file": file}
        digest = sha256(b"\0".join((notebooks.encode(), os.fsencode(file)))).hexdigest()
        self._path = (folder or default_folder()) / f"{digest[:32]}.json"
        # locks cannot be removed safely, so that there is no more than a number of them, and some files share one
        self._lock = self._path.with_name(f"{digest[:3]}.lock")

    def read(self) -> Known:
        """Return what is remembered; nothing where it cannot be read."""
        try:
            values = json.loads(read_private(self._path) or "")
            found = {name: values[name] for name in ("notebook", "rev", "hints")}
            is_ours = values["version"] == _VERSION and all(values[name] == text for name, text in self._names.items())
        except (NotebookError, OSError, ValueError, TypeError, KeyError, RecursionError):
            return NOTHING
        return Known(**found) if is_ours and all(isinstance(text, str) for text in found.values()) else NOTHING

    def write(self, known: Known) -> None:
        """Remember.

        Raises:
            UnsafePath, OSError: it cannot be written.
        """
        private_folder(self._path.parent)
        is_new = not self._path.exists()
        write_private(self._path, json.dumps({"version": _VERSION, **self._names, **known._asdict()}) + "\n")
        if is_new:
            _forget_oldest(self._path.parent)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other commands with this file waiting; without a lock where it cannot be had, or not in time."""
        with ExitStack() as stack:
            with suppress(NotebookError, OSError):
                private_folder(self._path.parent)
                stack.enter_context(locked(self._lock, timeout=LOCK_SECONDS))
            yield

    def forget(self) -> None:
        """Forget all of it."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def _forget_oldest(folder: Path) -> None:
    with os.scandir(folder) as entries:
        found = [entry for entry in entries if entry.name.endswith(".json")]
    if len(found) <= MOST:
        return
    ages = []
    for entry in found:
        with suppress(OSError):  # another process forgets as well
            ages.append((entry.stat(follow_symlinks=False).st_mtime_ns, entry.path))
    for _, path in sorted(ages)[: len(found) - MOST]:
        with suppress(OSError):
            Path(path).unlink(missing_ok=True)
