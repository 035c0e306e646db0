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
from typing import BinaryIO

from jupyter_core.paths import jupyter_path
from pyramid.request import Request
from pyramid.response import Response

from .variants import COMPRESSIBLE, StaticFolder, accepts_gzip, compress_all, make_private, tag_of

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


class StaticFiles:
    """Static files of Notebook, JupyterLab and the lab extensions.

    Args:
        cache_folder: where compressed variants are kept, below `{package}-{version}/`; made with mode 0700.
        extensions: more folders of lab extensions, searched first.

    Raises:
        UnsafePath: others could write to the cache folder.
    """

    def __init__(
        self, cache_folder: str | os.PathLike[str], extensions: Iterable[str | os.PathLike[str]] = ()
    ) -> None:
        self._cache = Path(cache_folder)
        make_private(self._cache)
        self._folders = list(_find_folders(self._cache, extensions))

    def respond(self, request: Request, below_base: str) -> Response | None:
        """Return the answer to a request for a static file, or None where the user server has to answer.

        Args:
            request: its method, conditions and ranges are honoured.
            below_base: URL path below the user's base URL, such as `static/notebook/main.js`.
        """
        name = PurePosixPath(below_base)
        if request.method not in {"GET", "HEAD"} or name.suffix.lower() not in _TYPES:
            return None
        for folder in self._folders:
            if below_base.startswith(folder.url):
                relative = below_base.removeprefix(folder.url)
                source = folder.open(relative)
                if source is not None:
                    return _respond(request, folder, relative, source)
        return None

    def compress(self) -> int:
        """Write the compressed variants that are missing, and return how many that were; may take seconds.

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


def _respond(request: Request, folder: StaticFolder, relative: str, source: BinaryIO) -> Response:
    status = os.fstat(source.fileno())
    tag, suffix = tag_of(status), PurePosixPath(relative).suffix.lower()
    headers = [
        ("Content-Type", _TYPES[suffix]),
        ("X-Content-Type-Options", "nosniff"),
        ("Cache-Control", _FOR_EVER if _never_changes(request, relative) else "private, no-cache"),
        ("Last-Modified", formatdate(status.st_mtime, usegmt=True)),
        ("Accept-Ranges", "bytes"),
    ]
    if suffix in COMPRESSIBLE:
        headers.append(("Vary", "Accept-Encoding"))
        # A range is of the file itself, so that a download that was broken off can go on in any case.
        if accepts_gzip(request.headers.get("Accept-Encoding", "")) and "Range" not in request.headers:
            compressed = _open_variant(folder.variant(relative, tag))
            if compressed is not None:
                source.close()
                source, tag = compressed, f"{tag}-gzip"
                headers.append(("Content-Encoding", "gzip"))
    length = os.fstat(source.fileno()).st_size
    headers += [("ETag", f'"{tag}"'), ("Content-Length", str(length))]
    return Response(headerlist=headers, app_iter=_FileBody(source, length), conditional_response=True)


def _never_changes(request: Request, relative: str) -> bool:
    """Tell whether the address names the content: by a hash in the file's name or by Jupyter's `?v=hash`."""
    return bool(_CONTENT_HASH.search(PurePosixPath(relative).name) or request.GET.get("v"))


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
