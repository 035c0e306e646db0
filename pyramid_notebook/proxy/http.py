"""Passes one HTTP request on to the user server and its answer back, streaming both ways."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

from pyramid.httpexceptions import HTTPBadRequest
from pyramid.request import Request
from pyramid.response import Response

from ..record import ServerRecord
from ..settings import Settings
from .adaptors import hang_up
from .connection import BLOCK
from .headers import Headers, for_client, for_upstream, from_environ
from .passages import Passage
from .places import Places
from .target import raw_target
from .upstream import ClientBodyError, UpstreamAnswer, exchange

_FRAMING = frozenset({"content-length", "transfer-encoding"})


def forward(request: Request, record: ServerRecord, settings: Settings, places: Places, passage: Passage) -> Response:
    """Let the user server answer a request.

    The caller has authenticated, authorised and checked the origin of the request.

    Args:
        request: the request; its body is read from the web server block by block.
        record: the user server.
        settings: `proxy_timeout` bounds the seconds of silence.
        places: the user holds one until the answer is sent.
        passage: of the request; it is left when the answer is sent.

    Raises:
        UpstreamBusy: the user has no place left.
        UpstreamError: the user server didn't answer; nothing was sent to the client yet. Where it stops in the middle
            of a body, or the passage is ended, the answer's iterator raises, so that the web server breaks the
            client's connection.
    """
    with ExitStack() as until_sent:
        until_sent.callback(passage.leave)
        places.take(record.user)
        until_sent.callback(places.leave, record.user)
        body, framing = _request_body(request)
        try:
            answer = exchange(
                record,
                request.method,
                raw_target(request.environ),
                headers=[*upstream_headers(request, record, passage.token), *framing],
                body=body,
                chunked=("Transfer-Encoding", "chunked") in framing,
                timeout=settings.proxy_timeout,
                ends_by=passage.ends_by,
            )
        except ClientBodyError as error:
            return HTTPBadRequest(str(error))
        passage.hangs_up_by(partial(hang_up, request.environ))
        return UntouchedResponse(
            status=f"{answer.status} {printable(answer.reason)}",
            headerlist=for_client(_one_length(answer.headers), base_url=record.base_url),
            app_iter=AnswerBody(answer, until_sent.pop_all().close),
        )


def upstream_headers(request: Request, record: ServerRecord, token: str = "") -> Headers:
    """Return the header fields of a request for the user server, without those that frame its body.

    Args:
        request: the request.
        record: the user server.
        token: id of the token that let it pass; empty for one of the site's session.
    """
    passed = for_upstream(
        from_environ(request.environ),
        secret=record.secret,
        scheme=request.scheme,
        client=request.environ.get("REMOTE_ADDR") or "unknown",
        token=token,
    )
    fields = [(name, value) for name, value in passed if name.lower() not in _FRAMING]
    if not any(name == "Host" for name, _value in fields):
        fields.insert(0, ("Host", request.host))
    return fields


class UntouchedResponse(Response):  # type: ignore[misc]
    """A response whose header fields leave as they are; WebOb would make `Location` absolute, with a guessed scheme."""

    def __call__(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer as a WSGI application."""
        start_response(self.status, self.headerlist)
        return self.app_iter  # type: ignore[no-any-return]


class AnswerBody:
    """Body of an answer as a WSGI iterable: each block leaves as soon as it came (PEP 3333)."""

    def __init__(self, answer: UpstreamAnswer, done: Callable[[], None]) -> None:
        self._answer = answer
        self._done: Callable[[], None] | None = done

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        data = self._answer.read()
        if not data:
            raise StopIteration
        return data

    def close(self) -> None:
        """Let go of the user server's connection; the web server calls it when the client is served, or gone."""
        self._answer.close()
        done, self._done = self._done, None
        if done:
            done()

    __del__ = close  # for an answer that was replaced by another one on its way through the site


def printable(reason: str) -> str:
    """Return a reason phrase (RFC 9112 section 4) without what a web server would refuse to send."""
    return "".join(character for character in reason if " " <= character <= "~")


def _one_length(headers: Headers) -> Headers:
    """Drop a `Content-Length` that isn't the length of the body (RFC 9112 section 6.3)."""
    lengths = {value for name, value in headers if name.lower() == "content-length"}
    length = lengths.pop() if len(lengths) == 1 else ""
    chunked = any(name.lower() == "transfer-encoding" for name, _value in headers)
    others = [(name, value) for name, value in headers if name.lower() != "content-length"]
    return [*others, ("Content-Length", length)] if length.isdecimal() and not chunked else others


def _request_body(request: Request) -> tuple[Iterable[bytes] | None, Headers]:
    """Return the blocks of a request's body and the header field that tells where it ends."""
    environ = request.environ
    if request.is_body_seekable:
        request.body_file_raw.seek(0)
    length = str(environ.get("CONTENT_LENGTH") or "")
    if length.isdecimal():
        blocks = _blocks(environ["wsgi.input"], int(length)) if int(length) else None
        return blocks, [("Content-Length", length)]
    if environ.get("HTTP_TRANSFER_ENCODING") and environ.get("wsgi.input_terminated"):
        return _blocks(environ["wsgi.input"], None), [("Transfer-Encoding", "chunked")]
    return None, []


def _blocks(source: Any, length: int | None) -> Iterator[bytes]:
    left = BLOCK if length is None else length
    while left > 0:
        try:
            block = source.read(min(left, BLOCK))
        except (OSError, ValueError) as error:
            raise ClientBodyError("The body of the request broke off.") from error
        if not block:
            if length is None:
                return
            raise ClientBodyError("The body of the request is shorter than it said.")
        left -= len(block) if length is not None else 0
        yield block
