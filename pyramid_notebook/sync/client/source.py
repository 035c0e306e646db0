"""The editor's file: read whole, and replaced whole if nobody has changed it meanwhile."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ...errors import NotebookError
from .transport import LONGEST_REQUEST

#: Seconds for which a file that has become empty is taken for one that is being written.
EMPTY_SECONDS = 2.0
_RETRY_SECONDS = 0.02


class FileTrouble(NotebookError):
    """A file of the user's cannot be read or written; nothing was changed."""

    reason = "file"


class Signature(NamedTuple):
    """What changes when an editor saves a file: in place, or by another one's name."""

    modified: int
    size: int
    inode: int


class Source(NamedTuple):
    """A file as it was read.

    Attributes:
        path: its absolute path.
        text: its text, with line ends and byte order mark as they are.
        signature: of the file that was read.
    """

    path: str
    text: str
    signature: Signature


def signature(path: str) -> Signature | None:
    """Return the signature of a regular file, None where there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116 - a fifth of the time of Path's, many times a second
    except (OSError, ValueError):
        return None
    return _signature(status) if stat.S_ISREG(status.st_mode) else None


def _signature(status: os.stat_result) -> Signature:
    return Signature(status.st_mtime_ns, status.st_size, status.st_ino)


def read(path: str) -> Source:
    """Return a file that is to be pushed.

    Raises:
        FileTrouble: there is none, it cannot be read, is too large, or not UTF-8.
    """
    try:
        # O_NONBLOCK: a pipe must not block us
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise FileTrouble(f"{path} is not a file.")
        with os.fdopen(descriptor, "rb") as file:
            data = file.read(LONGEST_REQUEST + 1)
    except FileNotFoundError:
        raise FileTrouble(f"{path} does not exist.") from None
    except (OSError, ValueError) as error:
        raise FileTrouble(f"{path} cannot be read: {getattr(error, 'strerror', error)}.") from None
    if len(data) > LONGEST_REQUEST:
        raise FileTrouble(f"{path} is too large: a site takes {LONGEST_REQUEST // 1_000_000} MB at most.")
    try:
        return Source(path, data.decode(), _signature(status))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FileTrouble(f"{path} is not UTF-8: see line {line}. Save it as UTF-8.") from None


def read_newest(
    source: Source, *, wait: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic
) -> Source:
    """Return a file as it is now; an editor that is just writing it is waited for.

    Args:
        source: the file as it was read before.
        wait: waits so many seconds.
        clock: tells seconds that never go back.

    Raises:
        FileTrouble: see :func:`read`.
    """
    end = clock() + EMPTY_SECONDS
    while clock() < end:
        if signature(source.path) in (None, source.signature):
            return source
        found = read(source.path)
        if found.text and signature(source.path) == found.signature:
            return found
        wait(_RETRY_SECONDS)
    return read(source.path)


def replace(source: Source, text: str) -> Signature:
    """Replace a file in one step; its mode stays, and so does a link that leads to it.

    Args:
        source: the file as it was read.
        text: its new text, with line ends and byte order mark as they shall be.

    Returns:
        What the file has now.

    Raises:
        FileTrouble: it was changed since it was read, or cannot be written; it is as it was.
    """
    target = os.path.realpath(source.path)

    def put(temporary: str, descriptor: int) -> None:
        status = os.stat(target)  # noqa: PTH116
        with suppress(OSError):  # only the owner's group, or root, can do this
            os.fchown(descriptor, status.st_uid, status.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
        if read(target).text != source.text:
            raise FileTrouble(f"{source.path} was saved just now, so it was not changed. Do it again.")
        os.replace(temporary, target)  # noqa: PTH105

    return _write(target, text, put)


def create(path: str, text: str) -> Signature:
    """Make a file in one step.

    Args:
        path: its absolute path; its folder has to exist.
        text: see :func:`replace`.

    Returns:
        What the file has now.

    Raises:
        FileTrouble: it exists, or cannot be made.
    """

    def put(temporary: str, descriptor: int) -> None:
        mask = os.umask(0o077)
        os.umask(mask)
        os.fchmod(descriptor, 0o666 & ~mask)
        os.link(temporary, path)  # unlike a rename, it fails where there is something
        Path(temporary).unlink()

    return _write(path, text, put)


def _write(path: str, text: str, put: Callable[[str, int], None]) -> Signature:
    """Write a temporary file beside a file, and have it put in its place."""
    import tempfile

    folder, name = os.path.split(path)
    try:
        descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=f".{name[:50]}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(text.encode())
                file.flush()
                os.fsync(descriptor)
                written = _signature(os.fstat(descriptor))  # not later: an editor may save into it once it is there
                put(temporary, descriptor)
                return written
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except FileExistsError:
        raise FileTrouble(f"{path} exists, so it was not made.") from None
    except UnicodeEncodeError:
        raise FileTrouble(f"{path} was not written: what the site has sent is no text.") from None
    except OSError as error:
        raise FileTrouble(f"{path} cannot be written: {error.strerror}.") from None
