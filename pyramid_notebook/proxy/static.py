"""Serves Notebook's static files from the door: they are the same for all users.

A file that isn't found here, or is no plain file within its folder, is left to the user server.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import sys
import threading
from collections.abc import Iterable, Iterator
from email.utils import formatdate
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from jupyter_core.paths import jupyter_path
from pyramid.request import Request
from pyramid.response import Response

from .variants import COMPRESSIBLE, StaticFolder, accepted_codings, compress_all, make_private, tag_of

_BLOCK = 256 * 1024
_FOR_EVER = "private, max-age=31536000, immutable"
_CONTENT_HASH = re.compile(r"(?:^|[.-])[0-9a-f]{16,64}\.")
#: Types of the files in these packages. Pages aren't among them: the user server knows their policies.
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".eot": "application/vnd.ms-fontobject",
    ".gif": "image/gif",
    ".ico": "image/vnd.microsoft.icon",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".otf": "font/otf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
}
_LOG = logging.getLogger(__name__)


class StaticFile(NamedTuple):
    """A file that is open.

    Attributes:
        headers: of the answer that holds all of it.
        source: the file; whoever gets it closes it.
        length: its bytes.
    """

    headers: list[tuple[str, str]]
    source: BinaryIO
    length: int


class StaticFiles:
    """Static files of Notebook, JupyterLab and the lab extensions.

    Args:
        cache_folder: where compressed variants are kept, below `{package}-{version}/`; made with mode 0700.
        extensions: more folders of lab extensions, searched first.

    Raises:
        UnsafePath: others could write to the cache folder.
    """

    def __init__(self, cache_folder: str | os.PathLike[str], extensions: Iterable[str | os.PathLike[str]] = ()) -> None:
        self._cache = Path(cache_folder)
        make_private(self._cache)
        self._folders = list(_find_folders(self._cache, extensions))

    def respond(self, request: Request, below_base: str) -> Response | None:
        """Return the answer to a request for a static file, or None where the user server has to answer.

        Args:
            request: its method, conditions and ranges are honoured.
            below_base: URL path below the user's base URL, such as `static/notebook/main.js`.
        """
        if request.method not in {"GET", "HEAD"}:
            return None
        # a range is of the file itself, so that a download that was broken off can go on in any case
        accepted = "" if "Range" in request.headers else request.headers.get("Accept-Encoding", "")
        found = self.find(below_base, accept_encoding=accepted, has_version=bool(request.GET.get("v")))
        if found is None:
            return None
        body = _FileBody(found.source, found.length)
        return Response(headerlist=found.headers, app_iter=body, conditional_response=True)

    def find(self, below_base: str, *, accept_encoding: str, has_version: bool) -> StaticFile | None:
        """Open a static file, or return None where the user server has to answer.

        Args:
            below_base: URL path below the user's base URL, such as `static/notebook/main.js`.
            accept_encoding: what the client can read (RFC 9110 section 12.5.3).
            has_version: whether the query names the version of the file, as Jupyter does by `?v=hash`.
        """
        suffix = PurePosixPath(below_base).suffix.lower()
        if suffix not in _TYPES:
            return None
        for folder in self._folders:
            if below_base.startswith(folder.url):
                relative = below_base.removeprefix(folder.url)
                source = folder.open(relative)
                if source is not None:
                    return _found(folder, relative, suffix, source, accept_encoding, has_version=has_version)
        return None

    def compress(self) -> int:
        """Write the compressed variants that are missing, and return how many that were; may take half a minute.

        One process does the work: where another one is at it, this returns at once.
        """
        return compress_all(self._cache, self._folders)

    def compress_in_background(self) -> threading.Thread:
        """Run :meth:`compress` in a thread that doesn't keep the process alive, and return the thread."""
        thread = threading.Thread(target=self._compress_or_log, name="notebook-static", daemon=True)
        thread.start()
        return thread

    def _compress_or_log(self) -> None:
        try:
            self.compress()
        except OSError as error:
            _LOG.warning("Static files are served uncompressed: %s", error)


def _find_folders(cache: Path, extensions: Iterable[str | os.PathLike[str]]) -> Iterator[StaticFolder]:
    spec = find_spec("notebook")
    packages = (spec and spec.submodule_search_locations) or ()
    yield from _package("notebook", "notebook", packages, cache)
    yield from _package("jupyterlab", "lab", [f"{sys.prefix}/share/jupyter/lab", *jupyter_path("lab")], cache)
    for folder in (*extensions, *jupyter_path("labextensions")):
        place = Path(folder)
        if place.is_dir():
            name = hashlib.sha256(os.fsencode(place.resolve())).hexdigest()[:16]
            yield StaticFolder("lab/extensions/", place.resolve(), cache / f"labextensions-{name}")


def _package(package: str, url: str, places: Iterable[str], cache: Path) -> Iterator[StaticFolder]:
    for place in places:
        static = Path(place, "static")
        if static.is_dir():
            try:
                variants = cache / f"{package}-{version(package)}"
            except PackageNotFoundError:
                variants = cache / package
            yield StaticFolder(f"static/{url}/", static.resolve(), variants)
            return


def _found(
    folder: StaticFolder, relative: str, suffix: str, source: BinaryIO, accept_encoding: str, *, has_version: bool
) -> StaticFile:
    status = os.fstat(source.fileno())
    tag, length = tag_of(status), status.st_size
    names_content = has_version or _CONTENT_HASH.search(PurePosixPath(relative).name)
    headers = [
        ("Content-Type", _TYPES[suffix]),
        ("X-Content-Type-Options", "nosniff"),
        ("Cache-Control", _FOR_EVER if names_content else "private, no-cache"),
        ("Last-Modified", formatdate(status.st_mtime, usegmt=True)),
        ("Accept-Ranges", "bytes"),
    ]
    if suffix in COMPRESSIBLE:
        headers.append(("Vary", "Accept-Encoding"))
        for coding in accepted_codings(accept_encoding):
            compressed = _open_variant(folder.variant(relative, tag, coding))
            if compressed is not None:
                source.close()
                source, tag = compressed, f"{tag}-{coding}"
                length = os.fstat(source.fileno()).st_size
                headers.append(("Content-Encoding", coding))
                break
    return StaticFile([*headers, ("ETag", f'"{tag}"'), ("Content-Length", str(length))], source, length)


def _open_variant(path: Path) -> BinaryIO | None:
    try:
        return path.open("rb")
    except OSError:
        return None


class _FileBody:
    """Part of an open file as a WSGI iterable; WebOb asks it for ranges."""

    def __init__(self, source: BinaryIO, length: int) -> None:
        self._source = source
        self._left = length

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        data = self._source.read(min(_BLOCK, self._left))
        if not data:
            raise StopIteration
        self._left -= len(data)
        return data

    def app_iter_range(self, start: int, stop: int) -> _FileBody:
        self._source.seek(start)
        return _FileBody(self._source, stop - start)

    def close(self) -> None:
        self._source.close()
