"""What is called: a notebook of a site, or one call of it that goes on already."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from ...errors import SiteError
from ...site_client import shown, site_address
from ...sync.client.sites import Site, choose, site_at

SUFFIX = ".ipynb"
#: Where notebooks have addresses below those of a user: as functions, and as pages.
_PLACES = ("restified/", "notebooks/", "lab/tree/")
_RUN = re.compile(r"(.+\.ipynb)/-/runs/([\w-]{1,64})(?:/result|/events)?", re.ASCII | re.DOTALL)
RUN_ID = re.compile(r"[\w-]{1,64}", re.ASCII)


class Target(NamedTuple):
    """A notebook of a site.

    Attributes:
        site: where it is.
        path: of the notebook, below the user's folder.
        run: id of the call; empty where there is none yet.
        pairs: parameters that the address has.
    """

    site: Site
    path: str
    run: str = ""
    pairs: tuple[tuple[str, str], ...] = ()

    @property
    def function(self) -> str:
        """Its address below those of the user."""
        return f"restified/{quote(self.path)}"

    def of_run(self, run: str, what: str = "") -> str:
        """Return the address of a call, or of something of it, below those of the user."""
        return f"{self.function}/-/runs/{run}{'/' if what else ''}{what}"


def find(text: str, chosen: str, environment: Mapping[str, str]) -> Target:
    """Return what somebody wants to call.

    Args:
        text: a path below the user's folder, or an address.
        chosen: what ``--site`` says; empty for nothing.
        environment: the variables of this process.

    Raises:
        SiteError: it names no notebook, no site is certain, or the user is not signed in to it.
        SettingsError, UnsafePath, CredentialsUnreadable: see :func:`pyramid_notebook.sync.client.sites.choose`.
    """
    if "://" in text:
        return _at(text, environment)
    _check(text, text)
    return Target(choose("", chosen, environment).site, text)


def _at(url: str, environment: Mapping[str, str]) -> Target:
    address = site_address(url)
    site = site_at(address, environment)
    below = address.removeprefix(site.notebooks)
    place = next((place for place in _PLACES if below.startswith(place)), None)
    try:
        path = unquote(below.removeprefix(place or ""), errors="strict")
    except UnicodeDecodeError:
        place, path = None, ""
    if place is None:
        raise SiteError(f"{shown(url)} is not the address of a notebook, such as {site.notebooks}restified/x.ipynb")
    if place != _PLACES[0]:  # what a page's address asks for is not the notebook's
        _check(path, url)
        return Target(site, path)
    run = _RUN.fullmatch(path)
    path = run[1] if run else path
    _check(path, url)
    pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    return Target(site, path, run[2] if run else "", tuple(pairs))


def _check(path: str, text: str) -> None:
    parts = path.split("/")
    if not path.endswith(SUFFIX) or any(part in ("", ".", "..", "-") for part in parts) or not path.isprintable():
        raise SiteError(f"{shown(text)} names no notebook: its path below your folder ends with {SUFFIX}")
