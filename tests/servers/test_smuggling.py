"""Nobody gets a second request past the door inside of another one, whatever the web server makes of its bytes.

Each case ends with a request that is never asked for openly; the user server must not see it (RFC 9112 sections 6 and
11.2). What the web server answers is its own affair, as long as it goes on serving others.
"""

from __future__ import annotations

from contextlib import suppress

import pytest

from .client import ask, connected
from .limits import limit
from .user_servers import UserServer
from .ways import Served

#: Seconds to wait for an answer that need not come.
_PATIENCE = 0.7
#: Name, the rest of a POST's head with its body; `{inner}` stands for the second request, `{length}` for its length.
_CASES = {
    "a length and chunks": "Content-Length: {length5}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{inner}",
    "chunks and a length": "Transfer-Encoding: chunked\r\nContent-Length: {length5}\r\n\r\n0\r\n\r\n{inner}",
    "two lengths": "Content-Length: {length}\r\nContent-Length: 0\r\n\r\n{inner}",
    "two lengths, the other way": "Content-Length: 0\r\nContent-Length: {length}\r\n\r\n{inner}",
    "a list of lengths": "Content-Length: {length}, 0\r\n\r\n{inner}",
    "a length with a sign": "Content-Length: +{length}\r\n\r\n{inner}",
    "a negative length": "Content-Length: -1\r\n\r\n{inner}",
    "a hexadecimal length": "Content-Length: 0x0\r\n\r\n{inner}",
    "a length with an underscore": "Content-Length: 1_0\r\n\r\n{inner}",
    "a length in other digits": "Content-Length: \xb2\r\n\r\n{inner}",
    "an unknown coding": "Transfer-Encoding: xchunked\r\nContent-Length: {length}\r\n\r\n{inner}",
    "an unknown coding alone": "Transfer-Encoding: xchunked\r\n\r\n{inner}",
    "a coding after a vertical tab":
        "Transfer-Encoding: \x0bchunked\r\nContent-Length: {length5}\r\n\r\n0\r\n\r\n{inner}",
    "two codings": "Transfer-Encoding: identity, chunked\r\nContent-Length: {length5}\r\n\r\n0\r\n\r\n{inner}",
    "chunked not last": "Transfer-Encoding: chunked, identity\r\nContent-Length: {length5}\r\n\r\n0\r\n\r\n{inner}",
    "chunked, and identity":
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\nContent-Length: 3\r\n\r\n0\r\n\r\n{inner}",
    "a space before the colon": "Content-Length: 0\r\nTransfer-Encoding : chunked\r\n\r\n{hex}\r\n{inner}\r\n0\r\n\r\n",
    "a space before the length's colon": "Content-Length : {length}\r\n\r\n{inner}",
    "a folded field": "X-A: 1\r\n Content-Length: {length}\r\n\r\n{inner}",
    "a folded length": "Content-Length:\r\n {length}\r\n\r\n{inner}",
    "a bare line feed in the head": "X-A: 1\nContent-Length: {length}\r\n\r\n{inner}",
    "a bare carriage return in the head": "X-A: 1\rContent-Length: {length}\r\n\r\n{inner}",
    "a null in a field": "X-A: a\x00b\r\nContent-Length: {length}\r\n\r\n{inner}",
    "an underscore for a hyphen": "Content_Length: {length}\r\nContent-Length: {length}\r\n\r\n{inner}",
    "a chunk size with a sign": "Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n{inner}",
    "a chunk size with 0x": "Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n{inner}",
    "a chunk size with an underscore": "Transfer-Encoding: chunked\r\n\r\n0_0\r\n\r\n{inner}",
    "a huge chunk size": "Transfer-Encoding: chunked\r\n\r\n1{zeros}5\r\n{inner}\r\n0\r\n\r\n",
    "a negative chunk size": "Transfer-Encoding: chunked\r\n\r\n-1\r\n{inner}",
    "a chunk extension with a bare line feed": "Transfer-Encoding: chunked\r\n\r\n2;\nxx\r\n{hex}\r\n0\r\n\r\n{inner}",
    "a chunk that is longer than it says": "Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n{inner}",
    "a chunk without its line end": "Transfer-Encoding: chunked\r\n\r\n1\r\na0\r\n\r\n{inner}",
}  # fmt: skip


#: Cases that a way reads as two requests, because of a limit.
_TWO_REQUESTS = {
    "a length and chunks": "the connection ends after a request with both a length and chunks",
    "chunks and a length": "the connection ends after a request with both a length and chunks",
    "a folded field": "a field that goes on in the next line is refused",
}


def sends(served: Served, place: str, rest: str) -> None:
    """Send a POST with another request in it, and take what comes back."""
    fields = "".join(f"{key}: {value}\r\n" for key, value in served.headers.items())
    inner = f"GET {served.base}{place} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n{fields}\r\n"
    length = len(inner)
    rest = rest.format(inner=inner, length=length, length5=length + 5, hex=f"{length:x}", zeros="0" * 16)
    with connected(served) as client:
        client.socket.settimeout(_PATIENCE)
        client.send(
            f"POST {served.base}echo HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n{fields}{rest}".encode("latin-1")
        )
        with suppress(TimeoutError):  # it waits for more
            client.rest()


@pytest.mark.parametrize("name", _CASES)
def test_a_request_within_another_one_never_reaches_the_user_server(
    served: Served, alice: UserServer, name: str
) -> None:
    place = f"smuggled/{served.way}/{list(_CASES).index(name)}"
    sends(served, place, _CASES[name])
    assert ask(served, "GET", "echo").status == 200
    known = name in _TWO_REQUESTS and limit(served.way, _TWO_REQUESTS[name])
    assert len(alice.seen(place)) == (1 if known else 0)


def test_a_request_that_openly_follows_another_one_does(served: Served, alice: UserServer) -> None:
    place = f"smuggled/{served.way}/openly"
    sends(served, place, "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{inner}")
    known = limit(served.way, "a connection may be used again")
    assert len(alice.seen(place)) == (0 if known else 1)
