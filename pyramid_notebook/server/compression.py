"""The table of all settings, 159 KB of JSON that each load of a page asks for, is sent compressed.

Nothing else of a user server is. The length of what was compressed tells a secret to whoever can put text of their own
beside it (the attack BREACH); this answer repeats nothing of its request.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from jupyter_server.utils import url_path_join
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import Application, GZipContentEncoding

_GZIP = re.compile(r"(?:^|,)[ \t]*gzip[ \t]*(?:;[ \t]*q=(?:1(?:\.0*)?|0?\.0*[1-9][0-9]*)[ \t]*)?(?:,|$)", re.IGNORECASE)


class _SettingsEncoding(GZipContentEncoding):
    def __init__(self, request: HTTPServerRequest, *, path: str) -> None:
        super().__init__(request)
        self._is_of_settings = request.method == "GET" and request.path in (path, f"{path}/")
        accepted = request.headers.get("Accept-Encoding", "")
        self._gzipping = self._is_of_settings and _GZIP.search(accepted) is not None

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        if not self._is_of_settings or status_code not in (200, 304):  # errors may repeat what was asked
            self._gzipping = False
            return status_code, headers, chunk
        if "Etag" in headers:
            headers["Etag"] = "W/" + headers["Etag"].removeprefix("W/")  # one for both codings (RFC 9110 section 8.8.1)
        return super().transform_first_chunk(status_code, headers, chunk, finishing)


def compress_settings(application: Application, base_url: str) -> None:
    """Have the answer with all settings sent with gzip to who accepts it (RFC 9110 section 12.5.3).

    Args:
        application: of the user server.
        base_url: its base URL.
    """
    encoding: Any = partial(_SettingsEncoding, path=url_path_join(base_url, "lab/api/settings"))
    application.add_transform(encoding)
