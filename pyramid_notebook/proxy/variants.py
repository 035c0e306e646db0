"""Compressed variants of static files, kept on disk: made ahead of requests, found by name."""

from __future__ import annotations

import fcntl
import gzip
import os
import re
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from ..errors import UnsafePath

COMPRESSIBLE = frozenset(
    {".css", ".eot", ".js", ".json", ".map", ".md", ".mjs", ".otf", ".svg", ".ttf", ".txt", ".wasm"}
)
GZIP, BROTLI = "gzip", "br"
#: What pages load much of. The other types are fonts of browsers of the past (``.svg`` as well), and texts.
_WORTH_BROTLI = frozenset({".css", ".js", ".json", ".mjs", ".wasm"})
#: 11 takes twice the time of 10 for 2 % less of what a page loads; gzip needs 19 % more.
_QUALITY = 10
_LOWEST_PRIORITY = 19
_SMALLEST = 1024
_SEGMENT = re.compile(r"[^./\\\x00-\x1f\x7f%][^/\\\x00-\x1f\x7f%]*")
_ACCEPTED = re.compile(
    r"(?:^|,)[ \t]*(?:(br)|(?:x-)?gzip)[ \t]*(?:;[ \t]*q=(1(?:\.0*)?|0?\.0*[1-9][0-9]*)[ \t]*)?(?=,|$)", re.IGNORECASE
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
            path = _resolved(self.place, relative)
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, ValueError, RuntimeError):
            return None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            return None
        return os.fdopen(descriptor, "rb")

    def variant(self, relative: str, tag: str, coding: str) -> Path:
        """Return where the variant of a file is; with its tag in the name, that of an older file is never found."""
        return self.variants / f"{relative}.{tag}{_CODINGS[coding].ending}"


@dataclass(frozen=True, slots=True)
class _Coding:
    ending: str
    suffixes: frozenset[str]
    compress: Callable[[bytes], bytes]


@lru_cache(maxsize=4096)  # errors are not kept
def _resolved(place: Path, relative: str) -> str:
    path = (place / relative).resolve(strict=True)
    if not path.is_relative_to(place):
        raise ValueError(relative)
    return str(path)


def tag_of(status: os.stat_result) -> str:
    """Return what changes whenever a file is replaced."""
    return f"{status.st_mtime_ns:x}-{status.st_size:x}"


def accepted_codings(accept_encoding: str) -> tuple[str, ...]:
    """Return which of our codings an `Accept-Encoding` names with a weight above 0 (RFC 9110 section 12.5.3).

    Args:
        accept_encoding: what the client can read.

    Returns:
        :data:`BROTLI`, :data:`GZIP`, both or none; by weight, and brotli first where they weigh the same.
    """
    weights: dict[str, float] = {}
    for brotli, weight in _ACCEPTED.findall(accept_encoding):
        coding = BROTLI if brotli else GZIP
        weights[coding] = max(weights.get(coding, 0.0), float(weight or 1))
    if weights.get(GZIP, 0.0) > weights.get(BROTLI, 0.0):
        return (GZIP, BROTLI) if BROTLI in weights else (GZIP,)
    return tuple(coding for coding in (BROTLI, GZIP) if coding in weights)


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


def compress_all(cache: Path, folders: Iterable[StaticFolder]) -> int:
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
        # small ones first, so that most files are soon there
        files = sorted((found for folder in folders for found in _candidates(folder)), key=lambda found: found[0])
        return _compress_files(files, GZIP) + _without_haste(lambda: _compress_files(files, BROTLI))


def _candidates(folder: StaticFolder) -> Iterator[tuple[int, StaticFolder, str]]:
    for place, _folders, names in os.walk(folder.place):
        for name in names:
            path = Path(place, name)
            if path.suffix.lower() in COMPRESSIBLE:
                with suppress(OSError):
                    yield path.stat().st_size, folder, path.relative_to(folder.place).as_posix()


def _without_haste(work: Callable[[], int]) -> int:
    """Do what takes long in a thread that leaves the processor to all others; return its result, or raise its error."""
    result: Future[int] = Future()

    def run() -> None:
        try:
            with suppress(OSError):  # Linux has priorities of threads, and not everybody may change them
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)
            result.set_result(work())
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=run, name="notebook-static", daemon=True).start()
    return result.result()


def _compress_files(files: Iterable[tuple[int, StaticFolder, str]], coding: str) -> int:
    suffixes = _CODINGS[coding].suffixes
    return sum(
        _compress(folder, relative, coding)
        for size, folder, relative in files
        if size >= _SMALLEST and PurePosixPath(relative).suffix.lower() in suffixes
    )


def _compress(folder: StaticFolder, relative: str, coding: str) -> bool:
    source = folder.open(relative)
    if source is None:
        return False
    with source:
        variant = folder.variant(relative, tag_of(os.fstat(source.fileno())), coding)
        if variant.exists():
            return False
        data = _CODINGS[coding].compress(source.read())
    _write(variant, data)
    return True


def _write(variant: Path, data: bytes) -> None:
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


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, compresslevel=6, mtime=0)


def _brotli(data: bytes) -> bytes:
    import brotli

    return bytes(brotli.compress(data, quality=_QUALITY))


_CODINGS = {
    GZIP: _Coding(".gz", COMPRESSIBLE, _gzip),
    BROTLI: _Coding(".br", _WORTH_BROTLI, _brotli),
}
