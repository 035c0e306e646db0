"""Which site a file belongs to, and with which token it is asked.

``--site`` decides; else ``PYRAMID_NOTEBOOK_URL``, with ``PYRAMID_NOTEBOOK_TOKEN``; else the folder table of
``sync.toml``; else the only site that this user is signed in to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from ...credentials import Credential, CredentialFile
from ...errors import NotSignedIn, SettingsError, SiteError
from ...site_client import candidates, site_address
from .configuration import read_folders

URL_VARIABLE = "PYRAMID_NOTEBOOK_URL"
TOKEN_VARIABLE = "PYRAMID_NOTEBOOK_TOKEN"  # noqa: S105 - its name only
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{1,500}=*", re.ASCII)  # RFC 6750 section 2.1


class Site(NamedTuple):
    """Where a user's notebooks are, and how they are reached.

    Attributes:
        notebooks: their address, with a slash at its end.
        token: what is sent in ``Authorization: Bearer``.
        login: the site's address for ``pyramid-notebook login``; empty for a token of the environment.
    """

    notebooks: str
    token: str
    login: str = ""

    def __repr__(self) -> str:
        return f"Site({self.notebooks!r})"  # the token must not get into any log

    @property
    def token_name(self) -> str:
        """What to call the token, which is never shown."""
        return f"The token for {self.login}" if self.login else f"The token in {TOKEN_VARIABLE}"

    def sign_in(self, *, scope: str = "") -> str:
        """Return what to do about a token that does not suffice.

        Args:
            scope: what it lacks.
        """
        if not self.login:
            return f"Put another one{f' with the scope {scope}' if scope else ''} there."
        return f"Sign in again: pyramid-notebook login {self.login}{f' --scope {scope}' if scope else ''}"


class Place(NamedTuple):
    """Where a file is pushed to.

    Attributes:
        site: which site.
        file: the file's name there: absolute, and below a folder of ``mapping`` where there is one.
        mapping: the folder of this machine that a folder below the user's notebooks stands for.
    """

    site: Site
    file: str
    mapping: Mapping[str, str]


def choose(file: str, chosen: str, environment: Mapping[str, str]) -> Place:
    """Return where a file is pushed to.

    Args:
        file: its absolute path; empty for none.
        chosen: what ``--site`` says; empty for nothing.
        environment: the variables of this process.

    Raises:
        SiteError: no site is certain, or the user is not signed in to it.
        SettingsError: ``sync.toml`` or a variable holds what cannot be used.
        UnsafePath, CredentialsUnreadable: the credentials cannot be used.
    """
    folders = read_folders() if file else []
    named = [(folder, name) for folder in folders if (name := folder.name_of(file))]
    named.sort(key=lambda found: len(found[0].path), reverse=True)
    site = _site(chosen, next((folder.site for folder, _ in named if folder.site), ""), environment)
    for folder, name in named:
        if folder.notebooks is not None and (not folder.site or _is(site, folder.site)):
            return Place(site, name, {folder.path: folder.notebooks})
    return Place(site, file, {})


def site_at(address: str, environment: Mapping[str, str]) -> Site:
    """Return the site that an address within a user's notebooks belongs to.

    Args:
        address: see :func:`pyramid_notebook.site_client.site_address`.
        environment: the variables of this process.

    Raises:
        SiteError: the user is not signed in there, so that no token may go there.
        SettingsError: a variable holds what cannot be used.
        UnsafePath, CredentialsUnreadable: the credentials cannot be used.
    """
    own, token = environment.get(URL_VARIABLE, "").strip(), environment.get(TOKEN_VARIABLE, "").strip()
    if token:
        site = _of_environment(own, token)
        if address.startswith(site.notebooks):
            return site
    for credential in CredentialFile().read().values():
        if credential.notebooks and address.startswith(f"{credential.notebooks.rstrip('/')}/"):
            return _of_credential(credential)
    origin = "/".join(address.split("/")[:3])
    raise NotSignedIn(f"You are not signed in to the notebooks of {address}. Sign in: pyramid-notebook login {origin}")


def _site(chosen: str, of_folder: str, environment: Mapping[str, str]) -> Site:
    address, token = environment.get(URL_VARIABLE, "").strip(), environment.get(TOKEN_VARIABLE, "").strip()
    if not chosen and token:
        return _of_environment(address, token)
    credentials = CredentialFile().read()
    if wanted := chosen or address or of_folder:
        return _signed_in(wanted, credentials)
    if not credentials:
        raise NotSignedIn("You are not signed in to any site. Sign in: pyramid-notebook login ADDRESS")
    if len(credentials) > 1:
        raise SiteError(f"Say with --site, or in sync.toml, which site this is for: {', '.join(credentials)}")
    return _of_credential(next(iter(credentials.values())))


def _of_environment(address: str, token: str) -> Site:
    if not address:
        raise SettingsError(f"{TOKEN_VARIABLE} is set, so {URL_VARIABLE} has to be the address of the notebooks.")
    if not _TOKEN.fullmatch(token):
        raise SettingsError(f"What {TOKEN_VARIABLE} holds is not a token.")
    return Site(notebooks=f"{site_address(address)}/", token=token)


def _signed_in(typed: str, credentials: Mapping[str, Credential]) -> Site:
    address = site_address(typed)
    for site in candidates(address):
        if site in credentials:
            return _of_credential(credentials[site])
    for credential in credentials.values():
        if credential.notebooks.rstrip("/") == address:
            return _of_credential(credential)
    raise NotSignedIn(f"You are not signed in to {address}. Sign in: pyramid-notebook login {address}")


def _of_credential(credential: Credential) -> Site:
    if not credential.notebooks or not _TOKEN.fullmatch(credential.token):
        raise NotSignedIn(f"Sign in to {credential.site} again: pyramid-notebook login {credential.site}")
    address = f"{site_address(credential.notebooks)}/"
    return Site(notebooks=address, token=credential.token, login=credential.site)


def _is(site: Site, typed: str) -> bool:
    address = site_address(typed)
    return site.login in candidates(address) or site.notebooks.startswith(f"{address}/")
