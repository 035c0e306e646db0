"""What nginx and the door say to each other, where nginx passes requests on by itself.

nginx asks the door about each request (``auth_request``), with a key that only its configuration has, and passes it on
where the door says so. All else it leaves to the site: it is never wrong to say no here, only slower. So what nginx
could not pass on in exactly the form that :mod:`.headers` and :mod:`.target` give it is not granted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from secrets import compare_digest, token_urlsafe
from typing import Any
from urllib.parse import unquote_to_bytes

from ..files import locked, private_folder, read_private, write_private
from ..record import LEASE_HEADER, SECRET_HEADER, TOKEN_HEADER, ServerRecord
from .crossing import CROSSING, Crossing, Grant
from .headers import OURS, Headers, is_upgrade
from .target import raw_target

#: Field with the key; and those in which nginx tells what the client sent to it, or what became of a grant.
GATE_HEADER = "X-Pyramid-Notebook-Gate"
METHOD_HEADER, TARGET_HEADER = "X-Original-Method", "X-Original-Target"
UPGRADE_HEADER, CONNECTION_HEADER, BODY_HEADER = "X-Original-Upgrade", "X-Original-Connection", "X-Original-Body"
FAILURE_HEADER, FILE_HEADER = "X-Original-Failure", "X-Original-File"
ASKING = (
    *(GATE_HEADER, METHOD_HEADER, TARGET_HEADER, UPGRADE_HEADER, CONNECTION_HEADER, BODY_HEADER, FAILURE_HEADER),
    FILE_HEADER,
)
#: Fields in which the door answers, beside secret, token and lease.
UPSTREAM_HEADER, BASE_HEADER = "X-Pyramid-Notebook-Upstream", "X-Pyramid-Notebook-Base"
SCHEME_HEADER, CLIENT_HEADER = "X-Pyramid-Notebook-Scheme", "X-Pyramid-Notebook-Client"
#: In these it tells the cookies of the site itself, one in each.
COOKIE_HEADERS = tuple(f"X-Pyramid-Notebook-Cookie-{number}" for number in (1, 2, 3))
ANSWERING = (
    *(UPSTREAM_HEADER, BASE_HEADER, SCHEME_HEADER, CLIENT_HEADER, SECRET_HEADER, TOKEN_HEADER, LEASE_HEADER),
    *COOKIE_HEADERS,
)

#: nginx keeps an answer as long as these are the same (and scheme, client's address and class of path).
KEY_FIELDS = ("host", "origin", "user-agent", "authorization", "cookie")
#: nginx cannot drop fields by the beginning of their names; these are what is seen of ``X-Forwarded-*``: the ways of a
#: request, which nobody before nginx may tell, and who somebody is, which a site may ask for.
FORWARDED_FIELDS = tuple(f"x-forwarded-{name}" for name in ("for", "host", "port", "proto", "server", "prefix", "ssl"))
CLAIMS = tuple(f"x-forwarded-{name}" for name in ("user", "email", "groups", "preferred-username", "access-token"))
#: Fields that tell nothing of who somebody is; by all others a site may know them.
_NO_CREDENTIALS = (
    *("accept", "cache-control", "connection", "content-type", "dnt", "if-", "keep-alive", "pragma", "priority"),
    *("range", "referer", "sec-", "te", "upgrade-insecure-requests", "x-requested-with", "x-xsrftoken"),
    *FORWARDED_FIELDS,
)
#: What the site's own machinery, and its web server, keep for the request that asks.
_NOT_KEPT = ("webob.", "tm.", "repoze.tm.", "pyramid_notebook.", "asgi.", "gunicorn.", "uwsgi.", "waitress.")
_BODY = "pyramid_notebook.original_body"
_KEEP_SECONDS = 1  # nginx counts whole seconds, so it may be two
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_SAFE_SOCKET = re.compile(r"/[A-Za-z0-9/._+-]+")
_SAFE_BASE = re.compile(r"/[A-Za-z0-9/._~-]*")
_PLAIN = re.compile(r"[\x20-\x7e]*")
_KEY_LINE = re.compile(rf'proxy_set_header {GATE_HEADER} "([A-Za-z0-9_-]{{43}})";\n')


class Gate:
    """The key by which the door knows nginx.

    Args:
        root: the site's ``notebook_folder``.
    """

    def __init__(self, root: Path) -> None:
        self.file = root / ".nginx" / "gate.conf"
        self._key = ""

    def make(self) -> None:
        """Make the key, if there is none; its file is the line of nginx's configuration that sends it.

        Raises:
            UnsafePath: the file or its folder belongs to another user.
        """
        private_folder(self.file.parent.parent)
        private_folder(self.file.parent)
        with locked(self.file.with_suffix(".lock"), timeout=10):
            if not self._read():
                write_private(self.file, f'proxy_set_header {GATE_HEADER} "{token_urlsafe(32)}";\n')

    def opens(self, environ: Mapping[str, Any]) -> bool:
        """Tell whether a request comes with the key."""
        given = str(environ.get(_variable(GATE_HEADER), ""))
        if not given:
            return False
        return self._is(given) or self._is_in_file(given)

    def _is(self, given: str) -> bool:
        return bool(self._key) and compare_digest(given.encode("utf-8", "replace"), self._key.encode())

    def _is_in_file(self, given: str) -> bool:
        self._key = self._read()
        return self._is(given)

    def _read(self) -> str:
        match = _KEY_LINE.fullmatch(read_private(self.file) or "")
        return match[1] if match else ""


def original_environ(environ: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the request that nginx asks about, without its body, or None where it does not say.

    Args:
        environ: WSGI environ of the request that asks, which came with the key.
    """
    target = str(environ.get(_variable(TARGET_HEADER), ""))
    path, _, query = target.partition("?")
    decoded, script = unquote_to_bytes(path.encode("latin-1")).decode("latin-1"), str(environ.get("SCRIPT_NAME", ""))
    if not decoded.startswith(f"{script}/"):
        return None
    asking = {_variable(name) for name in ASKING} | {"HTTP_UPGRADE", "HTTP_CONNECTION", "HTTP_TRANSFER_ENCODING"}
    original = {key: value for key, value in environ.items() if key not in asking and not key.startswith(_NOT_KEPT)}
    original.update(
        REQUEST_METHOD=str(environ.get(_variable(METHOD_HEADER), "")),
        PATH_INFO=decoded.removeprefix(script),
        QUERY_STRING=query,
        REQUEST_URI=target,
        RAW_URI=target,
        CONTENT_LENGTH="0",
    )
    original[_BODY] = str(environ.get(_variable(BODY_HEADER), ""))
    for name, key in ((UPGRADE_HEADER, "HTTP_UPGRADE"), (CONNECTION_HEADER, "HTTP_CONNECTION")):
        if value := environ.get(_variable(name)):
            original[key] = value
    return original


def failed(environ: Mapping[str, Any]) -> int:
    """Return the status that nginx has for what it did not pass on, or 0 where it asks for the first time."""
    text = str(environ.get(_variable(FAILURE_HEADER), ""))
    return int(text) if text.isascii() and text.isdecimal() and len(text) == 3 else 0


def file_asked_for(environ: Mapping[str, Any]) -> str:
    """Return which file that is the same for all nginx asks for, as a path below a user's base URL, or nothing."""
    return str(environ.get(_variable(FILE_HEADER), ""))


def put(environ: dict[str, Any], crossing: Crossing) -> dict[str, Any]:
    """Return an environ that carries a crossing."""
    return {**environ, CROSSING: crossing}


def may_go_past(environ: Mapping[str, Any]) -> bool:
    """Tell whether nginx can pass a request on just as the door would.

    The door would look into a form for tokens. And it does itself what is asked for below ``-/``, or by Jupyter's own
    *Shut Down*: a question must not have done it already.

    Args:
        environ: of the original request.
    """
    path = str(environ["PATH_INFO"])
    has_odd_body = bool(environ[_BODY]) and is_upgrade(environ)
    does_something = "-" in path.split("/") or path.rstrip("/").endswith("/api/shutdown")
    has_form = str(environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower() in _FORMS
    is_same = raw_target(environ) == environ["REQUEST_URI"]
    return is_same and not (does_something or has_form or has_odd_body) and not _claims_more_than_nginx_drops(environ)


def _claims_more_than_nginx_drops(environ: Mapping[str, Any]) -> bool:
    known = (*FORWARDED_FIELDS, *CLAIMS)
    return any(name.startswith((OURS, "x-forwarded-")) and name not in known for name in _names(environ))


def answer_fields(grant: Grant, lease: str, cookies: list[str], *, keep: bool) -> Headers | None:
    """Return what nginx needs to know to pass a request on, or None where it could not understand that.

    Args:
        grant: what the door has granted.
        lease: its name.
        cookies: values of ``Set-Cookie`` of the site's own answer.
        keep: whether nginx may take the answer for other requests as well, for a second or two.
    """
    record = grant.record
    fields = [
        (UPSTREAM_HEADER, _place(record)),
        (BASE_HEADER, record.base_url),
        (SCHEME_HEADER, grant.scheme),
        (CLIENT_HEADER, grant.client),
        (SECRET_HEADER, record.secret),
        (TOKEN_HEADER, grant.passage.token),
        (LEASE_HEADER, lease),
        *zip(COOKIE_HEADERS, cookies, strict=False),
        ("X-Accel-Expires", str(_KEEP_SECONDS if keep and not cookies else 0)),
    ]
    is_understood = (
        _SAFE_SOCKET.fullmatch(record.socket)
        and _SAFE_BASE.fullmatch(record.base_url)
        and len(cookies) <= len(COOKIE_HEADERS)
        and all(_PLAIN.fullmatch(value) for _name, value in fields)
    )
    return fields if is_understood else None


def may_be_kept(environ: Mapping[str, Any], grant: Grant) -> bool:
    """Tell whether what was granted holds for other requests, for which nginx would take it for a second or two.

    Args:
        environ: of the original request.
        grant: what the door has granted.
    """
    if not grant.may_be_kept or not grant.settings.decision_seconds or grant.passage.is_websocket:
        return False
    return all(name in KEY_FIELDS or name.startswith(_NO_CREDENTIALS) for name in _names(environ))


def _place(record: ServerRecord) -> str:
    return f"unix:{record.socket}:"


def _names(environ: Mapping[str, Any]) -> list[str]:
    return [key[5:].replace("_", "-").lower() for key in environ if key.startswith("HTTP_")]


def _variable(name: str) -> str:
    return f"HTTP_{name.upper().replace('-', '_')}"
