"""Which header fields pass the door, in which direction and in which form (pure).

The user server runs code of its user, and the browser may be anybody's: neither side may speak through the door in
the name of the site. So the rules are lists of what passes or what is dropped, and everything that we say ourselves is
added after the lists were applied.

Sources: RFC 9110 section 7.6.1 (hop-by-hop), RFC 6265 (cookies), RFC 6454 (origins), RFC 6455 section 4 (websocket).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ..record import SECRET_HEADER, TOKEN_HEADER

Headers = list[tuple[str, str]]

#: Fields that concern one connection only (RFC 9110 section 7.6.1, and what is still seen of older specifications).
HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "trailers",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
    }
)

#: Fields that every recipient needs, so that `Connection` cannot nominate them away.
_NEVER_NOMINATED = frozenset({"host", "origin", "referer", "cookie", "content-length", "content-type", "x-xsrftoken"})

#: How the names of our own fields begin.
OURS = "x-pyramid-notebook-"
#: What a client may not tell the user server: it would be a claim, or is a credential of the site.
NOT_UPSTREAM = frozenset(
    {
        "authorization",
        "cookie",
        "cookie2",
        "expect",
        "forwarded",
        "x-real-ip",
        "x-scheme",
        "x-forwarded",
        "x-client-ip",
        "x-csrf-token",
        "x-csrftoken",
    }
)
#: Fields with which a page identifies itself.
OF_BROWSERS = frozenset({"cookie", "origin", "referer", "x-xsrftoken"})
#: Upstream speaks for one user; these fields would speak for the whole origin of the site, or for its server. Some are
#: orders to a web server in front of the site, such as to answer with a file or an address that is internal.
NOT_TO_CLIENT = frozenset(
    {
        "service-worker-allowed",
        "server",
        "alt-svc",
        "clear-site-data",
        "strict-transport-security",
        "set-cookie2",
        "nel",
        "report-to",
        "reporting-endpoints",
        "x-accel-redirect",
        "x-accel-expires",
        "x-accel-charset",
        "x-accel-limit-rate",
        "x-sendfile",
        "x-sendfile2",
        "x-lighttpd-send-file",
        "x-litespeed-location",
        "x-reproxy-url",
    }
)

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_SAFE_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_COOKIE_VALUE = re.compile(r'("?)[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*\1')
_ORIGIN = re.compile(r"(https?)://([a-z0-9._~-]+|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def from_environ(environ: Mapping[str, object]) -> Headers:
    """Return the header fields of a WSGI request (PEP 3333), in the order of the environ."""
    headers: Headers = []
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            name = key[5:]
        elif key in {"CONTENT_TYPE", "CONTENT_LENGTH"} and value:
            name = key
        else:
            continue
        headers.append((name.replace("_", "-").title(), str(value)))
    return headers


def tokens(value: str) -> set[str]:
    """Return the members of a comma separated list such as `Connection`, in lower case."""
    return {item.strip().lower() for item in value.split(",")} - {""}


def is_upgrade(environ: Mapping[str, object]) -> bool:
    """Tell whether a WSGI request asks for a websocket (RFC 6455 section 4.1)."""
    return (
        environ.get("REQUEST_METHOD") == "GET"
        and "websocket" in tokens(str(environ.get("HTTP_UPGRADE", "")))
        and "upgrade" in tokens(str(environ.get("HTTP_CONNECTION", "")))
    )


def end_to_end(headers: Iterable[tuple[str, str]]) -> Headers:
    """Return the fields that are meant for the other end.

    Without hop-by-hop fields, those that `Connection` nominates, and those that could break the framing of a message.
    """
    fields = list(headers)
    dropped = set(HOP_BY_HOP)
    for name, value in fields:
        if name.lower() == "connection":
            dropped |= tokens(value) - _NEVER_NOMINATED
    return [
        (name, value)
        for name, value in fields
        if name.lower() not in dropped and _TOKEN.fullmatch(name) and _SAFE_VALUE.fullmatch(value)
    ]


def for_upstream(
    headers: Iterable[tuple[str, str]], *, secret: str, scheme: str, client: str, token: str = ""
) -> Headers:
    """Return the fields to send to the user server.

    `Host` and `Origin` stay as they came, because the user server compares them. Of the cookies only `_xsrf` passes.
    A request with a token has no browser behind it that a foreign page could misuse, so nothing of one passes.

    Args:
        headers: what the client sent.
        secret: per-launch secret that lets us in.
        scheme: `http` or `https`, as the site sees it.
        client: IP address of the client, as the site sees it.
        token: id of the token that let the request pass; empty for one of the site's session.
    """
    own = [("X-Forwarded-For", client), ("X-Forwarded-Proto", scheme), (SECRET_HEADER, secret)]
    if token:
        headers = [(name, value) for name, value in headers if name.lower() not in OF_BROWSERS]
        own.append((TOKEN_HEADER, token))
    fields = list(headers)
    passed = [(name, value) for name, value in end_to_end(fields) if not _is_claim(name.lower())]
    xsrf = _xsrf_cookie(value for name, value in fields if name.lower() == "cookie")
    if xsrf:
        passed.append(("Cookie", xsrf))
    return [*passed, *own]


def _is_claim(name: str) -> bool:
    """Tell whether a field of the client claims what only the door may say, or is a credential of the site."""
    plain = name.replace("_", "-")
    return plain in NOT_UPSTREAM or plain.startswith((OURS, "x-forwarded-"))


def _xsrf_cookie(cookies: Iterable[str]) -> str:
    """Return `_xsrf=value`, or nothing.

    Browsers send the cookie with the longest path first (RFC 6265 section 5.4), and Jupyter's page reads that one.
    Tornado takes the last, so a second `_xsrf` that somebody put at `/` must not reach it.
    """
    for pair in ";".join(cookies).split(";"):
        name, equals, value = pair.strip(" \t").partition("=")
        if name == "_xsrf" and equals and _COOKIE_VALUE.fullmatch(value):
            return f"_xsrf={value}"
    return ""


def for_client(headers: Iterable[tuple[str, str]], *, base_url: str) -> Headers:
    """Return the fields of the user server's answer that the client may see.

    Args:
        headers: what the user server sent.
        base_url: URL path of the user server with a slash at both ends; its cookies must stay within.
    """
    return [
        (name, value)
        for name, value in end_to_end(headers)
        if name.lower() not in NOT_TO_CLIENT
        and not name.lower().startswith(OURS)
        and (name.lower() != "set-cookie" or _stays_within(value, base_url))
    ]


#: Answers that have no body, whatever their length says (RFC 9110 section 6.4.1).
BODILESS = (204, 304)


def one_length(headers: Headers, status: int) -> Headers:
    """Drop a `Content-Length` that isn't the length of the body that follows (RFC 9112 section 6.3)."""
    lengths = {value for name, value in headers if name.lower() == "content-length"}
    length = lengths.pop() if len(lengths) == 1 else ""
    chunked = any(name.lower() == "transfer-encoding" for name, _value in headers)
    others = [(name, value) for name, value in headers if name.lower() != "content-length"]
    is_right = length.isdecimal() and not chunked and status not in BODILESS
    return [*others, ("Content-Length", length)] if is_right else others


def _stays_within(set_cookie: str, base_url: str) -> bool:
    """Tell whether a `Set-Cookie` has a name, no `Domain`, and only a `Path` within the base URL (RFC 6265 5.2)."""
    pair, *attributes = set_cookie.split(";")
    name, equals, _value = pair.strip().partition("=")
    parsed = [(key.strip().lower(), value.strip()) for key, _, value in (item.partition("=") for item in attributes)]
    paths = [value for key, value in parsed if key == "path"]
    return (
        bool(name.strip() and equals and paths)
        and all(key != "domain" for key, _value in parsed)
        and all(path == base_url.rstrip("/") != "" or path.startswith(base_url) for path in paths)
    )


def same_origin(origin: str | None, own: str) -> bool:
    """Tell whether a request's `Origin` is the site's own.

    Args:
        origin: the field as it came. It has to be spelled the way browsers do (RFC 6454 section 6.2: lower case,
            nothing but scheme, host and port), so `null`, user info, paths and lists never match.
        own: the site's own origin, such as `https://example.com:8443`; letter case and a default port don't matter.
    """
    theirs = _origin_parts(origin or "")
    return theirs is not None and theirs == _origin_parts(own.lower())


def _origin_parts(origin: str) -> tuple[str, str, int] | None:
    match = _ORIGIN.fullmatch(origin)
    if not match:
        return None
    scheme, host, port = match.groups()
    number = int(port) if port else _DEFAULT_PORTS[scheme]
    return (scheme, host, number) if number < 65536 else None


def websocket_response_head(headers: Iterable[tuple[str, str]], *, base_url: str) -> bytes:
    """Return the head of the 101 answer to the client, made from that of the user server (RFC 6455 section 4.2.2).

    Args:
        headers: fields of the user server's 101 answer; `Sec-WebSocket-*` stay as they came.
        base_url: see :func:`for_client`.
    """
    fields = for_client(headers, base_url=base_url)
    kept = [(name, value) for name, value in fields if name.lower() not in {"content-length", "content-type"}]
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
    lines += [f"{name}: {value}" for name, value in kept]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
