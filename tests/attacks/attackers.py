"""What attackers send: requests and handshakes whose every byte is theirs."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterable, Mapping
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

from pyramid_notebook.scopes import parse_grants
from tests.door.sites import HANDSHAKE, Answer, SmallSite

Fields = Mapping[str, str] | Iterable[tuple[str, str]]
#: A tag and an attribute that no page of ours has; whoever reads a page as HTML must not find them.
MARKUP = "'\"><pnb-evil onevil=1>&lt;"
KERNEL = "5d0c1b6e-1111-4222-8333-444444444444"


def pairs(fields: Fields) -> list[tuple[str, str]]:
    return list(fields.items() if isinstance(fields, Mapping) else fields)


def head_of(method: str, target: str, fields: Fields) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in pairs(fields))]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def connect(port: int, *, seconds: float = 30) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=seconds)


def send(port: int, way: str, target: str, fields: Fields = (), *, method: str = "GET", body: bytes = b"") -> Answer:
    """Send exactly these fields, in this order and as often as they stand here; a missing Host is added.

    Args:
        port: of the site.
        way: ``http`` or ``websocket``, which adds the fields of a handshake and is always a GET.
        target: goes out as it is.
        fields: header fields.
        method: of an HTTP request.
        body: of an HTTP request.
    """
    sent = pairs(fields)
    if not any(name.lower() == "host" for name, _ in sent):
        sent.insert(0, ("Host", f"localhost:{port}"))
    if way == "websocket":
        method, body = "GET", b""
        sent += HANDSHAKE.items()
    if body or method in ("POST", "PUT", "PATCH"):
        sent.append(("Content-Length", str(len(body))))
    with connect(port) as connection:
        connection.sendall(head_of(method, target, sent) + body)
        return read_answer(connection, method)


def read_answer(connection: socket.socket, method: str = "GET") -> Answer:
    answer = http.client.HTTPResponse(connection, method=method)
    answer.begin()
    text = "" if answer.status == 101 else answer.read().decode()
    return Answer(answer.status, answer.headers, text)


def is_passed(answer: Answer, way: str) -> bool:
    return answer.status == (101 if way == "websocket" else 200)


def is_refused(answer: Answer) -> bool:
    """Tell whether an answer is a refusal, or a redirect to the site's own login page."""
    to_login = answer.status == 302 and answer.location.startswith("/login?next=")
    return to_login or answer.status in (400, 401, 403, 404)


def session_of(site: SmallSite, user: str) -> dict[str, str]:
    """Return what a page of the site sends for a user who is signed in."""
    return {"Origin": site.url, "X-User": quote(user)}


def bad_tokens(site: SmallSite, user: str) -> dict[str, dict[str, str]]:
    """Return the fields with which programs come that must not reach a user's server, by what is wrong with them."""
    grants = parse_grants("shell")
    _, expired = site.tokens.create(user, "expired", grants, 3600, now=time.time() - 7200)
    revoked = site.token(user)
    site.tokens.revoke(revoked.id, user)
    good = site.token(user)
    secrets = {
        "unknown": f"pnb_{'a' * 43}",
        "expired": expired,
        "revoked": revoked.secret,
        "of another user": site.token(f"{user}2").secret,
        "with nothing but a scope that fits nowhere here": site.token(user, "run:none/*.ipynb").secret,
        "its id": good.id,
        "cut": good.secret[:-1],
        "lengthened": f"{good.secret}a",
        "in another case": good.secret.swapcase(),
        "twice": f"{good.secret}, Bearer {good.secret}",
        "empty": "",
    }
    return {name: {"Authorization": f"Bearer {secret}"} for name, secret in secrets.items()}


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


def assert_harmless(page: str) -> None:
    """Check that nothing of :data:`MARKUP` became a tag or an attribute, and that no address is a script."""
    parser = _Tags()
    parser.feed(page)
    parser.close()
    assert "pnb-evil" not in parser.tags
    assert "onevil" not in {name for name, _ in parser.attributes}
    links = [value for name, value in parser.attributes if name in ("href", "src", "action", "formaction")]
    assert not [link for link in links if link.strip().lower().startswith(("javascript:", "data:", "//"))]


def hidden_values(page: str) -> list[str]:
    """Return the values of all fields of a page's forms, as a browser would send them."""
    parser = _Tags()
    parser.feed(page)
    parser.close()
    return [value for name, value in parser.attributes if name == "value"]


def untouched(server: Any) -> bool:
    """Tell whether a user server was not even connected to."""
    return bool(server.requests == [] and server._number == 0)
