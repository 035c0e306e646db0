"""What of a request goes on to the site, and what of its answer comes back (pure).

The address here has a secret in its path, ``/{secret}/api/kernels``. It is there because some of Jupyter's programs
send no credential with a websocket, and others put theirs into the query: all of them keep the path. The secret is
good for this machine and for one run; the user's own token is added to what goes to the site, and stands nowhere else.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from urllib.parse import urlsplit

Headers = list[tuple[str, str]]

#: Fields of one connection (RFC 9110 section 7.6.1), and those of a handshake (RFC 6455), which each side makes itself.
_OF_CONNECTION = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
        "transfer-encoding", "upgrade", "sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions",
        "sec-websocket-protocol", "sec-websocket-accept", "expect"
    }
)  # fmt: skip
#: What says who asks, or from which page: the token says it.
_OF_CLIENT = frozenset({"host", "authorization", "cookie", "origin", "referer", "x-xsrftoken"})
#: Parameter of a query in which Jupyter's programs send what they take for a token of the server.
_TOKEN_PARAMETER = "token"  # noqa: S105 - its name only


def below(target: str, secret: str) -> str | None:
    """Return what a request asks for below the user's notebooks, or None where it does not have the secret.

    The parameter ``token`` is left out of the query: it is for a Jupyter server that checks it, and the site takes no
    credential from an address. All else stays as it is spelled.

    Args:
        target: path and query as they came.
        secret: first segment of the path.
    """
    path, mark, query = target.partition("?")
    first, slash, rest = path.removeprefix("/").partition("/")
    if not path.startswith("/") or not slash or not hmac.compare_digest(first.encode(), secret.encode()):
        return None
    kept = [pair for pair in query.split("&") if pair.partition("=")[0] != _TOKEN_PARAMETER]
    return f"{rest}?{'&'.join(kept)}" if mark and kept else rest


def to_site(headers: Iterable[tuple[str, str]], token: str) -> Headers:
    """Return the header fields that go to the site.

    Args:
        headers: what the program sent.
        token: of the user.
    """
    kept = [(name, value) for name, value in headers if name.lower() not in _OF_CONNECTION | _OF_CLIENT]
    return [*kept, ("Authorization", f"Bearer {token}")]


def from_site(headers: Iterable[tuple[str, str]], notebooks: str, here: str) -> Headers:
    """Return the header fields that the program gets: without cookies, and with addresses that are here.

    Args:
        headers: what the site sent.
        notebooks: address of the user's notebooks there, with a slash at its end.
        here: the address that stands for it, with a slash at its end.
    """
    kept = [(name, value) for name, value in headers if name.lower() not in _OF_CONNECTION | {"set-cookie"}]
    return [(name, _moved(value, notebooks, here) if name.lower() == "location" else value) for name, value in kept]


def _moved(location: str, notebooks: str, here: str) -> str:
    """Return a ``Location`` (RFC 9110 section 10.2.2) as it is here; what lies elsewhere on the site stays as it is."""
    path = urlsplit(notebooks).path
    for start in (notebooks, path):
        if location.startswith(start):
            return urlsplit(here).path + location.removeprefix(start)
    return location
