"""The page of the self-test, and what its script asks for. The door answers it all itself, without a user server."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pyramid.httpexceptions import HTTPNotFound
from pyramid.response import FileResponse, Response

from ..door import Door, add_open_route, door_of
from ..errors import BadForm, BadMethod, NotebookError, WebSocketUnsupported
from ..files import private_folder, read_private, write_private
from ..pages import for_admins, guarded, page, page_values, wants_html
from ..proxy import adaptors
from ..proxy.forwarded import FIELDS, PEER, SAID
from ..proxy.headers import is_upgrade
from ..proxy.passages import is_asked_again, passes_again
from ..proxy.websocket import serve_websocket
from ..security import require_same_origin
from .diagnosis import LEAST_SPREAD, PARTS, PAUSE, UPLOAD_BYTES, Facts, Handshake, Seen, diagnose, hops
from .echo import open_echo

_NONCE = re.compile(r"[0-9a-f]{32}")
#: Seconds for which it is remembered what came of a websocket.
_KEPT_SECONDS = 300
_BLOCK = 256 * 1024
_FILES = {"selftest.js": "text/javascript", "page.css": "text/css"}


def add_routes(config: Any, prefix: str) -> None:
    """Add the routes and views of the self-test; they come before ``notebook_proxy``.

    Args:
        config: the configurator.
        prefix: URL path under which notebooks live, without a slash at its end.
    """
    for route, path, view in (
        ("notebook_selftest", "selftest", selftest_view),
        ("notebook_selftest_probe", "selftest/{probe}", probe_view),
    ):
        add_open_route(config, route, f"{prefix}/-/{path}", view)


def selftest_view(request: Any) -> Response:
    """Show the page; or tell a script in JSON what the door sees, and what that means.

    The page's script sends what it has seen as JSON in the query's ``seen``, and the name of its websocket in
    ``websocket``. That is a GET, because a POST is refused just where something is wrong.
    """
    return guarded(_show(request))


@for_admins
def _show(request: Any, username: str) -> Response:
    if request.method not in ("GET", "HEAD"):
        raise BadMethod
    base = f"{request.route_path('notebook_selftest')}/"
    if wants_html(request):
        values = page_values(request, base) | {"assets": base}
        return page(request, "selftest.jinja2", title="Self-test of the notebooks", address=base[:-1], **values)
    try:
        seen = Seen.from_json(request.GET.get("seen", "{}"))
    except ValueError:
        raise BadForm("What was seen must be a JSON object.") from None
    facts, handshake = facts_of(request), _recall(door_of(request), request.GET.get("websocket", ""))
    answer = {
        "faults": [asdict(fault) for fault in diagnose(facts, seen, handshake)],
        "hops": hops(facts, seen),
        "facts": asdict(facts),
        "handshake": handshake and asdict(handshake),
        "probes": {
            "stream": f"{base}stream",
            "marked": f"{base}stream?marked=yes",
            "upload": f"{base}upload",
            "websocket": f"{base}websocket?name={secrets.token_hex(16)}",
        },
        "upload_bytes": UPLOAD_BYTES,
        "least_spread": LEAST_SPREAD,
    }
    return Response(json_body=answer)


def probe_view(request: Any) -> Response:
    """Answer one of the requests of the page's script."""
    return guarded(_probe(request))


@for_admins
def _probe(request: Any, username: str) -> Response:
    methods, answer = _PROBES.get(request.matchdict["probe"], ((), None))
    if answer is None:
        raise HTTPNotFound
    if request.method not in methods:
        raise BadMethod
    return answer(request, username)


def facts_of(request: Any) -> Facts:
    """Return what the door sees of a request."""
    environ, door = request.environ, door_of(request)
    server, problem = str(environ.get("SERVER_SOFTWARE") or ""), ""
    try:
        adaptor = adaptors.find(environ, door.settings.websocket_proxy)
        server = server or adaptor.__module__.rpartition(".")[2]
        adaptors.check(environ, door.settings.websocket_proxy)
    except WebSocketUnsupported as error:
        problem = str(error)
    keys = {name: f"HTTP_{name.upper().replace('-', '_')}" for name in FIELDS}
    said = environ.get(SAID, {name: environ[key] for name, key in keys.items() if key in environ})
    client = str(environ.get("REMOTE_ADDR") or "")
    return Facts(
        scheme=request.scheme,
        host=request.host,
        client=client,
        peer=str(environ.get(PEER, client)),
        protocol=str(environ.get("SERVER_PROTOCOL", "")),
        server=server,
        said=said,
        websockets=problem,
    )


def _file(request: Any, _username: str) -> Response:
    name = request.matchdict["probe"]
    response = FileResponse(str(door_of(request).assets / name), request, content_type=_FILES[name])
    response.cache_control.no_cache = True
    return response


def _stream(request: Any, _username: str) -> Response:
    response = Response(app_iter=_parts(), content_type="text/plain", charset="utf-8")
    if "marked" in request.GET:
        response.headers["X-Accel-Buffering"] = "no"
    return response


def _parts() -> Iterator[bytes]:
    for number in range(PARTS):
        if number:
            time.sleep(PAUSE / 1000)
        yield f"{number}\n".encode()


def _upload(request: Any, _username: str) -> Response:
    require_same_origin(request)
    count = 0
    while block := request.body_file.read(_BLOCK):
        count += len(block)
    return Response(json_body={"bytes": count})


def _websocket(request: Any, username: str) -> Response:
    """Open a websocket that sends back what comes; and remember what came of it, for its page cannot see that."""
    if is_asked_again(request):
        require_same_origin(request)
        passes_again(request)
        return Response(status=204)
    outcome = ""
    try:
        return _open_websocket(request, username)
    except NotebookError as error:
        outcome = str(error)
        raise
    finally:
        _remember(request, outcome)


def _open_websocket(request: Any, username: str) -> Response:
    if not is_upgrade(request.environ):
        # a WSGI application may not say "Upgrade: websocket" (PEP 3333)
        return Response(json_body={"error": "upgrade", "message": "Here is a websocket, and nothing else."}, status=426)
    require_same_origin(request)
    door, base_url = door_of(request), f"{request.route_path('notebook_selftest')}/"
    passage = door.passages.enter(request, username, most_websockets=door.settings.user_websockets)
    try:
        record = open_echo(username, base_url)
        adaptor = door.settings.websocket_proxy or None
        return serve_websocket(request, record, door.relay, passage=passage, adaptor=adaptor)
    except BaseException:
        passage.leave()
        raise


def _remember(request: Any, outcome: str) -> None:
    name = request.GET.get("name", "")
    if not _NONCE.fullmatch(name):
        return
    environ = request.environ
    handshake = Handshake(
        upgrade=environ.get("HTTP_UPGRADE", ""),
        connection=environ.get("HTTP_CONNECTION", ""),
        protocol=environ.get("SERVER_PROTOCOL", ""),
        origin=environ.get("HTTP_ORIGIN", ""),
        outcome=outcome,
    )
    folder = private_folder(private_folder(door_of(request).manager.root) / ".selftest")
    _sweep(folder)
    write_private(folder / name, handshake.to_json())


def _recall(door: Door, name: str) -> Handshake | None:
    if not _NONCE.fullmatch(name):
        return None
    text = read_private(door.manager.root / ".selftest" / name)
    try:
        return Handshake.from_json(text) if text else None
    except ValueError:
        return None


def _sweep(folder: Path) -> None:
    oldest = time.time() - _KEPT_SECONDS
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # another web worker does it, too
            if path.lstat().st_mtime < oldest:
                path.unlink()


_Answer = Callable[[Any, str], Response]
_PROBES: dict[str, tuple[tuple[str, ...], _Answer]] = {
    **dict.fromkeys(_FILES, (("GET", "HEAD"), _file)),
    "stream": (("GET",), _stream),
    "upload": (("POST",), _upload),
    "websocket": (("GET",), _websocket),
}
