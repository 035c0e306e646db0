"""Lists the handlers of a real user server, which a process of its own starts as a daemon does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

BASE = "/notebook/alice/"


@dataclass(frozen=True)
class Found:
    """A handler that Tornado has.

    Attributes:
        pattern: of the whole path, without the ``$`` at its end.
        name: of its class.
        is_websocket: whether it speaks the websocket protocol.
        is_open: whether Jupyter lets everybody pass, with a method that is not ``OPTIONS``.
    """

    pattern: str
    name: str
    is_websocket: bool
    is_open: bool


def handlers_of(ui: str, paths: Iterable[str]) -> tuple[set[Found], dict[str, str]]:
    """Start a user server, ask it what it has, and end it.

    Args:
        ui: value of the setting.
        paths: URL paths.

    Returns:
        All its handlers; and for each path the name of the class that answers there.
    """
    with tempfile.TemporaryDirectory(prefix="pnb-test-") as folder:
        done = subprocess.run(
            [sys.executable, "-P", __file__, folder, ui, *paths],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    return {Found(**item) for item in told["handlers"]}, told["answers"]


def _rules(router: Any) -> Iterator[Any]:
    for rule in router.rules:
        if hasattr(rule.target, "rules"):
            yield from _rules(rule.target)
        else:
            yield rule


def _found(rule: Any) -> Found:
    from jupyter_server.base.handlers import JupyterHandler
    from tornado.web import RequestHandler
    from tornado.websocket import WebSocketHandler

    handler = rule.target
    methods = [getattr(handler, name.lower()) for name in RequestHandler.SUPPORTED_METHODS if name != "OPTIONS"]
    return Found(
        pattern=rule.matcher.regex.pattern.removesuffix("$"),
        name=handler.__name__,
        is_websocket=issubclass(handler, WebSocketHandler),
        is_open=not issubclass(handler, JupyterHandler)
        or any(getattr(method, "__allow_unauthenticated", False) for method in methods),
    )


def _answering(web_app: Any, path: str) -> str:
    from tornado.httputil import HTTPServerRequest

    request = HTTPServerRequest(method="GET", uri=path, host="localhost")
    return str(web_app.find_handler(request).handler_class.__name__)


def main(place: str, ui: str, *paths: str) -> None:
    """Run the user server until it listens, and print what it has as JSON."""
    from pyramid_notebook.files import private_folder
    from pyramid_notebook.layout import UserFolder
    from pyramid_notebook.record import ServerOptions, ServerRecord
    from pyramid_notebook.server.application import NotebookServerApp, run

    folder, scratch = UserFolder(Path(place, "alice")), Path(place, "pnb-0")
    for path in (folder.path, folder.work, folder.runtime, scratch):
        private_folder(path)
    record = ServerRecord(
        pid=os.getpid(), identity="1", launch_id="0" * 32, base_url=BASE, scratch=str(scratch), secret="a secret"
    )
    told: dict[str, Any] = {}

    def ready(_record: ServerRecord) -> None:
        app = NotebookServerApp.instance()
        found = [asdict(_found(rule)) for rule in _rules(app.web_app.default_router)]
        # Voilà's are there only where it is installed; they need the shell, as everything that has no row of its own
        told["handlers"] = [one for one in found if not one["pattern"].startswith(f"{BASE}voila")]
        told["answers"] = {path: _answering(app.web_app, path) for path in paths}
        app.stop()

    run(folder, ServerOptions(user="alice", base_url=BASE, ui=ui), record, port=0, extra=(), ready=ready)
    print(json.dumps(told))  # noqa: T201 - for the process that started this one


if __name__ == "__main__":
    main(*sys.argv[1:])
