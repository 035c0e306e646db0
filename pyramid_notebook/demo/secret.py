"""The secret that signs cookies: made once, and kept in a file that its owner alone can read."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile


def load_secret(path: Path) -> str:
    """Return the secret that is kept in a file, which is made where it does not exist.

    Several processes may call this at once: they get the same secret, and never half of one.

    Args:
        path: the file; its folder must exist.
    """
    if not path.exists():
        with NamedTemporaryFile("w", dir=path.parent, prefix=f"{path.name}.") as draft:  # its mode is 0600
            draft.write(secrets.token_hex(32))
            draft.flush()
            os.fsync(draft.fileno())
            with suppress(FileExistsError):
                path.hardlink_to(draft.name)  # the first one wins
    return path.read_text()
