"""Calls of notebooks of a user server, by the site itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from uuid import UUID

from ..errors import CallError, CallTimeout, ResultTooLarge, UpstreamTimeout
from ..proxy.headers import Headers
from ..proxy.upstream import exchange
from ..record import SECRET_HEADER, TOKEN_HEADER, ServerRecord
from .problems import is_problem, raised

#: What stands for a token in calls of the site itself.
SITE = "the site"
#: Bytes that a result may have; the site has to hold it.
MOST_BYTES = 100_000_000


def call(record: ServerRecord, path: str, params: Mapping[str, Any], *, timeout: float) -> Any:
    """Call a notebook of a user, and return its value.

    Args:
        record: of the user's server.
        path: of the notebook, below the user's folder.
        params: by name; what JSON can say, and dates, times, UUIDs and decimal numbers.
        timeout: seconds that it may take.

    Returns:
        The value; the bytes where the notebook answers with a ``Response`` of another type than JSON.

    Raises:
        CallError: it returned nothing; the class says why.
        NoNotebook: there is no such notebook.
        UpstreamError: the user server did not answer.
        TypeError, ValueError: a parameter is nothing that JSON can say.
    """
    body = json.dumps(dict(params), default=_told, allow_nan=False).encode()
    fields = [
        *(("Host", "localhost"), ("Accept", "application/json"), ("Content-Type", "application/json")),
        ("Content-Length", str(len(body))),
    ]
    try:
        status, headers, content = send(record, "POST", path, fields=fields, body=body, timeout=timeout)
    except UpstreamTimeout:
        raise CallTimeout(f"The call took longer than {timeout:g} seconds, and was given up.") from None
    kind = next((value for name, value in headers if name.lower() == "content-type"), "").partition(";")[0]
    is_json = kind == "application/json" or kind.endswith("+json")
    try:
        told = json.loads(content) if is_json and content else None
    except ValueError:
        raise CallError("The notebook server answered with something else than the JSON that it promised.") from None
    if status >= 400:
        raise raised(told) if is_problem(told) else CallError(f"The notebook answered with the status {status}.")
    return told if is_json or not content else content


def send(
    record: ServerRecord,
    method: str,
    path: str,
    *,
    fields: Headers,
    query: str = "",
    body: bytes = b"",
    timeout: float,
) -> tuple[int, Headers, bytes]:
    """Send a request to a function of a user server in the name of the site; return status, fields and body.

    Args:
        record: of the user's server.
        method: HTTP method.
        path: of the notebook, below the user's folder.
        fields: header fields, ``Host`` and that of the body's length included.
        query: as it came.
        body: of the request.
        timeout: seconds of silence to bear.

    Raises:
        UpstreamError: the user server did not answer.
        ResultTooLarge: it answered with more than 100 MB.
    """
    answer = exchange(
        record,
        method,
        f"{record.base_url}restified/{quote(path)}{'?' if query else ''}{query}",
        headers=[*fields, (SECRET_HEADER, record.secret), (TOKEN_HEADER, SITE)],
        body=[body] if body else None,
        timeout=timeout,
    )
    content = bytearray()
    try:
        while block := answer.read():
            content += block
            if len(content) > MOST_BYTES:
                raise ResultTooLarge(f"The result has more than {MOST_BYTES} bytes.")
    finally:
        answer.close()
    return answer.status, answer.headers, bytes(content)


def _told(value: object) -> str:
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, (Decimal, UUID)):
        return str(value)
    raise TypeError(f"{type(value).__name__} is nothing that a parameter of a notebook can be.")
