"""One exchange with a user server, and one question to it."""

from __future__ import annotations

import json as json_module
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from urllib3 import HTTPHeaderDict
from urllib3.response import HTTPResponse
from urllib3.util import SKIP_HEADER

from ..errors import UpstreamError
from ..record import SECRET_HEADER, TOKEN_HEADER, ServerRecord
from .connection import BLOCK, UpstreamConnection, UpstreamPool, pool_of, understood

#: Methods that may be sent twice (RFC 9110 section 9.2.2).
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})

_MAX_ANSWER = 8 * 1024 * 1024

#: Takes what breaks a connection from another thread; None when there is nothing to break any more.
EndsBy = Callable[[Callable[[], None] | None], None]


def _never_ended(_end: Callable[[], None] | None) -> None:
    pass


class ClientBodyError(Exception):
    """The client did not send the body that it announced."""


class UpstreamAnswer:
    """The answer of a user server: head read, body still to come.

    Attributes:
        status: HTTP status code.
        reason: text beside it.
        headers: all header fields in the order they came.
    """

    def __init__(
        self,
        pool: UpstreamPool,
        connection: UpstreamConnection,
        response: HTTPResponse,
        timeout: float,
        ends_by: EndsBy,
    ) -> None:
        self.status = response.status
        self.reason = response.reason or ""
        self.headers = list(response.headers.items())
        self._pool = pool
        self._connection: UpstreamConnection | None = connection
        self._response = response
        self._timeout = timeout
        self._ends_by = ends_by

    def read(self) -> bytes:
        """Return what has come of the body, waiting for the first byte only; nothing at its end.

        Raises:
            UpstreamGone: the user server closed the connection before the end.
            UpstreamTimeout: it was silent for too long.
        """
        if self._connection is None:
            return b""
        try:
            with understood(self._timeout):
                data = self._response.read1(BLOCK, decode_content=False)
        except BaseException:
            self.close()
            raise
        if not data:
            connection, self._connection = self._connection, None
            self._ends_by(None)
            self._pool.give_back(connection)
        return data or b""

    def close(self) -> None:
        """Drop the connection unless the body was read to its end."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._ends_by(None)
            self._response.close()
            connection.close()


def exchange(
    record: ServerRecord,
    method: str,
    target: str,
    *,
    headers: Iterable[tuple[str, str]],
    body: Iterable[bytes] | None = None,
    chunked: bool = False,
    timeout: float,
    ends_by: EndsBy = _never_ended,
) -> UpstreamAnswer:
    """Send one request to a user server and return its answer with the body still to be read.

    Args:
        record: the user server.
        method: HTTP method.
        target: raw path and query.
        headers: all header fields, `Host` and `Content-Length` included.
        body: blocks of the body.
        chunked: send the body in chunks because its length isn't known.
        timeout: seconds of silence to bear.
        ends_by: gets what breaks the connection, from any thread, and None when it is not this exchange's any more.

    Raises:
        ClientBodyError: what `body` raises passes through.
        UpstreamGone: nothing listens, or it hung up.
        UpstreamTimeout: it was silent for too long.
        UpstreamError: its answer makes no sense.
    """
    fields = HTTPHeaderDict(headers)
    for name in ("Host", "Accept-Encoding", "User-Agent"):
        fields.setdefault(name, SKIP_HEADER)
    pool = pool_of(record)
    connection = pool.take()
    ends_by(connection.abort)
    may_repeat = connection.sock is not None and body is None and method in IDEMPOTENT
    send = partial(_send, method=method, target=target, fields=fields, body=body, chunked=chunked, timeout=timeout)
    with understood(timeout):
        try:
            response = send(connection)
        except ConnectionError:
            # The user server may have closed a kept connection while our request was on its way.
            if not may_repeat:
                raise
            connection = UpstreamConnection(record)
            ends_by(connection.abort)
            response = send(connection)
    if response.status < 200:
        connection.close()
        raise UpstreamError("Your notebook server switched the protocol without being asked to.")
    return UpstreamAnswer(pool, connection, response, timeout, ends_by)


def _send(
    connection: UpstreamConnection,
    *,
    method: str,
    target: str,
    fields: HTTPHeaderDict,
    body: Iterable[bytes] | None,
    chunked: bool,
    timeout: float,
) -> HTTPResponse:
    connection.timeout = timeout
    try:
        try:
            connection.request(
                method, target, body, fields, chunked=chunked, preload_content=False, decode_content=False
            )
        except (BrokenPipeError, ConnectionResetError):
            # The user server may have answered (413, say) without reading the body to its end.
            if body is None:
                raise
        return connection.getresponse()
    except BaseException:
        connection.close()
        raise


def ask(
    record: ServerRecord, method: str, path: str, *, json: Any = None, timeout: float, token: str = ""
) -> tuple[int, Any]:
    """Ask a user server something in the name of the door itself, not of a request.

    Args:
        record: the user server.
        method: HTTP method.
        path: whole URL path, base URL included.
        json: what to send as JSON, or None.
        timeout: seconds of silence to bear.
        token: what stands for a token where the address is one for programs; empty where it is the door's own.

    Returns:
        The status, and the parsed JSON of the answer or None where it is no JSON.

    Raises:
        UpstreamError: as :func:`exchange` does, or the answer is larger than 8 MB.
    """
    headers = [("Host", "localhost"), (SECRET_HEADER, record.secret), ("Accept", "application/json")]
    headers += [(TOKEN_HEADER, token)] if token else []
    body = None
    if json is not None:
        data = json_module.dumps(json).encode()
        body = [data]
        headers += [("Content-Type", "application/json"), ("Content-Length", str(len(data)))]
    answer = exchange(record, method, path, headers=headers, body=body, timeout=timeout)
    try:
        content = bytearray()
        while block := answer.read():
            content += block
            if len(content) > _MAX_ANSWER:
                raise UpstreamError("Your notebook server sent an answer that is too long.")
    finally:
        answer.close()
    try:
        return answer.status, json_module.loads(content)
    except ValueError:
        return answer.status, None
