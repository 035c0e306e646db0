"""Passes one HTTP request on to the user server and its answer back, streaming both ways."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from pyramid.httpexceptions import HTTPBadRequest, HTTPLengthRequired, HTTPNotImplemented
from pyramid.request import Request
from pyramid.response import Response

from ..record import ServerRecord
from ..settings import Settings
from .adaptors import ClientHandle, handle_of
from .connection import BLOCK
from .headers import Headers, for_client, for_upstream, from_environ, one_length
from .passages import Passage
from .places import Places
from .target import raw_target
from .upstream import ClientBodyError, UpstreamAnswer, exchange

_FRAMING = frozenset({"content-length", "transfer-encoding"})


def forward(
    request: Request,
    record: ServerRecord,
    settings: Settings,
    places: Places,
    passage: Passage,
    *,
    ends_with_client: bool = False,
) -> Response:
    """Let the user server answer a request.

    The caller has authenticated, authorised and checked the origin of the request.

    Args:
        request: the request; its body is read from the web server block by block.
        record: the user server.
        settings: `proxy_timeout` bounds the seconds of silence.
        places: the user holds one until the answer is sent.
        passage: of the request; it is left when the answer is sent.
        ends_with_client: whether the user server is to stop when the client hangs up before there is an answer.

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
        handle = handle_of(request.environ)
        body, framing = _request_body(request, handle)
        if ends_with_client:
            passage.ends_with(handle.is_gone)
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
        passage.hangs_up_by(handle.hang_up)
        fields = for_client(one_length(answer.headers, answer.status), base_url=record.base_url)
        has_length = any(name.lower() == "content-length" for name, _value in fields)
        return UntouchedResponse(
            status=f"{answer.status} {printable(answer.reason)}",
            headerlist=fields,
            app_iter=AnswerBody(
                answer,
                until_sent.pop_all().close,
                None if has_length else handle.spoil,
                head_first=handle.sends_head and not has_length,
            ),
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
    """Body of an answer as a WSGI iterable: each block leaves as soon as it came (PEP 3333).

    Args:
        answer: of the user server.
        done: called when the body is sent, or never will be.
        spoil: called before an error that ends the body early, where the client could not tell.
        head_first: whether to begin with an empty block, so that the head need not wait for the body.
    """

    def __init__(
        self,
        answer: UpstreamAnswer,
        done: Callable[[], None],
        spoil: Callable[[], None] | None = None,
        *,
        head_first: bool = False,
    ) -> None:
        self._answer = answer
        self._done: Callable[[], None] | None = done
        self._spoil = spoil
        self._head_first = head_first

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._head_first:
            self._head_first = False
            return b""
        try:
            data = self._answer.read()
        except BaseException:
            if self._spoil:
                self._spoil()
            raise
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


def _request_body(request: Request, handle: ClientHandle) -> tuple[Iterable[bytes] | None, Headers]:
    """Return the blocks of a request's body and the header field that tells where it ends.

    Raises:
        HTTPNotImplemented: the body has another transfer coding than `chunked` (RFC 9112 section 6.1).
        HTTPLengthRequired: the web server does not hand on bodies without a length (RFC 9110 section 15.5.12).
    """
    environ = request.environ
    if request.is_body_seekable:
        request.body_file_raw.seek(0)
    length = str(environ.get("CONTENT_LENGTH") or "")
    coding = str(environ.get("HTTP_TRANSFER_ENCODING") or "").strip(" \t").lower()
    blocks: Iterator[bytes] | None
    if length.isdecimal():
        blocks = _blocks(handle.read or environ["wsgi.input"].read, int(length)) if int(length) else None
        framing = ("Content-Length", length)
    elif not coding:
        return None, []
    elif coding != "chunked":
        raise HTTPNotImplemented("The only transfer coding of a request that this site takes is chunked.")
    else:
        blocks = _chunks(environ, handle)
        framing = ("Transfer-Encoding", "chunked")
    if blocks is not None and handle.invite and environ.get("HTTP_EXPECT", "").lower() == "100-continue":
        handle.invite()
    return blocks, [framing]


def _blocks(read: Callable[[int], bytes], length: int) -> Iterator[bytes]:
    left = length
    while left > 0:
        with _client_errors():
            block = read(min(left, BLOCK))
        if not block:
            raise ClientBodyError("The body of the request is shorter than it said.")
        left -= len(block)
        yield block


def _chunks(environ: Mapping[str, Any], handle: ClientHandle) -> Iterator[bytes]:
    if handle.chunks:
        blocks = handle.chunks()
    elif environ.get("wsgi.input_terminated"):
        blocks = iter(partial(environ["wsgi.input"].read, BLOCK), b"")
    else:
        raise HTTPLengthRequired("The site's web server does not take a request without Content-Length.")
    return _understood(blocks)


def _understood(blocks: Iterator[bytes]) -> Iterator[bytes]:
    while True:
        with _client_errors():
            block = next(blocks, b"")
        if not block:
            return
        yield block


@contextmanager
def _client_errors() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # web servers have their own classes for what is wrong with chunks
        raise ClientBodyError("The body of the request broke off.") from error
