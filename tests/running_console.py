"""Runs ``pyramid-notebook console`` against the demo site, in terminals and pipes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyramid_notebook.client import NotebookClient
from pyramid_notebook.credentials import Credential
from pyramid_notebook.proxy.upstream import ask
from pyramid_notebook.scopes import parse_grants
from pyramid_notebook.settings import Settings
from pyramid_notebook.tokens.database import open_store

from .running import COMMAND, ROOT, Site, wait_until
from .running_login import Laptop
from .terminals import Terminal, terminal

_KEPT = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "TMPDIR")
USER = "user"
#: Runs until a file is there.
WAITING = "while not __import__('os').path.exists({!r}): __import__('time').sleep(0.01)"
#: Shows more than a server keeps.
FLOOD = "for _ in range(20): display({'text/plain': 'x'}, raw=True, metadata={'x': 'x' * 1_000_000})"


@dataclass(frozen=True)
class Desk:
    """A user's own machine, signed in to a site or not."""

    site: Site
    laptop: Laptop

    @property
    def url(self) -> str:
        """Address of the user's notebooks."""
        return f"{self.site.url}/notebook/{USER}/"

    def token(self, scopes: str = "console") -> str:
        """Return a new token of the user."""
        store = open_store(Settings(notebook_folder=str(self.site.folder / "notebooks")))
        try:
            return str(store.create(USER, "a program", parse_grants(scopes), 3600)[1])
        finally:
            store.close()

    def sign_in(self) -> None:
        """Leave on the machine what a sign-in leaves there."""
        credential = Credential(site=f"{self.site.url}/notebook", token=self.token(), user=USER, notebooks=self.url)
        self.laptop.credentials.save(credential)

    def client(self, name: str = "program") -> NotebookClient:
        """Return a client with a token of its own."""
        return NotebookClient(self.url, token=self.token(), name=name)

    def past_the_door(self, method: str, **params: Any) -> Any:
        """Call a method of the user server, whether there is a site or not."""
        record = self.site.manager.find(USER)
        assert record
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        _status, answer = ask(record, "POST", f"{record.base_url}rpc", json=request, timeout=60, token="1")
        return answer["result"]

    def forget_end(self, session: str, execution: str, after: int) -> None:
        """Have the user server forget how an execution has ended, as soon as it has; only events after one count."""
        self.past_the_door("execute", session=session, code=FLOOD, wait=False)
        about = {"session": session, "execution": execution, "after": after, "limit": 1}

        def is_lost() -> bool:
            told = self.past_the_door("session.events", **about)
            return told["status"] == "ok" and not told["events"]

        wait_until(is_lost, "the server to forget the end")

    def environment(self, **more: str) -> dict[str, str]:
        """Return the variables that a program has there."""
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        return {**kept, "HOME": str(self.laptop.home), "TERM": "xterm-256color", "PYTHONPATH": str(ROOT), **more}

    @contextmanager
    def console(self, *arguments: str, **environment: str) -> Iterator[Terminal]:
        """Run the console in a terminal."""
        variables, home = self.environment(**environment), str(self.laptop.home)
        with terminal(COMMAND, ["console", *arguments], variables, cwd=home) as shown:
            yield shown

    def pipe(self, text: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the console with text from a pipe, and pipes for what it says."""
        return subprocess.run(
            [sys.executable, "-c", COMMAND, "console", *arguments],
            input=text,
            env=self.environment(**environment),
            cwd=self.laptop.home,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=120,
            check=False,
        )


def desk(site: Site, folder: Path, *, is_signed_in: bool = True) -> Desk:
    """Return a machine with an empty home."""
    made = Desk(site, Laptop(folder))
    if is_signed_in:
        made.sign_in()
    return made
