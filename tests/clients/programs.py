"""Runs Jupyter's own programs, as somebody does who has signed in to a site."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pyramid_notebook.credentials import Credential
from pyramid_notebook.record import ServerRecord
from pyramid_notebook.scopes import parse_grants
from pyramid_notebook.settings import Settings
from pyramid_notebook.tokens.database import open_store
from pyramid_notebook.tokens.model import TokenInfo
from pyramid_notebook.tokens.store import TokenStore
from tests.running import Site, wait_until
from tests.running_login import Laptop

#: Made by ``make jupyter-clients``.
PACKAGES = Path(sys.prefix) / "jupyter-clients"
#: Variables that would change what the programs do.
_OURS = ("XDG_", "PYRAMID_NOTEBOOK", "JUPYTER")
USER = "user"


@dataclass(frozen=True)
class Machine:
    """A user's machine, with a token of a running site.

    Attributes:
        site: that runs.
        laptop: the machine.
        store: the site's tokens.
        token: the one of this user, which ``login`` has left on the machine.
        secret: what is sent for it.
    """

    site: Site
    laptop: Laptop
    store: TokenStore
    token: TokenInfo
    secret: str

    @property
    def notebooks(self) -> str:
        """Address of the user's notebooks, with a slash at its end."""
        return f"{self.site.url}/notebook/{USER}/"

    @property
    def record(self) -> ServerRecord:
        """The user server; it is there once a program has asked for something."""
        found: ServerRecord = wait_until(lambda: self.site.manager.find(USER), "the user server runs")
        return found

    @property
    def work(self) -> Path:
        """The user's folder on the site."""
        return self.site.folder / "notebooks" / USER / "work"

    @property
    def environment(self) -> dict[str, str]:
        """In which programs run: they find the real packages, our command, and no other sign-in."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        path = f"{PACKAGES / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        home = str(self.laptop.home)
        return {**inherited, "HOME": home, "PATH": path, "PYTHONPATH": str(PACKAGES), "PYTHONUNBUFFERED": "1"}


def machine(site: Site, home: Path, scopes: str, *, with_programs: bool = True) -> Iterator[Machine]:
    """Yield a machine whose user has signed in.

    Args:
        site: that runs.
        home: an empty folder.
        scopes: of the token, in their text form.
        with_programs: whether Jupyter's programs must be there.
    """
    told = f"Jupyter's programs are missing. Type: make jupyter-clients VENV={sys.prefix}"
    assert not with_programs or PACKAGES.exists(), told
    laptop = Laptop(home)
    with closing(open_store(Settings(notebook_folder=str(site.folder / "notebooks")))) as store:
        info, secret = store.create(USER, "a program", parse_grants(scopes), 3600)
        notebooks = f"{site.url}/notebook/{USER}/"
        laptop.credentials.save(Credential(site=f"{site.url}/notebook", token=secret, user=USER, notebooks=notebooks))
        (home / "notebook-token").write_text(f"{secret}\n")
        yield Machine(site, laptop, store, info, secret)
