"""The tokens with which this user's programs are signed in, one for each site, in one file of theirs.

The file is ``pyramid-notebook/credentials.json`` below ``$XDG_CONFIG_HOME``, usually ``~/.config`` (XDG Base Directory
Specification). It is 0600 in a folder 0700, replaced in one step, and never read where others could have read it.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from .errors import CredentialsUnreadable, UnsafePath
from .files import locked, private_folder, read_private, write_private

_VERSION = 1
_LOCK_SECONDS = 10


class Credential(NamedTuple):  # dataclasses would take as long to load as all of this
    """What a program needs to use one site.

    Attributes:
        site: address under which its notebooks live, such as ``https://example.com/notebook``.
        token: what the program sends in ``Authorization: Bearer``.
        user: the user that it stands for, as the site knows them.
        notebooks: address of the user's own notebooks, with a slash at its end.
        scope: what it may do, as text of :func:`pyramid_notebook.scopes.parse_grants`.
        expires: until when it is valid, in seconds since the epoch.
    """

    site: str
    token: str
    user: str = ""
    notebooks: str = ""
    scope: str = ""
    expires: float = 0.0

    def __repr__(self) -> str:
        """Return what may be shown: not the token."""
        return f"Credential(site={self.site!r}, user={self.user!r}, scope={self.scope!r}, expires={self.expires!r})"


def default_path() -> Path:
    """Return where the file of this user is."""
    configured = os.environ.get("XDG_CONFIG_HOME", "")
    # the specification has relative paths ignored
    folder = Path(configured) if configured.startswith("/") else Path.home() / ".config"
    return folder / "pyramid-notebook" / "credentials.json"


class CredentialFile:
    """The credentials in one file; several programs may use it at once.

    Args:
        path: the file, None for the user's own.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or default_path()

    def prepare(self) -> None:
        """Find out now whether the file can be written.

        Raises:
            UnsafePath: its folder, or it, is not ours alone.
            CredentialsUnreadable: it holds something else.
        """
        private_folder(self.path.parent)
        if not os.access(self.path.parent, os.W_OK):
            raise UnsafePath(f"The folder {self.path.parent} cannot be written to.")
        self.read()

    def read(self) -> dict[str, Credential]:
        """Return all credentials, by site.

        Raises:
            UnsafePath: the file is a link, belongs to somebody else, or others may read it.
            CredentialsUnreadable: it holds something else.
        """
        text = read_private(self.path)
        if text is None:
            return {}
        if stat.S_IMODE(self.path.stat().st_mode) & 0o077:
            raise UnsafePath(f"Others may read {self.path}. Revoke its tokens on the sites, and delete it.")
        try:
            values = json.loads(text)
            if values["version"] != _VERSION:
                raise CredentialsUnreadable(f"{self.path} was written by another version of this program.")
            known = set(Credential._fields)
            found = [Credential(**{name: entry[name] for name in known & set(entry)}) for entry in values["sites"]]
        except (ValueError, TypeError, KeyError):
            message = f"{self.path} does not hold credentials. Delete it, and sign in again."
            raise CredentialsUnreadable(message) from None
        return {credential.site: credential for credential in found}

    def find(self, site: str) -> Credential | None:
        """Return the credential for a site, or None; raises as :meth:`read`."""
        return self.read().get(site)

    def save(self, credential: Credential) -> None:
        """Keep a credential, in place of an older one for the same site.

        Raises:
            OSError, TimeoutError: the file cannot be written.
            UnsafePath, CredentialsUnreadable: see :meth:`prepare`.
        """
        with self._changing() as credentials:
            credentials[credential.site] = credential

    def forget(self, credential: Credential) -> None:
        """Remove a credential, unless another one has taken its place; raises as :meth:`save`."""
        with self._changing() as credentials:
            if credentials.get(credential.site) == credential:
                del credentials[credential.site]

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Credential]]:
        private_folder(self.path.parent)
        with locked(self.path.with_suffix(".lock"), timeout=_LOCK_SECONDS):
            credentials = self.read()
            yield credentials
            values = {"version": _VERSION, "sites": [credential._asdict() for credential in credentials.values()]}
            write_private(self.path, json.dumps(values, indent=2) + "\n")
