"""``pyramid-notebook watch``: pushes files when they are saved, for editors that call nothing by themselves."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import NotebookError
from .links import Link, Links
from .refusals import Refusal
from .scanning import Finder
from .session import Session
from .sites import Place
from .source import EMPTY_SECONDS, Signature, Source, read, signature
from .terminal import complain, say, say_json
from .transport import Connection, is_passing
from .wording import conflict_lines, one_line, pull_line, sync_line, text_of

#: Seconds between two looks at the files, and between two questions for what a notebook has.
LOOK_SECONDS, POLL_SECONDS = 0.2, 1.0


def watch(options: argparse.Namespace) -> int:
    """Push files when they are saved, until Ctrl-C.

    Raises:
        NotebookError: it cannot begin.
    """
    paths = [os.path.abspath(path) for path in options.files]  # noqa: PTH100 - "..", as the shell means it
    watcher = Watcher(Finder(paths), Links(options.site), Log(options), two_way=options.two_way)
    watcher.begin()
    while True:
        watcher.step()
        time.sleep(LOOK_SECONDS)


class Log:
    """Prints what is done, with the time.

    Args:
        options: the command line.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options

    def done(self, action: str, path: str, line: str, answer: Mapping[str, Any] | None = None) -> None:
        """Tell of something that was done.

        Args:
            action: one word for programs.
            path: the file.
            line: for people.
            answer: what the site said.
        """
        if self._options.json:
            say_json({"event": action, "file": path, **(answer or {})})
        elif not self._options.quiet:
            say(f"{time.strftime('%H:%M:%S')} {line}")
        if answer is not None and not self._options.json:
            for conflict in conflict_lines(_name(path), answer):
                complain(conflict)

    def failed(self, path: str, error: NotebookError | OSError) -> None:
        """Tell of what could not be done."""
        if self._options.json:
            answer = error.answer if isinstance(error, Refusal) else {}
            say_json({"event": "error", "file": path, "message": str(error), **answer})
        place = f"{one_line(_name(path))}: " if path else ""
        complain(f"{time.strftime('%H:%M:%S')} pyramid-notebook: {place}{error}")


class Watcher:
    """Pushes files that are saved, and writes what their notebooks have into them.

    Args:
        finder: finds the files.
        links: to their sites.
        log: is told what was done.
        two_way: whether files are written.
        clock: tells seconds that never go back.
    """

    def __init__(
        self, finder: Finder, links: Links, log: Log, *, two_way: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._finder = finder
        self._links = links
        self._log = log
        self._two_way = two_way
        self._clock = clock
        self._saved: dict[str, float] = {}
        self._polled: dict[str, float] = {}
        self._seen: dict[str, str] = {}
        self._hopeless: set[str] = set()

    def begin(self) -> None:
        """Tell what is watched.

        Raises:
            NotebookError: it is not known to which site a file belongs.
        """
        files = self._finder.files
        for path in files[:1]:
            self._links.place(path)
        number = "1 file" if len(files) == 1 else f"{len(files)} files"
        self._log.done("watching", "", f"Watching {number}; Ctrl-C ends it.")

    def step(self) -> None:
        """Look at the files once, and do what is to be done."""
        changed = self._finder.changed()
        for path in changed:
            self._saved[path] = self._clock()
            self._seen.pop(path, None)
            self._hopeless.discard(path)
        for path in list(self._saved):
            if path not in changed and self._is_written(path):
                self._at_site(path, self._push)
        if self._two_way:
            for path in self._finder.files:
                if self._is_due(path):
                    self._polled[path] = self._clock()
                    self._at_site(path, self._poll)

    def _at_site(self, path: str, do: Callable[[str, Place, Connection], bool]) -> None:
        """Do something with a file, unless its site is away; it tells whether the site was asked."""
        try:
            place = self._links.place(path)
            link = self._links.link(place.site)
            if link.is_due(self._clock()):
                self._try(path, link, lambda: do(path, place, link.connection))
        except (NotebookError, OSError) as error:
            self._log.failed(path, error)
            self._saved.pop(path, None)
            self._hopeless.add(path)  # until it is saved again

    def _try(self, path: str, link: Link, do: Callable[[], bool]) -> None:
        try:
            is_asked = do()
        except NotebookError as error:
            if is_passing(error):
                if link.goes(self._clock()):
                    self._log.failed("", error)
                return
            if isinstance(error, Refusal):
                self._comes(link)
            raise
        if is_asked:
            self._comes(link)

    def _comes(self, link: Link) -> None:
        if link.comes():
            self._log.done("back", "", f"{link.connection.site.notebooks} answers again.")

    def _push(self, path: str, place: Place, connection: Connection) -> bool:
        source = read(path)
        session = Session(place, connection, path, source)
        with session.held(anew=False):
            if not self._is_as_seen(source):
                return False  # the next looks see it
            answer = session.sync(take=self._two_way)
            del self._saved[path]
            self._log.done("sync", path, f"{one_line(_name(path))} to {sync_line(answer)}", answer)
            written = session.take(answer) if self._two_way else None
        if written:
            self._wrote(path, written, answer)
        return True

    def _poll(self, path: str, place: Place, connection: Connection) -> bool:
        session = Session(place, connection, path, None)
        known = session.known
        if not known.notebook:
            return False
        rev = text_of(session.status(), "rev")
        if rev in (known.rev, self._seen.get(path)):
            return True
        source = read(path)
        session = Session(place, connection, path, source)
        with session.held(anew=False):
            if not self._is_as_seen(source):
                return True  # it was saved just now, and is pushed first
            answer, written = session.pull()
        self._seen[path] = rev
        if written:
            self._wrote(path, written, answer)
        return True

    def _is_as_seen(self, source: Source) -> bool:
        """Tell whether a file is still what was read, and that what was seen: nobody has written while it was read."""
        return signature(source.path) == source.signature == self._finder.known(source.path)

    def _is_written(self, path: str) -> bool:
        """Tell whether a file that was saved is whole: editors empty a file, and write it then."""
        seen = self._finder.known(path)
        if seen is None or signature(path) != seen:
            return False
        return seen.size > 0 or self._clock() >= self._saved[path] + EMPTY_SECONDS

    def _wrote(self, path: str, written: Signature, answer: Mapping[str, Any]) -> None:
        self._finder.settle(path, written)
        self._log.done("pull", path, pull_line(_name(path), answer, is_written=True), answer)

    def _is_due(self, path: str) -> bool:
        is_polled_now = self._clock() < self._polled.get(path, 0.0) + POLL_SECONDS
        return not is_polled_now and path not in self._saved and path not in self._hopeless


def _name(path: str) -> str:
    """Return a file's name as somebody in this folder would type it."""
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative
