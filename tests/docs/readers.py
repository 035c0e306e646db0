"""Somebody who follows a page of the documentation at a real demo site, with a real token."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from pyramid_notebook.credentials import Credential
from pyramid_notebook.scopes import parse_grants
from pyramid_notebook.settings import Settings
from pyramid_notebook.tokens.database import open_store
from tests.running import Site
from tests.running_login import Laptop

from .blocks import BLOCKS

#: Languages of what a command prints.
OUTPUT = ("json", "text")
#: Variables that would change what commands do.
OURS = ("XDG_", "PYRAMID_NOTEBOOK")
#: Ids of cells and runs, names of kernelspecs, and revs; each time they are others.
_NAME = re.compile(
    r"\b(?:[0-9a-f]{32}|[0-9a-f]{20}|[0-9a-f]{8})\b|(?<=/runs/)[\w-]{22}(?![\w-])|(?<=\"id\": \")[\w-]{22}(?=\")"
)
_KERNEL = re.compile(r'("kernel": \{"name": "[^"]+", "state": )"(?:starting|busy|idle)"')
_TRACEBACK = re.compile(r'"traceback": \[.*?\](?=\})')
_TIME = re.compile(r'("(?:created|started|ended)": )[\d.]+')
#: How many events what is printed makes, is a matter of time.
_EVENT = re.compile(r"^id: \d+$", re.MULTILINE)


class Reader:
    """Somebody who types what a page says, and compares what comes with what the page shows.

    Args:
        site: the demo site.
        laptop: their machine.
    """

    def __init__(self, site: Site, laptop: Laptop) -> None:
        self.site, self.laptop = site, laptop
        self._real: dict[str, str] = {}
        self._printed = ""

    def follow(self, page: str) -> None:
        """Do all of a page."""
        blocks = [block for block in BLOCKS if block.page == page]
        for block, following in zip(blocks, [*blocks[1:], None], strict=True):
            if block.file:
                path = self.laptop.home / block.file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(self.here(block.text))
            elif block.language == "sh":
                is_shown = following is not None and following.language in OUTPUT and not following.file
                self.type(self.here(block.text), may_fail=is_shown)
            else:
                assert block.language in OUTPUT, block
                self.compare(block.text)

    def type(self, command: str, *, may_fail: bool) -> str:
        """Run a command, and return what it prints; whether one that shows that goes well, is seen by it."""
        done = subprocess.run(
            ["bash", "-uc", command],
            cwd=self.laptop.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        self._printed = done.stdout
        assert may_fail or done.returncode == 0, (command, done.stdout)
        return done.stdout

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {**inherited, "HOME": str(self.laptop.home), "PATH": path}

    def here(self, text: str) -> str:
        """Return a text of a page as it is here: with the address of the site, and names that were told before."""
        text = text.replace("https://example.com/notebook/alice", f"{self.site.url}/notebook/user")
        text = text.replace("https://example.com", self.site.url)
        return _NAME.sub(lambda found: self._real.get(found[0], found[0]), text)

    def compare(self, text: str) -> None:
        """Compare what was printed with the page, which may have other names; what is named once stays named so."""
        told, printed = _plain(text), _plain(self._printed.replace("/notebook/user/", "/notebook/alice/"))
        names = dict(zip(_NAME.findall(told), _NAME.findall(printed), strict=False))
        for name, real in names.items():
            assert self._real.setdefault(name, real) == real, (text, printed)
        assert len(set(self._real.values())) == len(self._real), (text, printed)
        page = {real: name for name, real in self._real.items()}
        assert _NAME.sub(lambda found: page.get(found[0], found[0]), printed) == told


def signed_in(site: Site, folder: Path, scopes: str) -> Reader:
    """Return a reader with a token, in the places where the pages about tokens put it.

    Args:
        site: the demo site.
        folder: an empty one.
        scopes: of the token, in their text form.
    """
    laptop = Laptop(folder)
    store = open_store(Settings(notebook_folder=str(site.folder / "notebooks")))
    token = store.create("user", "a program", parse_grants(scopes), 3600)[1]
    store.close()
    notebooks = f"{site.url}/notebook/user/"
    laptop.credentials.save(Credential(site=f"{site.url}/notebook", token=token, user="user", notebooks=notebooks))
    (laptop.home / ".notebook-header").write_text(f"Authorization: Bearer {token}\n")
    (laptop.home / ".curlrc").write_text("silent\n")  # as it is anyway where its output is a terminal
    (laptop.home / "notebook-token").write_text(f"{token}\n")
    return Reader(site, laptop)


def _plain(text: str) -> str:
    """Return output with JSON in one form, and without what nobody can foresee."""
    try:
        text = json.dumps(json.loads(text), ensure_ascii=False)
    except ValueError:
        lines = [line.rstrip() for line in text.strip().splitlines()]
        text = "\n".join(lines)
    text = _TRACEBACK.sub('"traceback": ["…"]', text.replace("\\u2026", "…"))
    text = _EVENT.sub("id: …", text)
    return _TIME.sub(r"\1…", _KERNEL.sub(r'\1"…"', text))
