"""Compressed variants of static files, kept on disk: made ahead of requests, found by name."""

from __future__ import annotations

import fcntl
import gzip
import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..errors import UnsafePath

COMPRESSIBLE = frozenset(
    {".css", ".eot", ".js", ".json", ".map", ".md", ".mjs", ".otf", ".svg", ".ttf", ".txt", ".wasm"}
)
_SMALLEST = 1024
_SEGMENT = re.compile(r"[^./\\\x00-\x1f\x7f%][^/\\\x00-\x1f\x7f%]*")
_GZIP_ACCEPTED = re.compile(
    r"(?:^|,)\s*(?:x-)?gzip\s*(?:;\s*q=(?:1(?:\.0*)?|0?\.0*[1-9][0-9]*)\s*)?(?:,|$)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class StaticFolder:
    """One folder of static files.

    Attributes:
        url: URL path below a user's base URL, with a slash at the end.
        place: the folder, without links in its path.
        variants: the folder for its compressed variants.
    """

    url: str
    place: Path
    variants: Path

    def open(self, relative: str) -> BinaryIO | None:
        """Open a plain file that really lies within the folder, or return None.

        Args:
            relative: URL path below `url`. Hidden names, `..`, and links that lead out of the folder find nothing.
        """
        if not all(_SEGMENT.fullmatch(segment) for segment in relative.split("/")):
            return None
        try:
            path = (self.place / relative).resolve(strict=True)
            if not path.is_relative_to(self.place):
                return None
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, ValueError, RuntimeError):
            return None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            return None
        return os.fdopen(descriptor, "rb")

    def variant(self, relative: str, tag: str) -> Path:
        """Return where the variant of a file is; with its tag in the name, that of an older file is never found."""
        return self.variants / f"{relative}.{tag}.gz"


def tag_of(status: os.stat_result) -> str:
    """Return what changes whenever a file is replaced."""
    return f"{status.st_mtime_ns:x}-{status.st_size:x}"


def accepts_gzip(accept_encoding: str) -> bool:
    """Tell whether an `Accept-Encoding` names gzip with a weight above 0 (RFC 9110 section 12.5.3)."""
    return _GZIP_ACCEPTED.search(accept_encoding) is not None


def make_private(folder: Path) -> None:
    """Make a folder that only we can write to.

    Raises:
        UnsafePath: it is a link, belongs to somebody else or others may write to it.
    """
    for missing in reversed([place for place in (folder, *folder.parents) if not place.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise UnsafePath(f"{folder} must be a folder that only its owner, the user of the site, can write to.")


def compress_all(cache: Path, folders: list[StaticFolder]) -> int:
    """Write the variants that are missing, one process at a time; where another one is at it, return at once.

    Args:
        cache: folder of the lock.
        folders: what to compress.

    Returns:
        How many variants were written.
    """
    with (cache / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        return sum(_compress(folder, relative) for folder in folders for relative in _candidates(folder))


def _candidates(folder: StaticFolder) -> Iterator[str]:
    for place, _folders, names in os.walk(folder.place):
        for name in names:
            path = Path(place, name)
            if path.suffix.lower() in COMPRESSIBLE:
                yield path.relative_to(folder.place).as_posix()


def _compress(folder: StaticFolder, relative: str) -> bool:
    source = folder.open(relative)
    if source is None:
        return False
    with source:
        status = os.fstat(source.fileno())
        variant = folder.variant(relative, tag_of(status))
        if status.st_size < _SMALLEST or variant.exists():
            return False
        data = gzip.compress(source.read(), compresslevel=6, mtime=0)
    variant.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = variant.with_name(f"{variant.name}.{os.getpid()}")
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as target:
            target.write(data)
        unfinished.replace(variant)
    except OSError:
        with suppress(OSError):
            unfinished.unlink()
        raise
    return True
