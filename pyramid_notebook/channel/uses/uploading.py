"""Files that whoever looks at a cell gives to it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from ...errors import Unsendable
from ..streams import Stream
from .parts import Part, Parts

_PARTS = Parts("upload")
#: Bytes of a file that goes into memory.
LARGEST = 1024**3


@dataclass(frozen=True)
class Uploaded:
    """A file that was uploaded.

    Attributes:
        name: as the page told it, without folders.
        type: MIME type, as the page told it; may be empty.
        size: in bytes.
        content: its bytes; empty where it went into a file.
        path: of the file that it went into.
    """

    name: str
    type: str
    size: int
    content: bytes = field(repr=False, default=b"")
    path: Path | None = None


def upload(
    label: str = "Choose a file:",
    *,
    accept: str = "",
    to: str | Path | None = None,
    largest: int = LARGEST,
    timeout: float | None = None,
) -> Uploaded:
    """Show a field for a file in the cell, wait until a file is uploaded, and return it.

    Args:
        label: of the field.
        accept: which files the field offers, for example ``.csv,image/*`` (HTML, attribute ``accept``); a hint only.
        to: file to write, which replaces an older one when all is there; or a folder, for a file of the same name.
            Without it the bytes stay in memory.
        largest: bytes of a file that is taken.
        timeout: seconds to wait; None for as long as it takes.

    Raises:
        NoChannel: this is no kernel of a user server.
        NoPage: no page is connected.
        TimeoutError: nobody uploaded a file in time.
    """
    part = _shown(label, accept, to, largest)
    return _told(part, part.wait(timeout, _gone(label)))


async def upload_async(
    label: str = "Choose a file:",
    *,
    accept: str = "",
    to: str | Path | None = None,
    largest: int = LARGEST,
    timeout: float | None = None,  # noqa: ASYNC109 - as in upload()
) -> Uploaded:
    """Do what :func:`upload` does in a cell that awaits."""
    part = _shown(label, accept, to, largest)
    return _told(part, await part.awaited(timeout, _gone(label)))


def _shown(label: str, accept: str, to: str | Path | None, largest: int) -> Part:
    def hear(stream: Stream, name: str, kind: str, size: int) -> None:
        base = base_name(name)
        pieces = _limited(part, stream, size, largest)
        if to is None:
            found = Uploaded(base, kind, size, content=b"".join(pieces))
        else:
            path = Path(to, base) if Path(to).is_dir() else Path(to)
            _write(path, pieces)
            found = Uploaded(base, kind, size, path=path)
        part.settle(found)

    part = _PARTS.show({"label": label, "accept": accept}, hear, label)
    return part


def _told(part: Part, found: Uploaded) -> Uploaded:
    part.finish(f"{found.name}: {found.size:,} bytes")
    return found


def base_name(name: str) -> str:
    """Return a file name that stays in its folder, whatever a page calls the file.

    Raises:
        Unsendable: it is no name.
    """
    base = PurePosixPath(PureWindowsPath(name).name).name
    if not base or base in (".", "..") or "\0" in base:
        raise Unsendable(f"{name!r} is no name of a file.")
    return base


def _limited(part: Part, stream: Stream, size: int, largest: int) -> Iterable[bytes]:
    """Yield the pieces of a stream as long as somebody waits for them, and no more than were announced."""
    if not 0 <= size <= largest:
        raise Unsendable(f"The file has {size:,} bytes, and {largest:,} are taken.")
    left = size
    for piece in stream:
        left -= len(piece)
        if left < 0 or part.answer.done():
            raise Unsendable("The cell does not wait for this file any more, or it has changed meanwhile.")
        yield piece
    if left:
        raise Unsendable("The file has changed meanwhile. Choose it again.")


def _write(path: Path, pieces: Iterable[bytes]) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
    try:
        file: IO[bytes]
        with os.fdopen(handle, "wb") as file:
            for piece in pieces:
                file.write(piece)
        Path(name).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise


_gone = partial("{} (nobody waits for a file any more)".format)
