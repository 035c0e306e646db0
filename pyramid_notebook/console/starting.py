"""Finds out how the console is used, signs in, and opens the session while the rest is loaded."""

from __future__ import annotations

import argparse
import os
import queue
import shlex
import sys
import threading
from typing import Any

from ..client.notebooks import NotebookClient
from ..client.session import Session
from ..client.sites import find, notebook_of
from ..errors import NotebookError, NotSignedIn, RpcRefused
from ..sync.client.safe_text import safe
from ..sync.client.terminal import complain, say_json
from .pictures import LINK, Room, protocol_of
from .rendering import Look


def start(options: argparse.Namespace) -> int:
    """Do what a command line asks for, and return the exit code.

    Raises:
        NotebookError: the site does not do what it is asked for; the text says why.
    """
    is_typed = sys.stdin.isatty() and sys.stdout.isatty() and not options.json
    _sign_in(options, may_ask=is_typed)
    with NotebookClient(options.url, name=options.name, patience=float("inf")) as client:
        options.notebook = options.notebook or ("" if options.kernel else notebook_of(client.site, options.url))
        opening = _Opening(client, options)
        return _typed(options, client, opening) if is_typed else _piped(options, opening)


class _Opening:
    """A session that is opened in a thread, while this one loads what will be needed."""

    def __init__(self, client: NotebookClient, options: argparse.Namespace) -> None:
        self._client = client
        self._options = options
        self._done: queue.SimpleQueue[Session | BaseException] = queue.SimpleQueue()
        threading.Thread(target=self._open, name="opening", daemon=True).start()

    def session(self) -> Session:
        """Return the session when it is open; raises as :meth:`NotebookClient.open`."""
        done = self._done.get()
        given = self._options
        if isinstance(done, RpcRefused) and done.reason == "no-such-notebook" and given.notebook and not given.new:
            raise RpcRefused(
                f"There is no notebook {safe(given.notebook)}. To make it, add --new.", code=done.code, word=done.reason
            )
        if isinstance(done, BaseException):
            raise done
        return done

    def _open(self) -> None:
        given = self._options
        try:
            session = self._client.open(
                notebook=given.notebook, kernel=given.kernel, new=given.new, kernel_name=given.kernel_name
            )
        except BaseException as error:  # whoever waits has to be told
            self._done.put(error)
        else:
            self._done.put(session)


def _sign_in(options: argparse.Namespace, *, may_ask: bool) -> None:
    """Sign in by a device login where there is no token, and somebody who can approve it."""
    try:
        find(options.url, os.environ)
    except NotSignedIn:
        if not may_ask or not options.url:
            raise
        from ..device_login import sign_in

        sign_in(options.url, opens_browser=not options.no_browser)


def _piped(options: argparse.Namespace, opening: _Opening) -> int:
    from .pipe import AsText, as_json, run

    try:
        text = sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise NotebookError(f"What comes through the pipe is no UTF-8: see byte {error.start + 1}.") from None
    session = opening.session()
    where = _where(session)
    if options.json:
        told = {"kernel": session.kernel, "notebook": session.notebook, "url": session.url}
        say_json({"event": "session", **told})
    else:
        complain(where)
    look = Look(colours=_has_colours(), room=_room(), url=session.url)
    return run(session, text, as_json(sys.stdout) if options.json else AsText(sys.stdout, sys.stderr, look))


def _typed(options: argparse.Namespace, client: NotebookClient, opening: _Opening) -> int:
    is_plain = os.environ.get("TERM", "dumb") in ("", "dumb", "unknown")
    if not is_plain:
        from . import prompts  # while the site answers
    from .colours import Painter
    from .plain import PlainPrompt
    from .printer import Printer
    from .screen import Screen
    from .shell import Shell

    session = opening.session()
    images = protocol_of(os.environ) if options.images == "auto" else options.images
    has_colours = _has_colours() and not is_plain

    def look() -> Look:
        return Look(has_colours, LINK if is_plain else images, _room(), session.url)

    language = session.language.get("pygments_lexer") or session.language.get("name")
    painter = Painter(str(language or ""), has_colours=has_colours)
    screen = Screen(sys.stdout)
    printer = Printer(screen, look, painter, is_plain=is_plain)
    if session.banner:
        screen.write(safe(session.banner).rstrip("\n") + "\n")
    printer.note(_where(session))
    prompt: Any = PlainPrompt(session, screen) if is_plain else prompts.Prompt(session, screen)
    way_back = _way_back(options, client, session)
    return Shell(session, screen, printer, prompt, look=look(), way_back=way_back).run()


def _where(session: Session) -> str:
    if session.url:
        return f"Notebook {session.notebook}: {session.url}"
    return f"Kernel {session.kernel}; it belongs to no notebook, and nothing is kept of what you type."


def _way_back(options: argparse.Namespace, client: NotebookClient, session: Session) -> str:
    site = client.site.login or client.site.notebooks
    which = ("--notebook", session.notebook) if session.notebook else ("--kernel", session.kernel)
    return shlex.join(["pyramid-notebook", "console", site, *which])


def _room() -> Room:
    import shutil

    size = shutil.get_terminal_size()
    return Room(size.columns, size.lines)


def _has_colours() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
