"""One file, or one notebook, and its site: makes requests of what is known, and remembers what was answered."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import NotebookError
from .refusals import Refusal
from .sites import Place
from .source import Source, create, read, read_newest, replace, signature
from .state import NOTHING, Known, Memory
from .terminal import complain
from .transport import Connection
from .wording import text_of

if TYPE_CHECKING:
    from .events import Event
    from .source import Signature

_Answer = TypeVar("_Answer")
_HEAD = 4096
_NAMES_NOTEBOOK = re.compile(r"notebook\s*[:=][^\n]*")


class Session:
    """What the commands do with one file.

    Args:
        place: where the file is pushed to.
        connection: to its site.
        path: the file's absolute path; empty for none.
        source: the file as it was read; None where it is not, or need not be.
        notebook: the notebook, where the user names it.
        force: the side that the command takes is right, and nothing is a conflict.
        language: of the file, where its name does not tell.
    """

    def __init__(
        self,
        place: Place,
        connection: Connection,
        path: str,
        source: Source | None,
        *,
        notebook: str = "",
        force: bool = False,
        language: str = "",
    ) -> None:
        self.connection = connection
        self.source = source
        self.path = path
        self._place = place
        self._notebook = notebook
        self._force = force
        self._language = language
        self._memory = Memory(place.site.notebooks, path) if path else None
        self._lock = ExitStack()
        self._is_held = False
        self._known: Known | None = None

    @property
    def known(self) -> Known:
        """What is remembered of the file; read when it is asked for first."""
        if self._known is None:
            self._known = self._remembered()
        return self._known

    @contextmanager
    def held(self, *, anew: bool = True, appears: bool = False) -> Iterator[None]:
        """Keep other commands with this file waiting, so that each knows what the one before it has pushed.

        Args:
            anew: the file is read again if it was saved while others were waited for.
            appears: and also if it was not there.

        Raises:
            FileTrouble: it cannot be read.
        """
        is_outermost = not self._is_held
        try:
            if is_outermost and self._memory:
                self._is_held = True
                self._lock.enter_context(self._memory.locked())
                if self.source and anew:
                    self.source = read_newest(self.source)
                elif appears and not self.source and signature(self.path):
                    self.source = read(self.path)
                self._known = None  # others may have written it
            yield
        finally:
            if is_outermost:
                self.release()

    def release(self) -> None:
        """Let other commands with this file go on, before the end of :meth:`held`."""
        self._is_held = False
        self._lock.close()

    def sync(self, *, take: bool = False) -> dict[str, Any]:
        """Push the file.

        Args:
            take: the answer shall hold what the file lacks.
        """
        with self.held():
            answer = self.ask("", take=True) if take else self.ask("")
            self.remember(answer)
        return answer

    def pull(self) -> tuple[dict[str, Any], Signature | None]:
        """Write what the notebook has into the file; return the answer, and what the file has if it was written.

        Raises:
            FileTrouble: the file was saved meanwhile, or cannot be written; nothing was changed.
        """
        with self.held(appears=True):
            answer = self.ask("pull")
            text, known = text_of(answer, "text"), self._known_after(answer)
            written = None
            if self.source is None:
                written = create(self.path, text)
            elif text != self.source.text:
                written = replace(self.source, text)
            self._keep(known)
        return answer, written

    def take(self, answer: Mapping[str, Any]) -> Signature | None:
        """Write what a sync's answer has for the file, if it has something; see :meth:`pull`."""
        if self.source is None or "text" not in answer:
            return None
        text, known = text_of(answer, "text"), self._known_after({**answer, "rev": text_of(answer, "text_rev")})
        written = replace(self.source, text) if text != self.source.text else None
        self._keep(known)
        return written

    def pair(self, *, kernel: str = "") -> dict[str, Any]:
        """Have what is missing of file and notebook made; return the answer.

        Args:
            kernel: name of the kernel for a new notebook; empty for the usual one.
        """
        with self.held(appears=True):
            answer = self.ask("pair", **({"kernel": kernel} if kernel else {}))
            known = self._known_after(answer)
            if self.source is None:
                create(self.path, text_of(answer, "text"))
            self._keep(known)
        return answer

    def ask(self, verb: str, **more: Any) -> dict[str, Any]:
        """Send a request; raises as :meth:`Connection.post`."""
        return self._anew(lambda: self.connection.post(verb, {**self._fields(), **more}))

    def status(self) -> dict[str, Any]:
        """Return the notebook's state; raises as :meth:`Connection.post`."""
        return self._anew(lambda: self.connection.status(self._query()))

    def events(self, verb: str, **more: Any) -> Iterator[Event]:
        """Yield what a request's answer streams; raises as :meth:`Connection.events`."""

        def begin() -> tuple[Event | None, Iterator[Event]]:
            events = self.connection.events(verb, {**self._fields(), **more})
            return next(events, None), events  # only now the request is sent

        first, events = self._anew(begin)
        if first is not None:
            yield first
            yield from events

    def remember(self, answer: Mapping[str, Any]) -> None:
        """Remember the notebook and version of an answer for the next command."""
        self._keep(self._known_after(answer))

    def _known_after(self, answer: Mapping[str, Any]) -> Known:
        return Known(notebook=text_of(answer, "notebook"), rev=text_of(answer, "rev"), hints=self._hints())

    def _keep(self, known: Known) -> None:
        before, self._known = self.known, known
        if self._memory is None or known == before:
            return
        try:
            self._memory.write(known)
        except (NotebookError, OSError) as error:
            complain(f"pyramid-notebook: The version of {known.notebook!r} could not be remembered: {error}")

    def _fields(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "file": self._place.file,
            "notebook": self._notebook or self.known.notebook,
            "mapping": self._place.mapping,
            "force": self._force,
            "language": self._language,
        }
        if self.source:
            found["rev"] = self.known.rev
        fields = {name: value for name, value in found.items() if value}
        return {**fields, "text": self.source.text} if self.source else fields

    def _query(self) -> dict[str, str]:
        if notebook := self._notebook or self.known.notebook:
            return {"notebook": notebook}
        mapping = {"mapping": json.dumps(self._place.mapping)} if self._place.mapping else {}
        return {"file": self._place.file, **mapping}

    def _hints(self) -> str:
        """Return what says, on this side, which notebook is the file's: where that changes, it is matched anew."""
        named = _NAMES_NOTEBOOK.findall(self.source.text[:_HEAD]) if self.source else []
        return json.dumps([self._place.mapping, named])

    def _remembered(self) -> Known:
        known = self._memory.read() if self._memory else NOTHING
        is_another = bool(self._notebook) and self._notebook != known.notebook
        is_outdated = self.source is not None and not self._notebook and known.hints != self._hints()
        return NOTHING if is_another or is_outdated else known

    def _anew(self, ask: Callable[[], _Answer]) -> _Answer:
        """Ask, and once more without what is remembered if the site knows it no longer."""
        while True:
            try:
                return ask()
            except Refusal as refusal:
                pushed = refusal.answer.get("sync")
                if isinstance(pushed, dict):  # what failed came after it
                    self.remember(pushed)
                if not self._forgets(refusal):
                    raise

    def _forgets(self, refusal: Refusal) -> bool:
        known = self.known
        if refusal.reason == "notebook" and refusal.status == 404 and known.notebook and not self._notebook:
            self._known = NOTHING
            if self._memory:
                self._memory.forget()
        elif refusal.reason == "unknown-rev" and known.rev:
            self._known = Known(notebook=known.notebook, hints=known.hints)
        return self.known != known
