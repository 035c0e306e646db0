"""The request target that goes upstream: as it came, as long as it is what was authorised (pure).

Views decide on the decoded path (`SCRIPT_NAME` and `PATH_INFO`), the user server reads the raw one. The two may differ
where the web server or something before it normalises paths; then the decoded one counts and is quoted anew.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote_to_bytes

#: What may stand in a path besides letters and digits (RFC 3986 section 3.3).
_PATH_CHARACTERS = "/~!$&'()*+,;=:@-._"
_ABSOLUTE_FORM = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
_NOT_IN_TARGET = re.compile(r"[^\x21-\x7e]")


def raw_target(environ: Mapping[str, object]) -> str:
    """Return path and query for the request line upstream.

    Args:
        environ: WSGI environ; the raw target is `REQUEST_URI` in waitress and uWSGI, `RAW_URI` in gunicorn, and under
            ASGI in the scope that a2wsgi hands on.
    """
    authorised = str(environ.get("SCRIPT_NAME", "")) + str(environ.get("PATH_INFO", ""))
    scope = environ.get("asgi.scope")
    raw = scope_target(scope) if isinstance(scope, dict) else ""
    raw = raw or str(environ.get("RAW_URI") or environ.get("REQUEST_URI") or "")
    raw = _ABSOLUTE_FORM.sub("", raw, count=1) if not raw.startswith("/") else raw
    path, question, query = raw.partition("#")[0].partition("?")
    if unquote_to_bytes(path.encode("latin-1", "replace")).decode("latin-1") != authorised or path[:1] != "/":
        path = quote(authorised.encode("latin-1"), safe=_PATH_CHARACTERS)
        query = str(environ.get("QUERY_STRING", ""))
        question = "?" if query else ""
    return _NOT_IN_TARGET.sub(_quoted, path + question + query)


def scope_target(scope: Mapping[str, Any]) -> str:
    """Return path and query of a request as they came (ASGI, "HTTP Connection Scope")."""
    path = (scope.get("raw_path") or b"").decode("latin-1")
    query = scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


def _quoted(match: re.Match[str]) -> str:
    return quote(match.group().encode("latin-1", "replace"), safe="")
